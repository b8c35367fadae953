"""Replacing an activation by the one of another run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
    check_corrupted,
    check_head_of_hook,
    check_n_heads,
    check_positions,
    check_target,
    normal_positions,
    parse_target,
)

if TYPE_CHECKING:
    from lens_widgets.engine.probe import ModelFacts
    from lens_widgets.prompts.prompt_set import PromptSet
    from lens_widgets.session.runs import PromptRuns
    from lens_widgets.session.session import Session

SOURCES = ("corrupted", "clean")


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
        value = of_site(given(self.site.hook), self.site)
        return [replacing(self.site, value, position_mask(session, self.places))]

    def code(self, session: Session | None = None) -> str:
        return code.patch(self, session)
