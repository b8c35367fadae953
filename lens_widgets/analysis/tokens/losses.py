"""Loss by position over prompts, and over the two halves of a repeated sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.head_scores import repeated_half, token_rows
from lens_widgets.analysis.labels import standard_error
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


@dataclass(frozen=True)
class Losses:
    """Nats for predicting the token after each position: of one prompt, or means over prompts with
    their standard errors. ``halves``: means over the predictions of the first and the second n
    tokens of a sequence that is one token and then n tokens twice; NaN where it is not."""

    mean: Float[Tensor, "pos"]
    sem: Float[Tensor, "pos"]
    halves: Float[Tensor, "2"]
    halves_sem: Float[Tensor, "2"]


def half_of(session: Session, prompt: int | None) -> int | None:
    """n, when the prompt (or every prompt) is one token and then the same n tokens twice."""
    rows = token_rows(session)
    halves = {repeated_half(row) for row in (rows if prompt is None else [rows[prompt]])}
    return halves.pop() if len(halves) == 1 else None


def position_losses(session: Session, run: Run, prompt: int | None = None) -> Losses:
    """The losses of ``run``, of one prompt or over all (those that have the position)."""
    loss = run.loss_per_token
    if prompt is not None:
        loss = loss[prompt : prompt + 1, : int(session.prompt_set.lengths[prompt])]
    half = half_of(session, prompt)
    if half is None:
        halves = torch.full((len(loss), 2), float("nan"), device=loss.device)
    else:
        halves = loss[:, : 2 * half].unflatten(1, (2, half)).nanmean(dim=-1)
    return Losses(
        loss.nanmean(dim=0), standard_error(loss), halves.mean(dim=0), standard_error(halves)
    )
