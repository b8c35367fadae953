"""Replacing what some writers give to some readers of the residual stream.

The stream before a norm is a plain sum of what writers wrote. So a reader's input in which a
writer's share is replaced is the stream plus the difference of the two shares, exactly. What is
replaced is said here; ``engine.inputs`` does it in a run. Everything that cuts edges does it so:
sweeps, circuits, paths, interventions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    def readers(self) -> dict[int, int]:
        """The readers that have such an edge by number, and which row of ``cut`` is whose."""
        found: list[int] = self.pairs[:, 1].unique().tolist()
        return {number: row for row, number in enumerate(found)}

    @cached_property
    def cut(self) -> Float[Tensor, "reader writer"]:
        """1 for each edge, of ``readers`` and ``writers``; the last row is of no reader: zeros."""
        _, readers = self.pairs[:, 1].unique(return_inverse=True)
        _, writers = self.pairs[:, 0].unique(return_inverse=True)
        weights = torch.zeros(len(self.readers) + 1, len(self.writers), device="cpu")
        weights[readers, writers] = 1.0
        return weights

    def cut_of(self, readers: Sequence[int]) -> Float[Tensor, "reader writer"]:
        """The same of some readers, zeros of those that have no such edge."""
        nobody = len(self.readers)
        return self.cut[[self.readers.get(number, nobody) for number in readers]]

    @cached_property
    def stages(self) -> dict[Stage, list[int]]:
        """The readers by layer and kind."""
        return stages_of(self.stream, self.readers)

    def of_all_heads(self, layer: int) -> bool:
        """Whether what every query, key and value of a layer is made of is replaced."""
        heads = [(layer, kind) for kind in "qkv"]
        if not all(stage in self.stages for stage in heads):
            return False
        graph = self.stream.graph
        return all(self.stages[stage] == graph.readers_of(*stage) for stage in heads)

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


def stages_of(stream: StreamParts, readers: Iterable[int]) -> dict[Stage, list[int]]:
    """Numbers of readers by layer and kind."""
    stages: dict[Stage, list[int]] = {}
    for number in sorted(readers):
        reader = stream.graph.readers[number]
        stages.setdefault((reader.layer, reader.kind), []).append(number)
    return stages


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
        return stages_of(self.stream, self.streams)

    @property
    def first_layer(self) -> int:
        """The layer of the first of them; the number of layers for the logits."""
        layers = [layer for layer, _ in self.stages if layer is not None]
        return min(layers, default=self.stream.graph.n_layers)
