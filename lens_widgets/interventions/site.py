"""Where an intervention acts, and edits of the activation there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.engine.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.hooks import HookKind, hook_kind
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span


@dataclass(frozen=True)
class Site:
    """Where an intervention acts: a hook, and one head of it where the hook holds all heads."""

    hook: str
    head: int | None = None

    @classmethod
    def of(cls, target: Component | str) -> Site:
        if isinstance(target, Component):
            return cls(target.hook, target.head)
        return cls(target)

    @property
    def in_stream(self) -> bool:
        """Whether it lies in the residual stream, between components."""
        return self.hook_kind.in_stream

    @property
    def hook_kind(self) -> HookKind:
        """What is known of the hook's activation."""
        return hook_kind(self.hook)

    def part(self, activation: Float[Tensor, "prompt *axes"]) -> Float[Tensor, "prompt *part"]:
        """A view of what is acted on: one head of [prompt, pos, head, d_head] or of a pattern, or
        all of the activation."""
        return activation if self.head is None else activation[self.hook_kind.index(self.head)]

    def fitted(self, mask: Bool[Tensor, "prompt pos"], part: Tensor) -> Bool[Tensor, "prompt *n"]:
        """The mask with the dimensions of ``part``; of patterns it names the queries."""
        return self.hook_kind.at_positions(mask, part.dim(), one_head=self.head is not None)


def position_mask(
    prompts: PromptSet, positions: Sequence[int] | Span | None
) -> Bool[Tensor, "prompt pos"] | None:
    """True where an intervention acts; None for everywhere. Negative positions count from the
    end of each prompt."""
    if positions is None:
        return None
    tokens, lengths = prompts.tokens, prompts.lengths
    mask = torch.zeros(tokens.shape, dtype=torch.bool, device=tokens.device)
    for row, length in enumerate(lengths.tolist()):
        own = positions.places[row] if isinstance(positions, Span) else positions
        for position in own:
            index = position if position >= 0 else length + position
            if 0 <= index < length:
                mask[row, index] = True
    return mask


def replacing(site: Site, value: Tensor | float, mask: Bool[Tensor, "prompt pos"] | None) -> Hook:
    """A hook that puts ``value`` in place of the activation at ``site``, where ``mask`` is true."""

    def replace(activation: Tensor, hook: Any) -> Tensor:
        edited = activation.clone()
        part = site.part(edited)
        new = torch.as_tensor(value, dtype=part.dtype, device=part.device).expand_as(part)
        if mask is None:
            part.copy_(new)
        else:
            part.copy_(torch.where(site.fitted(mask, part), new, part))
        return edited

    return site.hook, replace


def adding(
    site: Site, change: Float[Tensor, "*n"], mask: Bool[Tensor, "prompt pos"] | None
) -> Hook:
    """A hook that adds ``change`` to the activation at ``site``, where ``mask`` is true."""

    def add(activation: Tensor, hook: Any) -> Tensor:
        edited = activation.clone()
        part = site.part(edited)
        added = change.to(part.dtype).expand_as(part)
        part += added if mask is None else added * site.fitted(mask, part)
        return edited

    return site.hook, add
