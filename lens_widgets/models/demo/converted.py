"""SmolLM2 out of its package: converted once, and kept where the system keeps what can be made
again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lens_widgets.errors import InputError
from lens_widgets.models.packaged import GGUF_SHA256, gguf_file

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STAMP_FILE = "stamp.json"
FORMAT = 1
_BLOCK = 1 << 22


def cache_folder() -> Path:
    """Where the converted model is kept: under ``~/.cache``, ``~/Library/Caches`` or
    ``%LOCALAPPDATA%``, wherever the person's settings put it."""
    from platformdirs import user_cache_path

    return user_cache_path("lens_widgets", appauthor=False) / "smollm2"


def read_smollm2() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The Hugging Face model in float32, and its tokenizer.

    The first time, 4-bit weights are converted, which takes a quarter of a minute, and kept. What
    is damaged or was made by other versions is made again.

    Raises:
        InputError: the package is not installed, or its file is not the one that was published.
    """
    folder = cache_folder()
    if not is_whole(folder):
        source = gguf_file()
        print(f"Converting SmolLM2, once: less than a minute. It is kept in {folder}.", flush=True)
        model, tokenizer = convert(source)
        try:
            keep(folder, model, tokenizer)
        except OSError as error:
            print(f"It could not be kept ({error.strerror or error}): next time it takes as long.")
        return model, tokenizer
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return (
        AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, **_options()),
        AutoTokenizer.from_pretrained(folder, local_files_only=True),
    )


def convert(source: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Reads the package's file; InputError if it is another than the card was measured on."""
    found = digest(source)
    if found != GGUF_SHA256:
        raise InputError(
            f"{source} is damaged: its SHA-256 is {found}, not {GGUF_SHA256}.",
            "Install the package again with --force-reinstall.",
        )
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"gguf_file": source.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(source.parent, **where)
    model = AutoModelForCausalLM.from_pretrained(source.parent, **where, **_options())
    # The weights are plain numbers now; with these it would refuse to be written, as quantised.
    vars(model).pop("hf_quantizer", None)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer


def keep(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Puts a converted model at ``folder``, whole or not at all; OSError if it cannot be written.

    Of two programs that do so at once, one wins, and both go on with what they have.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        sums = {file.name: digest(file) for file in sorted(made.iterdir())}
        (made / STAMP_FILE).write_text(json.dumps({**_versions(), "sha256": sums}, indent=1))
        if folder.exists():
            # Not in place: another program may be reading it.
            folder.rename(made / "before")
        made.chmod(0o777 & ~_umask())
        made.rename(folder)
    except OSError:
        if not is_whole(folder):
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(folder / "before", ignore_errors=True)


def is_whole(folder: Path) -> bool:
    """Whether a model was kept there, by these versions, and every byte of it is as written."""
    try:
        stamp = json.loads((folder / STAMP_FILE).read_text())
        sums = stamp.pop("sha256")
        return bool(
            sums
            and stamp == _versions()
            and all(digest(folder / name) == value for name, value in sums.items())
        )
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return False


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def _versions() -> dict[str, Any]:
    """What decides what is converted to; a cache made by others is made again."""
    import transformers

    return {"format": FORMAT, "gguf": GGUF_SHA256, "transformers": transformers.__version__}


def _options() -> dict[str, Any]:
    import torch

    return {"dtype": torch.float32, "attn_implementation": "eager"}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
