"""Removing what a component writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import check_choice
from lens_widgets.interventions.base import Intervention, OtherRun, RunContext
from lens_widgets.interventions.checks import (
    Positions,
    check_component,
    check_corrupted,
    check_positions,
    normal_positions,
)
from lens_widgets.interventions.hook_code import same_part
from lens_widgets.interventions.site import Site, position_mask, replacing
from lens_widgets.prompts.prompt_set import PromptSet

KINDS = ("zero", "mean", "resample")


@dataclass(frozen=True)
class Ablate(Intervention):
    """Removes what a component writes.

    Args:
        component: a head ``"L1H4"``, an MLP ``"L1.mlp"``, an attention layer ``"L1.attn"``, or
            ``"embed"`` or ``"pos_embed"``.
        kind: what takes its place: ``"zero"``; ``"mean"``, the clean run's mean over the session's
            prompts and positions; ``"resample"``, what the corrupted prompts have at the same
            position.
        positions: where; all by default. Negative ones count from each prompt's end.

    Raises:
        InputError: what names no component, an unknown ``kind``; once added, a part that the model
            does not have, or ``"resample"`` without corrupted prompts.

    Examples:
        >>> bool(session.run([lw.Ablate("L1H4")]).metric.mean() < 0)
        True
    """

    component: Component | str
    kind: Literal["zero", "mean", "resample"] = "zero"
    positions: Positions = None

    toggled_as = KINDS

    def __post_init__(self) -> None:
        object.__setattr__(self, "component", Component.parse(self.component))
        check_choice("kind", self.kind, KINDS)
        object.__setattr__(self, "positions", normal_positions(self.positions))

    @property
    def site(self) -> Site:
        return Site.of(self.component)

    @property
    def act(self) -> str:
        return "ablate"

    @property
    def label(self) -> str:
        return str(self.component)

    @property
    def other_run(self) -> OtherRun | None:
        runs: dict[str, OtherRun] = {"mean": "clean", "resample": "corrupted"}
        return runs.get(self.kind)

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        check_component(facts, self.component)
        check_positions(prompts, self.acts_at)
        if self.kind == "resample":
            check_corrupted(prompts, "kind='resample'")

    def hooks(self, context: RunContext) -> list[Hook]:
        self.validate(context.facts, context.prompt_set)
        mask = position_mask(context.prompt_set, self.acts_at)
        return [replacing(self.site, self._value(context), mask)]

    def _value(self, context: RunContext) -> Float[Tensor, "*n d"] | float:
        """[d] for the mean, [prompt, pos, d] for resample, 0 for zero."""
        if self.kind == "zero":
            return 0.0
        if self.kind == "mean":
            mean = context.clean_mean(self.site.hook)
            return self.site.part(mean[None, None])[0, 0]
        return self.site.part(context.corrupted_activation(self.site.hook))

    def edit_code(self, part: str, prompts: PromptSet | None) -> list[str]:
        if self.kind == "zero":
            return [f"{part} = 0.0"]
        if self.kind == "resample":
            return [f"{part} = {same_part(part, 'corrupted[hook_name]')}"]
        padded = prompts is not None and prompts.attention_mask is not None
        real = "[attention_mask.bool()]" if padded else ".flatten(0, 1)"
        head = "" if self.site.head is None else f"[:, {self.site.head}]"
        return [f"{part} = clean[hook_name]{real}{head}.mean(0)"]

    @classmethod
    def toggled(cls, component: Component | str, kind: str) -> Ablate:
        return cls(component, kind)  # type: ignore[arg-type]

    def switched_with(self, other: Intervention) -> bool:
        return isinstance(other, Ablate) and other.component == self.component
