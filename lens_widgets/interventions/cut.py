"""Cutting an edge: what one writer gives to one reader of the residual stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from lens_widgets.engine.components import Component, Reader
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.engine.inputs import with_shares
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.shares import ReplacedShares
from lens_widgets.engine.written import NothingWritten, Source, Written
from lens_widgets.errors import check_choice
from lens_widgets.interventions.ablate import KINDS
from lens_widgets.interventions.base import Intervention, OtherRun, RunContext
from lens_widgets.interventions.checks import (
    Positions,
    check_corrupted,
    check_positions,
    normal_positions,
)
from lens_widgets.interventions.cut_code import cuts_code
from lens_widgets.interventions.site import Site, position_mask
from lens_widgets.prompts.prompt_set import PromptSet


@dataclass(frozen=True)
class Cut(Intervention):
    """Replaces what one part gives to one reader; all others still read what it wrote.

    The reader's input is a sum of what the parts before it wrote in this run, whatever else is in
    force. The writer's share of it is replaced, and the reader's own norm and projection work on
    that. Cuts into one reader add up; of the same edge the last one counts.

    Args:
        writer: a head ``"L0H1"``, an MLP ``"L0.mlp"``, or ``"embed"``: token and position together.
        reader: an input of a later head, ``"L1H4.q"``, ``"L1H4.k"`` or ``"L1H4.v"`` (``"L1KV2.k"``
            where heads share keys and values), an MLP ``"L1.mlp"``, or ``"logits"``.
        kind: what takes the share's place: ``"resample"``, what the writer gives on the corrupted
            prompts; ``"mean"``, the clean run's mean over the session's prompts and positions;
            ``"zero"``.
        positions: where in the reader's input; all by default. Negative ones count from each
            prompt's end.

    Raises:
        InputError: what names no writer or reader, an unknown ``kind``; once added, one that the
            model does not have, an edge that cannot be, or ``"resample"`` without corrupted
            prompts.

    Examples:
        >>> cut = session.run([lw.Cut("L1H4", "logits")])
        >>> bool(cut.metric.mean() < session.baseline.mean())
        True
    """

    writer: Component | str
    reader: Reader | str
    kind: Literal["resample", "mean", "zero"] = "resample"
    positions: Positions = None

    together = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "writer", Component.parse(self.writer))
        object.__setattr__(self, "reader", Reader.parse(self.reader))
        check_choice("kind", self.kind, KINDS)
        object.__setattr__(self, "positions", normal_positions(self.positions))

    @property
    def edge(self) -> tuple[str, str]:
        """Writer and reader by name."""
        return str(self.writer), str(self.reader)

    @property
    def site(self) -> Site:
        """The hook that holds what the reader makes of its input, or that input."""
        reader = Reader.parse(self.reader)
        if reader.layer is None:
            return Site("ln_final.hook_in")
        if reader.kind == "mlp":
            return Site(f"blocks.{reader.layer}.mlp.hook_in")
        return Site(f"blocks.{reader.layer}.attn.hook_{reader.kind}", reader.head)

    @property
    def label(self) -> str:
        return f"{self.writer} → {self.reader}"

    @property
    def other_run(self) -> OtherRun | None:
        runs: dict[str, OtherRun] = {"mean": "clean", "resample": "corrupted"}
        return runs.get(self.kind)

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        StreamGraph.of(facts).edge(*self.edge)
        check_positions(prompts, self.acts_at)
        if self.kind == "resample":
            check_corrupted(prompts, "kind='resample'")

    def hooks(self, context: RunContext) -> list[Hook]:
        self.validate(context.facts, context.prompt_set)
        return with_shares([], [self.replaced_shares(context)])

    def replaced_shares(self, context: RunContext) -> ReplacedShares:
        self.validate(context.facts, context.prompt_set)
        stream = context.stream
        pair = torch.tensor([stream.graph.edge(*self.edge)], device="cpu")
        at = position_mask(context.prompt_set, self.acts_at)
        return ReplacedShares(stream, pair, self._source(context), at)

    def _source(self, context: RunContext) -> Source:
        if self.kind == "zero":
            return NothingWritten()
        if self.kind == "resample":
            found = {name: context.corrupted_activation(name) for name in self.reads(context)}
            return Written(context.stream, found)
        return context.mean_written([context.stream.graph.writer(self.edge[0])])

    def reads(self, context: RunContext) -> list[str]:
        return context.stream.hooks_of([context.stream.graph.writer(self.edge[0])])

    def code(self, context: RunContext | None = None) -> str:
        if context is None:
            return f"# {self!r}: session.interventions.to_code() writes it out for a model."
        return self.code_together([self], [self], context)

    @classmethod
    def code_together(
        cls, items: Sequence[Cut], active: Sequence[Intervention], context: RunContext
    ) -> str:
        rows = [(*item.edge, item.kind, item.acts_at) for item in items]
        return cuts_code(rows, active, context)

    def edit_code(self, part: str, prompts: PromptSet | None) -> list[str]:
        return []

    def switched_with(self, other: Intervention) -> bool:
        return isinstance(other, Cut) and other.edge == self.edge
