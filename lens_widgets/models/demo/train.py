"""Trains a demo model and writes its files: ``python -m lens_widgets.models.demo.train NAME``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lens_widgets.models.demo import train_induction, train_ioi, vocabulary
from lens_widgets.models.demo.card import make_card, render_card
from lens_widgets.models.demo.facts import measure, unmet
from lens_widgets.models.demo.loading import (
    CARD_FILE,
    README_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    demo_folder,
)
from lens_widgets.models.demo.models import SPECS
from lens_widgets.models.demo.tokenizer import build_tokenizer, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Weights = dict[str, torch.Tensor]


def _train_ioi(tokenizer: Tokenizer) -> Weights:
    return train_ioi.train_ioi(tokenizer)


def _train_induction(tokenizer: Tokenizer) -> Weights:
    return train_induction.train_induction(tokenizer.get_vocab_size())


_TRAINERS: dict[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[Any], Weights], Any]] = {
    "ioi": (vocabulary.IOI_WORDS, vocabulary.IOI_STARTS, _train_ioi, train_ioi),
    "induction": (
        vocabulary.INDUCTION_WORDS,
        vocabulary.INDUCTION_STARTS,
        _train_induction,
        train_induction,
    ),
}


def train(name: str, folder: Path | None = None) -> list[str]:
    """Trains the demo, writes its weights, tokenizer and card, and measures what was written.

    Args:
        name: "ioi" or "induction".
        folder: where the files go; the shipped ones are replaced if left out.

    Returns:
        The promised facts that this run did not reach, in words; empty if all is well.
    """
    from safetensors.torch import save_file

    spec = SPECS[name]
    words, starts, trainer, _ = _TRAINERS[spec.name]
    folder = folder or demo_folder(spec.name)
    folder.mkdir(parents=True, exist_ok=True)

    built = build_tokenizer(words, starts)
    built.save(str(folder / TOKENIZER_FILE), pretty=False)
    halves = {key: value.half().contiguous() for key, value in trainer(built).items()}
    save_file(halves, folder / WEIGHTS_FILE)
    return write_card(spec.name, folder)


def write_card(name: str, folder: Path | None = None) -> list[str]:
    """Measures the weights in ``folder`` and writes ``card.json`` and ``README.md`` beside them.

    Args and what it returns are those of :func:`train`.
    """
    from safetensors.torch import load_file

    spec = SPECS[name]
    settings = _TRAINERS[spec.name][-1]
    folder = folder or demo_folder(spec.name)
    stored = load_file(folder / WEIGHTS_FILE)
    tokenizer = load_tokenizer(folder / TOKENIZER_FILE)
    model = spec.build({key: value.float() for key, value in stored.items()}, tokenizer, None)
    values = measure(spec.name, model)
    card = make_card(
        spec.name,
        values,
        training={
            "seed": settings.SEED,
            "steps": settings.STEPS,
            "learning rate": settings.LEARNING_RATE,
        },
        n_parameters=sum(value.numel() for value in stored.values()),
        d_vocab=len(tokenizer),
    )
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / README_FILE).write_text(render_card(card), encoding="utf-8")
    return unmet(spec.name, values)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m lens_widgets.models.demo.train", description=__doc__
    )
    parser.add_argument("name", choices=tuple(SPECS))
    parser.add_argument("--folder", type=Path, help="write here instead of the package's folder")
    parser.add_argument("--card", action="store_true", help="only measure and write the card anew")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default 2)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    missed = (write_card if args.card else train)(args.name, args.folder)
    folder = args.folder or demo_folder(args.name)
    print((folder / README_FILE).read_text(encoding="utf-8"))
    if missed:
        parser.exit(1, "Not as promised: " + "; ".join(missed) + "\n")


if __name__ == "__main__":
    main()
