"""Where an intervention acts, and edits of the activation there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.prompts.prompt_set import PromptSet

_WRITERS = (
    *("hook_q", "hook_k", "hook_v", "hook_attn_scores", "hook_pattern", "hook_z"),
    *("hook_attn_out", "hook_mlp_out", "hook_embed", "hook_pos_embed"),
)
"""Hooks inside components: editing them changes what a component writes, and nothing else."""


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
        return not self.hook.endswith(_WRITERS)

    @property
    def is_pattern(self) -> bool:
        """Whether the hook holds [prompt, head, query_pos, key_pos]."""
        return is_pattern(self.hook)

    def part(self, activation: Float[Tensor, "prompt *axes"]) -> Float[Tensor, "prompt *axes"]:
        """A view of what is acted on: one head of [prompt, pos, head, d_head] or of a pattern, or
        all of the activation."""
        if self.head is None:
            return activation
        return activation[:, self.head] if self.is_pattern else activation[:, :, self.head]

    def fitted(self, mask: Bool[Tensor, "prompt pos"], part: Tensor) -> Bool[Tensor, "prompt *n"]:
        """The mask with the dimensions of ``part``; of patterns it names the queries."""
        if self.is_pattern:
            return mask[:, None, :, None] if self.head is None else mask[:, :, None]
        return mask.view(*mask.shape, *[1] * (part.dim() - 2))


def is_pattern(hook: str) -> bool:
    """Whether a hook holds [prompt, head, query_pos, key_pos]."""
    return hook.endswith(("hook_pattern", "hook_attn_scores"))


def position_mask(
    prompts: PromptSet, positions: Sequence[int] | None
) -> Bool[Tensor, "prompt pos"] | None:
    """True where an intervention acts; None for everywhere. Negative positions count from the
    end of each prompt."""
    if positions is None:
        return None
    tokens, lengths = prompts.tokens, prompts.lengths
    mask = torch.zeros(tokens.shape, dtype=torch.bool, device=tokens.device)
    for row, length in enumerate(lengths.tolist()):
        for position in positions:
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
