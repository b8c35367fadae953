"""Removing what a component writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from lens_widgets.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.errors import check_choice
from lens_widgets.interventions import code
from lens_widgets.interventions.base import (
    Intervention,
    Site,
    of_site,
    position_mask,
    replacing,
)
from lens_widgets.interventions.checks import (
    check_component,
    check_corrupted,
    check_positions,
    normal_positions,
)

if TYPE_CHECKING:
    from lens_widgets.engine.probe import ModelFacts
    from lens_widgets.prompts.prompt_set import PromptSet
    from lens_widgets.session.runs import PromptRuns
    from lens_widgets.session.session import Session

KINDS = ("zero", "mean", "resample")


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
        return [replacing(self.site, value, position_mask(session, self.places))]

    def _value(self, session: Session | PromptRuns) -> Tensor | float:
        """[d] for the mean, [prompt, pos, d] for resample, 0 for zero."""
        if self.kind == "zero":
            return 0.0
        if self.kind == "mean":
            clean = of_site(session.clean_activation(self.site.hook), self.site)
            mask = session.prompt_set.attention_mask
            real = clean.flatten(0, 1) if mask is None else clean[mask.bool()]
            return real.mean(dim=0)
        return of_site(session.corrupted_activation(self.site.hook), self.site)

    def code(self, session: Session | None = None) -> str:
        return code.ablate(self, session)
