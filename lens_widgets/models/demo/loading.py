"""Loads the shipped demo models."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from lens_widgets.engine.origin import remember_origin
from lens_widgets.models.demo.models import SPECS, DemoSpec

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge

FOLDER = Path(__file__).parent
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
CARD_FILE = "card.json"
README_FILE = "README.md"

_NOISY_LOGGERS = ("", "transformers", "transformer_lens")


def demo_names() -> tuple[str, ...]:
    """The names :func:`load_demo` knows."""
    return tuple(SPECS)


def demo_folder(name: str) -> Path:
    """Where the files of a demo model lie: weights, tokenizer, card and README."""
    return FOLDER / name


def load_demo(name: str, device: str | torch.device | None = None) -> TransformerBridge:
    """A small trained model that ships with lens_widgets, ready to use; needs no network.

    "ioi" completes "When John and Mary went to the shops, John gave the bag to" with " Mary"
    (4 layers, 8 heads, MLPs, a GPT-2). "induction" continues what it has seen before (2 layers of
    attention, 8 heads). Their cards say what was measured:
    ``lens_widgets/models/demo/<name>/README.md``.

    Args:
        name: "ioi" or "induction".
        device: where the model is put, "cuda" for example; the CPU if left out.

    Returns:
        A new float32 model in eval mode with its tokenizer.

    Raises:
        ValueError: there is no demo of that name.
    """
    spec = find_spec(name)
    with _quiet():
        import torch
        from safetensors.torch import load_file

        from lens_widgets.models.demo.tokenizer import load_tokenizer

        folder = demo_folder(spec.name)
        # Half precision is for the disk only; every number is measured and shown in float32.
        stored = load_file(folder / WEIGHTS_FILE)
        weights = {key: value.float() for key, value in stored.items()}
        tokenizer = load_tokenizer(folder / TOKENIZER_FILE)
        # Building draws weights before they are replaced: the caller's random numbers stay as is.
        with torch.random.fork_rng(devices=[]):
            model = spec.build(weights, tokenizer, device)
    place = "" if device is None else f", device={str(device)!r}"
    remember_origin(
        model, f"import lens_widgets as lw\n\nmodel = lw.load_demo({spec.name!r}{place})"
    )
    return model


def find_spec(name: str) -> DemoSpec:
    """The demo called ``name``, or a ValueError that says which there are."""
    spec = SPECS.get(name) if isinstance(name, str) else None
    if spec is None:
        near = get_close_matches(str(name).lower(), SPECS, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(map(repr, SPECS))
        raise ValueError(f"name: expected one of {known}, got {name!r}.{hint}")
    return spec


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the libraries' notes about tokenizers and loading to themselves, then undoes it."""
    import warnings

    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
