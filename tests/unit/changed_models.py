"""A model that tests change under a session, and what its numbers then are by plain runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.engine.cell_pause import CELL_PAUSE
from tests.unit.page import Page

TEXTS = ["w5 w6 w7 w8", "w9 w6 w7 w8"]
ANSWERS = ("w20", "w21")


def session_of(model: Any) -> lw.Session:
    """On ``TEXTS``, with the logit difference of ``ANSWERS``."""
    return lw.Session(model, TEXTS, answers=ANSWERS)


def effect(session: lw.Session) -> float:
    """Of the first head, by a sweep."""
    return lw.analysis.ablation_sweep(session)[0, 0].item()


def plain_run(model: Any) -> tuple[Tensor, float]:
    """The logit differences, and the effect of a head on their mean, by plain runs."""
    tokens = model.to_tokens(TEXTS)

    def off(z: Tensor, hook: Any) -> Tensor:
        return torch.cat([torch.zeros_like(z[:, :, :1]), z[:, :, 1:]], dim=2)

    with torch.no_grad():
        clean, edited = (
            model.run_with_hooks(tokens, fwd_hooks=hooks, use_cache=False)[:, -1]
            for hooks in ([], [("blocks.0.attn.hook_z", off)])
        )
    plain, ablated = (logits[:, 20] - logits[:, 21] for logits in (clean, edited))
    return plain, (ablated - plain).mean().item()


def is_right(session: lw.Session) -> None:
    """Whether baseline, run and sweep are those of the model as it is."""
    plain, expected = plain_run(session.model)
    torch.testing.assert_close(session.baseline, plain, atol=2e-5, rtol=0)
    ablated = session.run([lw.Ablate("L0H0")]).metric - plain
    assert ablated.mean().item() == pytest.approx(expected, abs=2e-5)
    assert effect(session) == pytest.approx(expected, abs=2e-5)


def told(page: Page) -> str:
    """What a view is told that asks for numbers."""
    error = page.error("attribution/rows", by="head", prompt=None, pos=None)
    assert error["type"] == "ModelChangedError"
    return str(error["message"])


def in_a_cell(work: Callable[[], Any]) -> None:
    """Does ``work`` as a cell of a notebook would."""
    CELL_PAUSE.begin()
    work()
    CELL_PAUSE.end()


def down_projection(model: Any) -> Any:
    """The last linear map of the first MLP."""
    return model.blocks[0].mlp.out.original_component
