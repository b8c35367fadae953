"""What the axes of each activation count, found by comparing its shape on two batches of tokens.

On two tokens of one prompt an axis of length 1 or 2 could be anything. A second batch with other
numbers of prompts and positions tells prompts, positions and fixed sizes apart. Only shapes are
kept of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from lens_widgets.engine.forward import Hook, forward
from lens_widgets.engine.model import TransformerModel, home
from lens_widgets.engine.probe import ModelFacts

AxisKind = Literal["prompt", "pos", "place", "fixed", "unknown"]

_PROMPTS = 3
_POSITIONS = (5, 4, 3, 1)


@dataclass(frozen=True)
class Axis:
    """``place`` counts prompts times positions; ``size`` is the length of a fixed axis, else 0."""

    kind: AxisKind
    size: int = 0

    def length(self, n_prompts: int, n_pos: int) -> int | None:
        """How long the axis is on a batch; None where that depends on more than its shape."""
        return {
            "prompt": n_prompts,
            "pos": n_pos,
            "place": n_prompts * n_pos,
            "fixed": self.size,
        }.get(self.kind)


@dataclass(frozen=True)
class Layout:
    """The axes of one activation, and the bytes of one of its numbers."""

    axes: tuple[Axis, ...]
    item_bytes: int


def find_layouts(
    model: TransformerModel, facts: ModelFacts, *, padded: bool
) -> Mapping[str, Layout]:
    """The layout of every hook point that fires, by its one name: one small forward.

    ``padded``: whether an attention mask is passed, which changes the shape of some activations.
    """
    n_pos = next(n for n in _POSITIONS if n <= facts.n_ctx)
    device = home(model)
    tokens = torch.arange(_PROMPTS * n_pos, device=device).reshape(_PROMPTS, n_pos) % facts.d_vocab
    mask = None
    if padded:
        mask = torch.ones_like(tokens)
        mask[-1, 1:] = 0
    found: dict[str, tuple[tuple[int, ...], int]] = {}

    def recorder(name: str) -> Hook:
        def record(activation: Any, hook: Any) -> None:
            if isinstance(activation, Tensor):
                found[name] = tuple(activation.shape), activation.element_size()

        return name, record

    points = dict.fromkeys(facts.points.values())
    forward(model, tokens, attention_mask=mask, hooks=[recorder(name) for name in points])
    small = {point: facts.hooks[name] for name, point in facts.points.items()}
    return {
        name: Layout(_axes(small[name], found[name][0], n_pos), found[name][1])
        for name in points
        if name in found
    }


def _axes(small: tuple[int, ...], large: tuple[int, ...], n_pos: int) -> tuple[Axis, ...]:
    """Compares the shape on one prompt of two tokens with that on the larger batch."""
    if len(small) != len(large):
        return tuple(Axis("unknown") for _ in large)
    return tuple(_axis(*pair, n_pos) for pair in zip(small, large, strict=True))


def _axis(small: int, large: int, n_pos: int) -> Axis:
    if small == large:
        return Axis("fixed", small)
    kinds: dict[tuple[int, int], AxisKind] = {
        (1, _PROMPTS): "prompt",
        (2, n_pos): "pos",
        (2, _PROMPTS * n_pos): "place",
    }
    return Axis(kinds.get((small, large), "unknown"))
