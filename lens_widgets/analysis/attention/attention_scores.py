"""Attention scores before the softmax, proven to be such before they are shown.

Some architectures report a copy of the pattern at ``hook_attn_scores`` (OPT, GPT-J, GPT-Neo, native
models). Where their queries times keys give back the pattern, those are the scores; where rotary
positions come in between unseen, there are none to be had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.parts import PATTERN, check_layer
from lens_widgets.errors import InputError
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

# No score of a trained model comes near: what is below is a mask.
MASK_BELOW = -3e4


def attention_scores(
    session: Session, run: Run, prompt: int, layer: int
) -> Float[Tensor, "head query key"]:
    """A layer's scores on one prompt, float32, NaN where masked.

    InputError when the model's scores cannot be had.
    """
    pattern, scores = _read(session, run, prompt, layer, score_way(session, layer))
    return _masked(scores, pattern, session.facts.batch.causal)


def score_way(session: Session, layer: int) -> float | str:
    """``"hook"``, or the factor of query times key: whatever the softmax of which is the pattern.

    Tried on the first prompt of the run without interventions, once for each layer. InputError
    where nothing is.
    """
    run = session.run(())
    key = f"scores of layer {layer}"
    if key not in run.derived:
        check_layer(session.facts, layer, "mode='scores'", PATTERN)
        ways: list[float | str] = ["hook"]
        if session.facts.lays_out(layer, "attn.hook_q"):
            ways += [session.facts.hooks[f"blocks.{layer}.attn.hook_q"][-1] ** -0.5, 1.0]
        run.derived[key] = next((w for w in ways if _gives_pattern(session, run, layer, w)), None)
    way: float | str | None = run.derived[key]
    if way is None:
        raise InputError(
            "mode='scores': this model reports its attention pattern only, and its scores are not "
            "plainly query times key.",
            "Look at mode='pattern' instead: its logarithm is the score up to a constant for "
            "each query.",
        )
    return way


def _gives_pattern(session: Session, run: Run, layer: int, way: float | str) -> bool:
    names = {"hook_attn_scores"} if way == "hook" else {"hook_q", "hook_k"}
    if not all(session.facts.lays_out(layer, f"attn.{name}") for name in names):
        return False
    pattern, scores = _read(session, run, 0, layer, way)
    scores = _masked(scores, pattern, session.facts.batch.causal)
    again = scores.masked_fill(scores.isnan(), float("-inf")).softmax(dim=-1)
    # An attention sink takes a share of each row that no key has.
    expected = pattern / pattern.sum(dim=-1, keepdim=True)
    exact = session.facts.dtype in ("float32", "float64")
    return bool(((again - expected).abs() <= (1e-4 if exact else 3e-2)).all())


def _read(
    session: Session, run: Run, prompt: int, layer: int, way: float | str
) -> tuple[Tensor, Tensor]:
    """Pattern and candidate scores [head, query, key] of one prompt."""
    length = int(session.prompt_set.lengths[prompt])
    base = f"blocks.{layer}.attn."
    parts = ("hook_attn_scores",) if way == "hook" else ("hook_q", "hook_k")
    found = run.activations([f"{base}{name}" for name in ("hook_pattern", *parts)])
    pattern = found[f"{base}hook_pattern"][prompt, :, :length, :length].float()
    if way == "hook":
        scores = found[f"{base}hook_attn_scores"]
        return pattern, scores[prompt, :, :length, :length].float()
    query = found[f"{base}hook_q"][prompt, :length].float()
    key = found[f"{base}hook_k"][prompt, :length].float()
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    return pattern, float(way) * torch.einsum("qhd,khd->hqk", query, key)


def _masked(scores: Tensor, pattern: Tensor, causal: bool) -> Tensor:
    """NaN at what the softmax does not see: the future of a causal model, and what a local
    attention leaves out.

    Recomputed scores know no mask. An attended key whose weight rounds to zero lies far below its
    row's largest score; a masked one does not.
    """
    size = scores.shape[-1]
    future = torch.full((size, size), causal, device=scores.device).triu(1)
    top = scores.masked_fill(pattern <= 0, float("-inf")).amax(dim=-1, keepdim=True)
    unseen = (pattern <= 0) & ((scores - top > -80.0) | (scores < MASK_BELOW))
    return scores.masked_fill(future | unseen, float("nan"))
