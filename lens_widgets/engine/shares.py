"""Replacing what some writers give to some readers of the residual stream.

The stream before a norm is a plain sum of what writers wrote. So a reader's input in which a
writer's share is replaced is the stream plus the difference of the two shares, exactly. What is
replaced is said here; ``engine.inputs`` does it in a run. Everything that cuts edges does it so:
sweeps, circuits, paths, interventions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.written import Source

Stage = tuple[int | None, str]
"""A layer and a kind of reader: these read in one go."""


@dataclass(frozen=True, eq=False)
class ReplacedShares:
    """Edges, and what their writers are said to write instead.

    ``pairs``, on the host, are numbers of writers and readers of the graph's edges, each once;
    ``at``, on the device, is where in the stream they are replaced: everywhere if None.
    """

    stream: StreamParts
    pairs: Int[Tensor, "edge 2"]
    source: Source
    at: Bool[Tensor, "prompt pos"] | None = None

    @cached_property
    def writers(self) -> list[int]:
        """The writers that have such an edge, in the order in which they write."""
        found: list[int] = self.pairs[:, 0].unique().tolist()
        return found

    @cached_property
    def stages(self) -> dict[Stage, tuple[list[int], Float[Tensor, "reader writer"]]]:
        """The readers that have such an edge by layer and kind, and 1 for each that it replaces,
        of ``writers``."""
        readers, place = self.pairs[:, 1].unique(return_inverse=True)
        writers = torch.tensor(self.writers, dtype=torch.long, device="cpu")
        weights = torch.zeros(len(readers), len(writers), device="cpu")
        weights[place, torch.searchsorted(writers, self.pairs[:, 0].contiguous())] = 1.0
        stages: dict[Stage, list[int]] = {}
        for row, number in enumerate(readers.tolist()):
            reader = self.stream.graph.readers[number]
            stages.setdefault((reader.layer, reader.kind), []).append(row)
        return {
            stage: ([int(readers[row]) for row in rows], weights[rows])
            for stage, rows in stages.items()
        }

    @cached_property
    def attention(self) -> dict[int, Float[Tensor, "reader writer"]]:
        """The same of all queries, keys and values of a layer together, in this order."""
        found: dict[int, list[Tensor]] = {}
        for (layer, kind), (_, weights) in self.stages.items():
            if layer is not None and kind != "mlp":
                found.setdefault(layer, []).append(weights)
        return {layer: torch.cat(parts) for layer, parts in found.items()}

    @property
    def first_layer(self) -> int:
        """The layer of the first reader whose input changes."""
        layers = [layer for layer, _ in self.stages if layer is not None]
        return min(layers, default=self.stream.graph.n_layers)

    def written_by(self, layer: int | None, kind: str) -> tuple[int, list[int]]:
        """Of ``writers`` those of a layer and kind: where they begin, and their numbers."""
        graph = self.stream.graph
        own = [
            i
            for i, number in enumerate(self.writers)
            if (graph.writers[number].layer, graph.writers[number].kind) == (layer, kind)
        ]
        return (own[0], [self.writers[i] for i in own]) if own else (0, [])

    def n_before(self, layer: int) -> int:
        """How many of ``writers`` have written when a block begins."""
        graph = self.stream.graph
        return sum(graph.written_at(graph.writers[number]) <= 2 * layer for number in self.writers)


def in_order(shares: Sequence[ReplacedShares]) -> list[ReplacedShares]:
    """The same, as acting one after the other: of an edge that several replace at one place, only
    the last is replaced there."""
    found: list[ReplacedShares] = []
    for index, one in enumerate(shares):
        left = [one]
        for later in shares[index + 1 :]:
            left = [part for whole in left for part in _without(whole, later)]
        found += [part for part in left if len(part.pairs)]
    return found


def _without(one: ReplacedShares, later: ReplacedShares) -> list[ReplacedShares]:
    """What is left of ``one`` where ``later`` replaces the same edges."""
    theirs = set(map(tuple, later.pairs.tolist()))
    both = torch.tensor([tuple(pair) in theirs for pair in one.pairs.tolist()], device="cpu")
    if not bool(both.any()):
        return [one]
    parts = [replace(one, pairs=one.pairs[~both])]
    if later.at is not None:
        # Where the later one does not act the earlier one still does.
        at = ~later.at if one.at is None else one.at & ~later.at
        parts.append(replace(one, pairs=one.pairs[both], at=at))
    return parts


@dataclass(frozen=True, eq=False)
class GivenInputs:
    """Readers that read another stream altogether: ``streams`` by the number of the reader."""

    stream: StreamParts
    streams: Mapping[int, Float[Tensor, "prompt pos d_model"]]

    @cached_property
    def stages(self) -> dict[Stage, list[int]]:
        """Their numbers by layer and kind."""
        stages: dict[Stage, list[int]] = {}
        for number in sorted(self.streams):
            reader = self.stream.graph.readers[number]
            stages.setdefault((reader.layer, reader.kind), []).append(number)
        return stages

    @property
    def first_layer(self) -> int:
        """The layer of the first of them; the number of layers for the logits."""
        layers = [layer for layer, _ in self.stages if layer is not None]
        return min(layers, default=self.stream.graph.n_layers)
