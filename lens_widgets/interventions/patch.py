"""Replacing an activation by the one of another run."""

from __future__ import annotations

from dataclasses import dataclass

from lens_widgets.engine.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import check_choice
from lens_widgets.interventions.base import Intervention, OtherRun, RunContext
from lens_widgets.interventions.checks import (
    Positions,
    check_corrupted,
    check_head_of_hook,
    check_n_heads,
    check_positions,
    check_target,
    normal_positions,
    parse_target,
)
from lens_widgets.interventions.hook_code import same_part
from lens_widgets.interventions.site import Site, position_mask, replacing
from lens_widgets.prompts.prompt_set import PromptSet

SOURCES = ("corrupted", "clean")


@dataclass(frozen=True)
class Patch(Intervention):
    """Replaces an activation by the one of another run.

    Args:
        target: a component as in ``"L2.mlp"``, or a hook as in ``"blocks.1.attn.hook_q"``.
        positions: where; all by default. Negative ones count from each prompt's end.
        source: ``"corrupted"``, the corrupted prompts' run, or ``"clean"``, which undoes what other
            interventions did to it.
        head: one head of a hook that holds several; of keys and values under grouped-query
            attention it counts their groups.

    Raises:
        InputError: what names no activation of the model; no corrupted prompts.

    Examples:
        >>> patched = session.run([lw.Patch("L1H4")])
        >>> bool(patched.metric.mean() < 0)
        True
    """

    target: Component | str
    positions: Positions = None
    source: OtherRun = "corrupted"
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

    @property
    def other_run(self) -> OtherRun:
        return self.source

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        check_target(facts, self.target)
        check_positions(prompts, self.acts_at)
        if self.head is not None:
            check_n_heads(facts, self.site.hook, self.head)
        if self.source == "corrupted":
            check_corrupted(prompts, "source='corrupted'")

    def hooks(self, context: RunContext) -> list[Hook]:
        self.validate(context.facts, context.prompt_set)
        given = (
            context.corrupted_activation if self.source == "corrupted" else context.clean_activation
        )
        mask = position_mask(context.prompt_set, self.acts_at)
        return [replacing(self.site, self.site.part(given(self.site.hook)), mask)]

    def edit_code(self, part: str, prompts: PromptSet | None) -> list[str]:
        return [f"{part} = {same_part(part, f'{self.source}[hook_name]')}"]
