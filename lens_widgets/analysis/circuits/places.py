"""Positions of prompts without padding, and what writers wrote there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.graph import StreamGraph
from lens_widgets.engine.written import Written

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


@dataclass(frozen=True)
class Places:
    """Positions of prompts: each is one entry of ``rows`` and of ``positions``."""

    rows: Int[Tensor, "place"]
    positions: Int[Tensor, "place"]

    @classmethod
    def of(cls, session: Session) -> Places:
        """All that the prompts have."""
        lengths = session.prompt_set.lengths
        every = torch.arange(session.tokens.shape[1], device=lengths.device)
        rows, positions = torch.nonzero(every[None] < lengths[:, None], as_tuple=True)
        return cls(rows, positions)

    def split(self, size: int) -> list[Places]:
        """The same in pieces of no more than ``size``."""
        pairs = zip(self.rows.split(size), self.positions.split(size), strict=True)
        return [Places(rows, positions) for rows, positions in pairs]

    def by_row(self) -> list[tuple[int, slice]]:
        """Each prompt that has any, and where its places are: they follow one another."""
        rows, counts = self.rows.unique_consecutive(return_counts=True)
        ends = counts.cumsum(0).tolist()
        starts = [0, *ends[:-1]]
        return [
            (row, slice(start, end))
            for row, start, end in zip(rows.tolist(), starts, ends, strict=True)
        ]

    def at(self, activation: Tensor) -> Float[Tensor, "place *rest"]:
        """An activation [prompt, pos, ...] at these places, in float32."""
        return activation[self.rows, self.positions].float()

    def written(self, graph: StreamGraph, run: Written) -> Float[Tensor, "writer place d_model"]:
        """What every writer of the graph wrote in a run here."""
        # As one prompt of so many positions: what a writer writes is made position by position.
        found = {name: self.at(value)[None] for name, value in run.found.items()}
        silenced = {
            layer: mask[self.rows, self.positions][None] for layer, mask in run.silenced.items()
        }
        here = Written(run.stream, found, silenced)
        parts: dict[tuple[int | None, str], list[int]] = {}
        for number, writer in enumerate(graph.writers):
            parts.setdefault((writer.layer, writer.kind), []).append(number)
        return torch.cat([here.write(numbers)[:, 0] for numbers in parts.values()])
