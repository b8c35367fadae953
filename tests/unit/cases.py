"""The prompts most tests use, and a few words to state what is expected."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lens_widgets.session import Session
from tests.models import native

PROMPTS = ["w5 w6 w7 w8 w9 w10", "w11 w12 w13 w14"]
CORRUPTED = ["w15 w6 w17 w8 w19 w10", "w11 w22 w13 w24"]
ANSWERS = [("w30", "w31"), ("w32", "w33")]
ANSWER_IDS = [(30, 31), (32, 33)]


def attention_only(n_layers: int, n_heads: int, n_tokens: int) -> Session:
    """A model of any size that is quick to run, on one prompt of ``n_tokens``."""
    model = native(
        n_layers=n_layers,
        n_heads=n_heads,
        d_head=2,
        n_ctx=n_tokens,
        attn_only=True,
        act_fn="gelu",
        normalization_type="LN",
    )
    tokens = torch.randint(3, 60, (1, n_tokens), generator=torch.Generator().manual_seed(0))
    return Session(model, tokens, answers=(4, 5))


def rows(session: Session) -> list[Tensor]:
    """Each prompt's token ids [1, pos], without padding."""
    lengths = session.prompt_set.lengths.tolist()
    return [session.tokens[row, :length][None] for row, length in enumerate(lengths)]


def corrupted_rows(session: Session) -> list[Tensor]:
    """The same of the corrupted prompts."""
    tokens = session.prompt_set.corrupted_tokens
    assert tokens is not None
    lengths = session.prompt_set.lengths.tolist()
    return [tokens[row, :length][None] for row, length in enumerate(lengths)]


def state(session: Session) -> dict[str, Any]:
    """Everything a failed change must leave as it was."""
    return {
        "tokens": session.tokens.tolist(),
        "texts": session.prompt_set.texts,
        "answers": None if session.answer_tokens is None else session.answer_tokens.tolist(),
        "corrupted": session.prompt_set.corrupted_texts,
        "metric": session.metric.name,
        "entries": session.interventions.entries,
        "undoes": session.interventions.undoes,
        "redoes": session.interventions.redoes,
        "selection": session.selection.as_dict(),
        "revision": session.revision,
        "prompts_revision": session.prompts_revision,
        "baseline": session.baseline.tolist(),
        "current": session.current.tolist(),
    }


ROWS = {"by": "head", "prompt": None, "pos": None}
"""What the attribution table asks as it opens."""
