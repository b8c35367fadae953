"""Interventions: frozen values that say what is done to the model, know their hooks and their
code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from lens_widgets import snippets
from lens_widgets.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.errors import InputError, check_choice
from lens_widgets.intervention_checks import (
    check_component,
    check_corrupted,
    check_head_of_hook,
    check_n_heads,
    check_positions,
    check_target,
    finite_scale,
    normal_positions,
    parse_target,
)

if TYPE_CHECKING:
    from lens_widgets.engine.probe import ModelFacts
    from lens_widgets.prompt_runs import PromptRuns
    from lens_widgets.prompt_set import PromptSet
    from lens_widgets.session import Session

KINDS = ("zero", "mean", "resample")
SOURCES = ("corrupted", "clean")


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


@dataclass(frozen=True)
class Ablate(Intervention):
    """Removes what a component writes.

    ``"zero"`` writes zeros, ``"mean"`` the clean run's mean over the session's prompts and
    positions, ``"resample"`` what the corrupted prompts have at the same position. ``positions``
    limits it; negative ones count from each prompt's end.
    """

    component: Component | str
    kind: Literal["zero", "mean", "resample"] = "zero"
    positions: tuple[int, ...] | int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "component", Component.parse(self.component))
        check_choice("kind", self.kind, KINDS)
        object.__setattr__(self, "positions", normal_positions(self.positions))

    @property
    def site(self) -> Site:
        return Site.of(self.component)

    @property
    def label(self) -> str:
        return str(self.component)

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        check_component(facts, self.component)
        check_positions(prompts, self.places)
        if self.kind == "resample":
            check_corrupted(prompts, "kind='resample'")

    def hooks(self, session: Session | PromptRuns) -> list[Hook]:
        self.validate(session.facts, session.prompt_set)
        value = self._value(session)
        return [_replace(self.site, value, position_mask(session, self.places))]

    def _value(self, session: Session | PromptRuns) -> Tensor | float:
        """[d] for the mean, [prompt, pos, d] for resample, 0 for zero."""
        if self.kind == "zero":
            return 0.0
        if self.kind == "mean":
            clean = _of_site(session.clean_activation(self.site.hook), self.site)
            mask = session.prompt_set.attention_mask
            real = clean.flatten(0, 1) if mask is None else clean[mask.bool()]
            return real.mean(dim=0)
        return _of_site(session.corrupted_activation(self.site.hook), self.site)

    def code(self, session: Session | None = None) -> str:
        return snippets.ablate(self, session)


@dataclass(frozen=True)
class Patch(Intervention):
    """Replaces an activation by the one of another run: the ``"corrupted"`` prompts', or the
    ``"clean"`` one's, which undoes what other interventions did to it.

    ``head`` chooses one head of a hook that holds several, such as ``blocks.1.attn.hook_q``; of
    keys and values under grouped-query attention it counts their groups.
    """

    target: Component | str
    positions: tuple[int, ...] | int | None = None
    source: Literal["corrupted", "clean"] = "corrupted"
    head: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", parse_target(self.target))
        check_choice("source", self.source, SOURCES)
        object.__setattr__(self, "positions", normal_positions(self.positions))
        check_head_of_hook(self.target, self.head)

    @property
    def kind(self) -> str:
        return "patch"

    @property
    def site(self) -> Site:
        if self.head is not None:
            return Site(str(self.target), self.head)
        return Site.of(self.target)

    @property
    def label(self) -> str:
        return str(self.target) if self.head is None else f"{self.target} head {self.head}"

    @property
    def detail(self) -> str:
        return f"from {self.source} · {super().detail}"

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        check_target(facts, self.target)
        check_positions(prompts, self.places)
        if self.head is not None:
            check_n_heads(facts, self.site.hook, self.head)
        if self.source == "corrupted":
            check_corrupted(prompts, "source='corrupted'")

    def hooks(self, session: Session | PromptRuns) -> list[Hook]:
        self.validate(session.facts, session.prompt_set)
        given = (
            session.corrupted_activation if self.source == "corrupted" else session.clean_activation
        )
        value = _of_site(given(self.site.hook), self.site)
        return [_replace(self.site, value, position_mask(session, self.places))]

    def code(self, session: Session | None = None) -> str:
        return snippets.patch(self, session)


@dataclass(frozen=True)
class Steer(Intervention):
    """Adds ``scale * vector`` to a hook's activation. ``vector`` has its last dimension's
    length."""

    hook: Component | str
    vector: Tensor | Sequence[float] = field(repr=False)
    scale: float = 1.0
    positions: tuple[int, ...] | int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hook", parse_target(self.hook))
        try:
            vector = torch.as_tensor(self.vector, dtype=torch.float32).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"vector must hold numbers; got {type(self.vector).__name__}.",
                "Pass the direction to add: a one-dimensional tensor or a list of numbers.",
            ) from error
        if vector.dim() != 1 or not bool(vector.isfinite().all()):
            raise InputError(
                f"vector must be one-dimensional and finite; got shape {list(vector.shape)}.",
                "Pass the direction to add, of the length of the hook's last dimension.",
            )
        # A tuple, so that equal interventions compare and hash equal.
        object.__setattr__(self, "vector", tuple(vector.tolist()))
        object.__setattr__(self, "scale", finite_scale(self.scale))
        object.__setattr__(self, "positions", normal_positions(self.positions))

    @property
    def kind(self) -> str:
        return "steer"

    @property
    def site(self) -> Site:
        return Site.of(self.hook)

    @property
    def label(self) -> str:
        return str(self.hook)

    @property
    def detail(self) -> str:
        return f"{self.scale:g} × vector · {super().detail}"

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        check_target(facts, self.hook)
        check_positions(prompts, self.places)
        shape = facts.hooks[self.site.hook]
        if is_pattern(self.site.hook) or len(shape) < 3:
            raise InputError(
                f"hook={self.site.hook!r} holds no vectors to steer.",
                "Choose a hook of shape [prompt, pos, ..., d], such as blocks.0.hook_resid_post.",
            )
        size = shape[-1]
        if len(self.vector) != size:
            raise InputError(
                f"vector has length {len(self.vector)}; {self.site.hook} has {size}.",
                "Take a vector from the same hook.",
            )

    def hooks(self, session: Session | PromptRuns) -> list[Hook]:
        self.validate(session.facts, session.prompt_set)
        site, mask = self.site, position_mask(session, self.places)
        added = self.scale * torch.tensor(self.vector, device=session.device)

        def steer(activation: Tensor, hook: Any) -> Tensor:
            edited = activation.clone()
            part = _of_site(edited, site)
            change = added.to(part.dtype).expand_as(part)
            part += change if mask is None else change * _fitted(mask, part, site)
            return edited

        return [(site.hook, steer)]

    def code(self, session: Session | None = None) -> str:
        return snippets.steer(self, session)


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


def _replace(site: Site, value: Tensor | float, mask: Tensor | None) -> Hook:
    def replace(activation: Tensor, hook: Any) -> Tensor:
        edited = activation.clone()
        part = _of_site(edited, site)
        new = torch.as_tensor(value, dtype=part.dtype, device=part.device).expand_as(part)
        if mask is None:
            part.copy_(new)
        else:
            part.copy_(torch.where(_fitted(mask, part, site), new, part))
        return edited

    return site.hook, replace


def _fitted(mask: Tensor, part: Tensor, site: Site) -> Tensor:
    """The mask [prompt, pos] with the dimensions of ``part``; of patterns it names the queries."""
    if is_pattern(site.hook):
        return mask[:, None, :, None] if site.head is None else mask[:, :, None]
    return mask.view(*mask.shape, *[1] * (part.dim() - 2))


def is_pattern(hook: str) -> bool:
    """Whether a hook holds [prompt, head, query_pos, key_pos]."""
    return hook.endswith(("hook_pattern", "hook_attn_scores"))


def _of_site(activation: Tensor, site: Site) -> Tensor:
    """A view of one head of [prompt, pos, head, d_head] or of a pattern, or all of it."""
    if site.head is None:
        return activation
    return activation[:, site.head] if is_pattern(site.hook) else activation[:, :, site.head]
