"""Replacing what some writers give to some readers of the residual stream.

The stream before a norm is a plain sum of what writers wrote. So a reader's input in which a
writer's share is replaced is the stream plus the difference of the two shares, exactly; the
reader's own norm and projection then work on that. The share that is replaced is the one of the run
that goes on, whatever else was done to it. Everything that cuts edges does it here: sweeps,
circuits, interventions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lens_widgets.engine.forward import Hook, HookFn
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.written import Source, Written, heard

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


@dataclass
class _Part:
    """One replacement in one group of rows: by how much each writer's share changes.

    ``early`` is of those that had written when the group joined the batch; ``late`` fills up.
    """

    shares: ReplacedShares
    n_early: int
    early: Float[Tensor, "writer prompt pos d_model"] | None
    late: list[Tensor] | Tensor = field(default_factory=list)
    n_late: int = 0

    def change(self, weights: Float[Tensor, "reader writer"]) -> Tensor | None:
        """What is added to the inputs of some readers: [reader, prompt, pos, d_model]."""
        parts = []
        if self.early is not None and self.n_early:
            parts.append(_weighted(weights[:, : self.n_early], self.early[: self.n_early]))
        if self.n_late:
            late = torch.stack(self.late) if isinstance(self.late, list) else self.late
            own = weights[:, self.n_early : self.n_early + self.n_late]
            parts.append(_weighted(own, late[: self.n_late]))
        return None if not parts else sum(parts[1:], start=parts[0])

    def store(self, start: int, change: Float[Tensor, "writer prompt pos d_model"]) -> None:
        """Takes what has become known of writers from ``start`` on."""
        place = start - self.n_early
        self.n_late = max(self.n_late, place + len(change))
        if torch.is_grad_enabled():
            # What is differentiated must not be written to again.
            assert isinstance(self.late, list)
            self.late[place : place + len(change)] = list(change)
            return
        if isinstance(self.late, list):
            n_late = len(self.shares.writers) - self.n_early
            self.late = change.new_zeros(n_late, *change.shape[1:])
        self.late[place : place + len(change)] = change


class SharesInRun:
    """The replacements of one forward: what was written so far, and the hooks that act on it.

    The rows of the batch are groups of as many as there are prompts, each with replacements of its
    own. Readers' hooks come before all others on a hook point, so that what is done to a query acts
    on the new one; writers' hooks come last, so that they see what was made of the activation.

    Args:
        stream: the model's parts.
        silenced: as of ``Written``.
        base: what writers wrote in the run that groups which join late come from.
    """

    def __init__(
        self,
        stream: StreamParts,
        silenced: Mapping[int, Bool[Tensor, "prompt pos"]] | None = None,
        base: Written | None = None,
    ) -> None:
        self.stream = stream
        self._silenced = silenced or {}
        self._base = base
        self._groups: list[list[_Part]] = []
        self._early: dict[int, Tensor] = {}
        self._seen: dict[str, Tensor] = {}

    def join(self, shares: Sequence[ReplacedShares], layer: int = 0) -> None:
        """Adds a group of rows, from a block on."""
        self._groups.append([self._part(one, layer) for one in shares])

    def _part(self, shares: ReplacedShares, layer: int) -> _Part:
        if self._base is None:
            return _Part(shares, 0, None)
        n_early = shares.n_before(layer)
        known = self._early.get(id(shares))
        n_known = 0 if known is None else len(known)
        if n_known < n_early:
            more = self._changes(shares, shares.writers[n_known:n_early])
            known = more if known is None else torch.cat([known, more])
            self._early[id(shares)] = known
        return _Part(shares, n_early, known)

    def _changes(self, shares: ReplacedShares, writers: Sequence[int]) -> Tensor:
        """By how much the shares of writers change that are as in the base run."""
        assert self._base is not None
        of: dict[Stage, list[int]] = {}
        for number in writers:
            writer = self.stream.graph.writers[number]
            of.setdefault((writer.layer, writer.kind), []).append(number)
        return torch.cat(
            [
                _difference(shares, shares.source.write(numbers), self._base.write(numbers))
                for numbers in of.values()
            ]
        )

    # --- hooks ------------------------------------------------------------------------------

    def reading(self, every: Sequence[ReplacedShares], *, logits: bool = True) -> list[Hook]:
        """The hooks that replace inputs, of all groups that will join: first in the list."""
        hooks: list[Hook] = []
        for layer, kind in dict.fromkeys(stage for one in every for stage in one.stages):
            name = self.stream.input_hook(layer, kind)
            if layer is not None:
                hooks.append((name, self._edit(layer, kind)))
            elif logits:
                hooks.append((name, self._edit_logits))
        return hooks

    def writing(self, every: Sequence[tuple[ReplacedShares, int]]) -> list[Hook]:
        """The hooks that see what is written, and what blocks read: last in the list.

        ``every``: of all groups that will join, with the block from which on.
        """
        graph = self.stream.graph
        late: set[int] = set()
        read: set[int] = set()
        for one, start in every:
            n_early = 0 if self._base is None else one.n_before(start)
            late |= set(one.writers[n_early:])
            read |= {layer for layer, _ in one.stages if layer is not None}
        hooks: list[Hook] = []
        for entered in sorted(read):
            name = f"blocks.{entered}.hook_in"
            hooks.append((name, self._keep(name)))
        written = [graph.writers[number] for number in sorted(late)]
        for layer, kind in dict.fromkeys((writer.layer, writer.kind) for writer in written):
            if layer is None:
                hooks.append(("blocks.0.hook_in", self._record(None, kind)))
                continue
            if kind == "head":
                hooks += [(name, self._keep(name)) for name in self.stream.head_hooks(layer)]
            end = "hook_attn_out" if kind == "head" else "hook_mlp_out"
            hooks.append((f"blocks.{layer}.{end}", self._record(layer, kind)))
        return hooks

    def _keep(self, name: str) -> HookFn:
        def keep(activation: Tensor, hook: Any) -> None:
            self._seen[name] = activation

        return keep

    def _record(self, layer: int | None, kind: str) -> HookFn:
        def record(activation: Tensor, hook: Any) -> None:
            written: Tensor | None = None
            instead: dict[tuple[int, tuple[int, ...]], Tensor] = {}
            for rows, part in self._parts(activation):
                start, numbers = part.shares.written_by(layer, kind)
                if not numbers or start < part.n_early:
                    continue
                if layer is None or kind == "mlp":
                    live = activation[rows].float()[None]
                else:
                    if written is None:
                        names = self.stream.head_hooks(layer)
                        seen = {name: self._seen.pop(name) for name in names}
                        written = self.stream.head_writes(layer, seen)
                    heads = [self.stream.graph.writers[number].head for number in numbers]
                    live = heard(written[heads, rows], self._silenced.get(layer))
                # Circuits have other edges, but mostly the same writers and one source.
                key = id(part.shares.source), tuple(numbers)
                if key not in instead:
                    instead[key] = part.shares.source.write(numbers)
                part.store(start, _difference(part.shares, instead[key], live))

        return record

    def _parts(self, activation: Tensor) -> list[tuple[slice, _Part]]:
        n_prompts = len(activation) // len(self._groups)
        return [
            (slice(index * n_prompts, (index + 1) * n_prompts), part)
            for index, group in enumerate(self._groups)
            for part in group
        ]

    def _changed(self, stage: Stage, n_rows: int) -> list[tuple[slice, list[int], Tensor]]:
        """For each group that has such readers: its rows, the readers, and what their inputs
        change by."""
        n_prompts = n_rows // len(self._groups)
        found = []
        for index, group in enumerate(self._groups):
            parts = [
                (part, *part.shares.stages[stage]) for part in group if stage in part.shares.stages
            ]
            if not parts:
                continue
            numbers = sorted({number for _, own, _ in parts for number in own})
            total: Tensor | None = None
            for part, own, weights in parts:
                if own != numbers:
                    spread = weights.new_zeros(len(numbers), weights.shape[1])
                    spread[[numbers.index(number) for number in own]] = weights
                    weights = spread
                change = part.change(weights)
                if change is not None:
                    total = change if total is None else total + change
            if total is not None:
                rows = slice(index * n_prompts, (index + 1) * n_prompts)
                found.append((rows, numbers, total))
        return found

    def _edit(self, layer: int, kind: str) -> HookFn:
        stage: Stage = (layer, kind)
        readers = self.stream.graph.readers

        def edit(activation: Tensor, hook: Any) -> Tensor | None:
            found = self._changed(stage, len(activation))
            if not found:
                return None
            edited = activation.clone()
            for rows, numbers, change in found:
                if kind == "mlp" and not self.stream.mlp_reads_normed(layer):
                    edited[rows] = (edited[rows].float() + change[0]).to(edited.dtype)
                    continue
                stream = self._seen[f"blocks.{layer}.hook_in"][rows]
                streams = (stream.float() + change).to(stream.dtype)
                if kind == "mlp":
                    edited[rows] = self.stream.normed(layer, streams[0])
                else:
                    heads = [head for n in numbers if (head := readers[n].head) is not None]
                    made = self.stream.read(layer, kind, heads, streams)
                    edited[rows, :, heads] = made.movedim(0, 2).to(edited.dtype)
            return edited

        return edit

    def _edit_logits(self, activation: Tensor, hook: Any) -> Tensor | None:
        return self.at_logits(activation)

    def at_logits(self, stream: Float[Tensor, "row pos d_model"]) -> Tensor:
        """The stream as the logits read it."""
        found = self._changed((None, "logits"), len(stream))
        if not found:
            return stream
        edited = stream.clone()
        for rows, _, change in found:
            edited[rows] = (edited[rows].float() + change[0]).to(edited.dtype)
        return edited


def share_hooks(
    stream: StreamParts,
    shares: Sequence[ReplacedShares],
    silenced: Mapping[int, Bool[Tensor, "prompt pos"]] | None = None,
) -> tuple[list[Hook], list[Hook]]:
    """The hooks by which shares are replaced in one run: those that come before all others at a
    hook point, and those that come after."""
    state = SharesInRun(stream, silenced)
    state.join(shares)
    return state.reading(shares), state.writing([(one, 0) for one in shares])


def with_shares(
    hooks: Sequence[Hook],
    shares: Sequence[ReplacedShares],
    silenced: Mapping[int, Bool[Tensor, "prompt pos"]] | None = None,
) -> list[Hook]:
    """The hooks of one run in which these shares are replaced as well."""
    if not shares:
        return list(hooks)
    first, last = share_hooks(shares[0].stream, shares, silenced)
    return [*first, *hooks, *last]


def _difference(
    shares: ReplacedShares,
    instead: Float[Tensor, "writer #prompt #pos #d_model"],
    live: Float[Tensor, "writer prompt pos d_model"],
) -> Float[Tensor, "writer prompt pos d_model"]:
    change = instead.to(live.device) - live
    return change if shares.at is None else change * shares.at[..., None]


def _weighted(
    weights: Float[Tensor, "reader writer"], changes: Float[Tensor, "writer prompt pos d_model"]
) -> Tensor:
    """[reader, prompt, pos, d_model]"""
    if weights.shape == (1, 1):
        return changes if bool(weights) else torch.zeros_like(changes)
    made = weights.to(changes.device) @ changes.flatten(1)
    return made.unflatten(1, changes.shape[1:])
