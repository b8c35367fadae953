"""Norms as the linear maps that they are once their scale is held at the value a run had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Vectors = Float[Tensor, "n d_model"]


@dataclass(frozen=True)
class HeldNorm:
    """``gain``: what each dimension is multiplied with at each place, the scale included.

    ``centred``: the mean over dimensions is taken off first. ``bias``: what is added at the end.
    """

    gain: Float[Tensor, "n #d_model"]
    centred: bool
    bias: Float[Tensor, "d_model"] | None

    def back(self, direction: Vectors) -> Vectors:
        """The direction before the norm that has ``direction`` after it."""
        before = direction * self.gain
        return before - before.mean(dim=-1, keepdim=True) if self.centred else before

    def forth(self, stream: Vectors) -> Vectors:
        """What the norm makes of the stream."""
        if self.centred:
            stream = stream - stream.mean(dim=-1, keepdim=True)
        after = stream * self.gain
        return after if self.bias is None else after + self.bias


def held_norm(norm: Any, scale: Float[Tensor, "n 1"]) -> HeldNorm:
    """A norm that reports its scale at some places."""
    weight = _vector(norm, "weight")
    gain = 1.0 / scale
    if weight is not None:
        gain = (weight + 1.0 if norm.uses_weight_offset else weight) * gain
    return HeldNorm(gain, not norm.uses_rms_norm, _vector(norm, "bias"))


def found_norm(norm: Any, before: Vectors, after: Vectors, tolerance: float) -> HeldNorm | None:
    """A norm that reports no scale, by what went in and came out: a root mean square norm, or no
    norm at all. None where it is neither."""
    weight = _vector(norm, "weight")
    plain = torch.ones(before.shape[-1], device=before.device)
    for gain in (plain,) if weight is None else (weight, 1.0 + weight, plain):
        scaled = before * gain
        # The one factor for each place that comes nearest to what came out.
        factor = (scaled * after).sum(-1) / scaled.square().sum(-1).clamp(min=1e-30)
        difference = (factor[:, None] * scaled - after).abs().max()
        if bool(difference <= tolerance * after.abs().max()):
            return HeldNorm(factor[:, None] * gain, centred=False, bias=None)
    return None


def _vector(norm: Any, name: str) -> Float[Tensor, "d_model"] | None:
    value = getattr(norm, name, None)
    return value.detach().float() if isinstance(value, Tensor) and value.dim() == 1 else None
