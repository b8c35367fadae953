"""Norms as the linear maps that they are once their scale is held at the value a run had."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.model import weights_of

Vectors = Float[Tensor, "*n d_model"]


@dataclass(frozen=True)
class HeldNorm:
    """``gain``: what each dimension is multiplied with at each place, the scale included.

    ``centred``: the mean over dimensions is taken off first. ``bias``: what is added at the end.
    ``inverse``: one over the scale alone, 0 where there is none.
    """

    gain: Float[Tensor, "*n #d_model"]
    centred: bool
    bias: Float[Tensor, "d_model"] | None
    inverse: Float[Tensor, "*n 1"]

    def back(self, direction: Vectors) -> Vectors:
        """The direction before the norm that has ``direction`` after it."""
        before = direction * self.gain
        return before.sub_(before.mean(dim=-1, keepdim=True)) if self.centred else before

    def gradient(self, direction: Vectors, stream: Float[Tensor, "*#n d_model"]) -> Vectors:
        """The same by the norm as it is, whose scale moves with the stream: its vector-Jacobian
        product at ``stream``."""
        before = self.back(direction)
        if self.centred:
            stream = stream - stream.mean(dim=-1, keepdim=True)
        normed = stream * self.inverse
        return before.sub_(normed * ((before * normed).mean(dim=-1, keepdim=True)))

    def shares(self, parts: Vectors) -> Vectors:
        """What becomes of parts of the stream, the bias left out: they sum to that of the sum."""
        if self.centred:
            parts = parts - parts.mean(dim=-1, keepdim=True)
        return parts * self.gain

    def forth(self, stream: Vectors) -> Vectors:
        """What the norm makes of the stream."""
        after = self.shares(stream)
        return after if self.bias is None else after + self.bias

    def at_each(self) -> HeldNorm:
        """The same for several vectors a place, along a new dim before the last."""
        return replace(self, gain=self.gain.unsqueeze(-2), inverse=self.inverse.unsqueeze(-2))


def held_norm(norm: Any, scale: Float[Tensor, "*n 1"]) -> HeldNorm:
    """A norm that reports its scale at some places."""
    weight = _vector(norm, "weight", scale)
    inverse = gain = 1.0 / scale
    if weight is not None:
        gain = (weight + 1.0 if norm.uses_weight_offset else weight) * gain
    return HeldNorm(gain, not norm.uses_rms_norm, _vector(norm, "bias", scale), inverse)


def found_norm(norm: Any, before: Vectors, after: Vectors, tolerance: float) -> HeldNorm | None:
    """A norm that reports no scale, by what went in and came out: a root mean square norm, or no
    norm at all. None where it is neither."""
    weight = _vector(norm, "weight", before)
    plain = torch.ones(before.shape[-1], device=before.device)
    for gain in (plain,) if weight is None else (weight, 1.0 + weight, plain):
        scaled = before * gain
        # The one factor for each place that comes nearest to what came out.
        factor = (scaled * after).sum(-1) / scaled.square().sum(-1).clamp(min=1e-30)
        factor = factor[..., None]
        difference = (factor * scaled - after).abs().max()
        if bool(difference <= tolerance * after.abs().max()):
            # What comes out as it went in has no scale that could move.
            inverse = torch.zeros_like(factor) if torch.equal(before, after) else factor
            return HeldNorm(factor * gain, centred=False, bias=None, inverse=inverse)
    return None


def _vector(norm: Any, name: str, beside: Tensor) -> Float[Tensor, "d_model"] | None:
    """A norm's weight or bias, where what it is used with is."""
    value = weights_of(norm, name)
    return None if value is None or value.dim() != 1 else value.float().to(beside.device)
