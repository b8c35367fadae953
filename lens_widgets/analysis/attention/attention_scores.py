"""Attention scores before the softmax, proven to be such before they are shown.

Some architectures report a copy of the pattern at ``hook_attn_scores`` (OPT, GPT-J, GPT-Neo, native
models). Where their queries times keys give back the pattern, those are the scores; where rotary
positions come in between unseen, there are none to be had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.parts import PATTERN, check_layer
from lens_widgets.errors import InputError
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

# No score of a trained model comes near: what is below is a mask.
MASK_BELOW = -3e4


CHECKED_QUERIES = 128
"""Queries of a prompt by which it is tried what a layer's scores are."""


def attention_scores(
    session: Session, run: Run, prompt: int, layer: int
) -> Float[Tensor, "head query key"]:
    """A layer's scores on one prompt, float32, NaN where masked.

    InputError when the model's scores cannot be had.
    """
    read = score_reader(session, run, prompt, layer)
    return torch.stack([read(head) for head in range(session.facts.n_heads)])


def score_reader(
    session: Session, run: Run, prompt: int, layer: int
) -> Callable[[int], Float[Tensor, "query key"]]:
    """The same head by head: on a long prompt a head's scores fit the processor's cache, and those
    of a layer are slower to get memory for than to compute."""
    session, prompt, run = session.around(prompt, run)
    given = _Layer(session, run, prompt, layer, score_way(session, layer))
    causal = session.facts.batch.causal
    every = torch.arange(given.length, device=session.device)

    def read(head: int) -> Float[Tensor, "query key"]:
        pattern, scores = given.of(slice(head, head + 1), every)
        return _masked(scores, pattern, causal, every)[0]

    return read


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
    given = _Layer(session, run, 0, layer, way)
    n_rows = min(given.length, CHECKED_QUERIES)
    rows = torch.linspace(0, given.length - 1, n_rows, device=session.device).round().long()
    pattern, scores = given.of(slice(None), rows)
    scores = _masked(scores, pattern, session.facts.batch.causal, rows)
    again = scores.masked_fill(scores.isnan(), float("-inf")).softmax(dim=-1)
    # An attention sink takes a share of each row that no key has.
    expected = pattern / pattern.sum(dim=-1, keepdim=True)
    exact = session.facts.dtype in ("float32", "float64")
    return bool(((again - expected).abs() <= (1e-4 if exact else 3e-2)).all())


class _Layer:
    """What a layer's scores on one prompt are made of, one way or the other."""

    def __init__(
        self, session: Session, run: Run, prompt: int, layer: int, way: float | str
    ) -> None:
        self.length = length = int(session.prompt_set.lengths[prompt])
        self._way = way
        base = f"blocks.{layer}.attn."
        parts = ("hook_attn_scores",) if way == "hook" else ("hook_q", "hook_k")
        found = run.activations([f"{base}{name}" for name in ("hook_pattern", *parts)])
        self._pattern = found[f"{base}hook_pattern"][prompt, :, :length, :length]
        if way == "hook":
            self._scores = found[f"{base}hook_attn_scores"][prompt, :, :length, :length]
            return
        self._query = found[f"{base}hook_q"][prompt, :length].float()
        key = found[f"{base}hook_k"][prompt, :length].float()
        self._key = key.repeat_interleave(self._query.shape[1] // key.shape[1], dim=1)

    def of(
        self, heads: slice, rows: Int[Tensor, "row"]
    ) -> tuple[Float[Tensor, "head row key"], Float[Tensor, "head row key"]]:
        """Pattern and candidate scores of some heads and queries, in float32."""
        pattern = self._pattern[heads, rows].float()
        if self._way == "hook":
            return pattern, self._scores[heads, rows].float()
        query, key = self._query[rows, heads], self._key[:, heads]
        return pattern, float(self._way) * torch.einsum("qhd,khd->hqk", query, key)


def _masked(
    scores: Float[Tensor, "head row key"],
    pattern: Float[Tensor, "head row key"],
    causal: bool,
    rows: Int[Tensor, "row"],
) -> Float[Tensor, "head row key"]:
    """NaN at what the softmax does not see: the future of a causal model, and what a local
    attention leaves out.

    Recomputed scores know no mask. An attended key whose weight rounds to zero lies far below its
    row's largest score; a masked one does not.
    """
    unattended = pattern <= 0
    top = scores.masked_fill(unattended, float("-inf")).amax(dim=-1, keepdim=True)
    unseen = unattended & ((scores - top > -80.0) | (scores < MASK_BELOW))
    if causal:
        unseen |= torch.arange(scores.shape[-1], device=rows.device) > rows[:, None]
    return scores.masked_fill(unseen, float("nan"))
