"""Interventions: frozen values that say what is done to the model, know their hooks and their
code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool
from torch import Tensor

from lens_widgets.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.interventions.checks import (
    normal_positions,
)

if TYPE_CHECKING:
    from lens_widgets.engine.probe import ModelFacts
    from lens_widgets.prompts.prompt_set import PromptSet
    from lens_widgets.session.runs import PromptRuns
    from lens_widgets.session.session import Session


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


class Intervention(ABC):
    """One change to a forward. Values only: the session supplies prompts and activations."""

    positions: tuple[int, ...] | int | None

    @property
    def places(self) -> tuple[int, ...] | None:
        """``positions`` as it was normalised when the value was made."""
        return normal_positions(self.positions)

    @property
    @abstractmethod
    def site(self) -> Site:
        """The hook this acts on."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The component or hook, as shown in lists."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """One word: zero, mean, resample, patch, steer."""

    @property
    def detail(self) -> str:
        """Where it acts, in words."""
        places = self.places
        if places is None:
            return "all positions"
        return f"position{'s' * (len(places) > 1)} {', '.join(map(str, places))}"

    @abstractmethod
    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        """Raises InputError when this cannot act on the model and prompts."""

    @abstractmethod
    def hooks(self, session: Session | PromptRuns) -> list[Hook]:
        """TransformerLens ``(name, fn)`` pairs that do this to a forward over the prompts."""

    @abstractmethod
    def code(self, session: Session | None = None) -> str:
        """Python lines that append to ``fwd_hooks``; see ``Interventions.to_code``."""


def position_mask(
    session: Session | PromptRuns, positions: tuple[int, ...] | None
) -> Bool[Tensor, "prompt pos"] | None:
    """True where an intervention acts; None for everywhere. Negative positions count from the
    end of each prompt."""
    if positions is None:
        return None
    tokens, lengths = session.prompt_set.tokens, session.prompt_set.lengths
    mask = torch.zeros(tokens.shape, dtype=torch.bool, device=tokens.device)
    for row, length in enumerate(lengths.tolist()):
        for position in positions:
            place = position if position >= 0 else length + position
            if 0 <= place < length:
                mask[row, place] = True
    return mask


def replacing(site: Site, value: Tensor | float, mask: Tensor | None) -> Hook:
    def replace(activation: Tensor, hook: Any) -> Tensor:
        edited = activation.clone()
        part = of_site(edited, site)
        new = torch.as_tensor(value, dtype=part.dtype, device=part.device).expand_as(part)
        if mask is None:
            part.copy_(new)
        else:
            part.copy_(torch.where(fitted(mask, part, site), new, part))
        return edited

    return site.hook, replace


def fitted(mask: Tensor, part: Tensor, site: Site) -> Tensor:
    """The mask [prompt, pos] with the dimensions of ``part``; of patterns it names the queries."""
    if is_pattern(site.hook):
        return mask[:, None, :, None] if site.head is None else mask[:, :, None]
    return mask.view(*mask.shape, *[1] * (part.dim() - 2))


def is_pattern(hook: str) -> bool:
    """Whether a hook holds [prompt, head, query_pos, key_pos]."""
    return hook.endswith(("hook_pattern", "hook_attn_scores"))


def of_site(activation: Tensor, site: Site) -> Tensor:
    """A view of one head of [prompt, pos, head, d_head] or of a pattern, or all of it."""
    if site.head is None:
        return activation
    return activation[:, site.head] if is_pattern(site.hook) else activation[:, :, site.head]
