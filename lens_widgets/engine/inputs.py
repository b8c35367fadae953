"""The inputs of readers in a run that goes on: shares replaced, whole streams given.

A reader's own norm and projection work on its new input. The share that is replaced is the one of
this very run, whatever else was done to it. Readers' hooks come before all others on a hook point,
so that what is done to a query acts on the new one; writers' hooks come last, so that they see what
was made of the activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.engine.forward import Hook, HookFn
from lens_widgets.engine.shares import GivenInputs, ReplacedShares, Stage
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.written import Written, heard


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
    joint: tuple[int, Tensor] | None = None

    def change(self, stage: Stage) -> tuple[list[int], Float[Tensor, "reader prompt pos d_model"]]:
        """The readers of a stage, and what is added to the input of each."""
        layer, kind = stage
        own, weights = self.shares.stages[stage]
        if layer is None or kind == "mlp":
            return own, self._sum(weights)
        # Queries, keys and values read at one time: their sums go over the same writers.
        if self.joint is None or self.joint[0] != layer:
            self.joint = layer, self._sum(self.shares.attention[layer])
        before = [k for k in "qkv"[: "qkv".index(kind)] if (layer, k) in self.shares.stages]
        start = sum(len(self.shares.stages[layer, k][0]) for k in before)
        change = self.joint[1][start : start + len(own)]
        if start + len(own) == len(self.joint[1]):
            self.joint = None
        return own, change

    def _sum(self, weights: Float[Tensor, "reader writer"]) -> Tensor:
        """[reader, prompt, pos, d_model]; 0 where nothing that they read has been written."""
        known = []
        if self.early is not None and self.n_early:
            known.append((weights[:, : self.n_early], self.early[: self.n_early]))
        if self.n_late:
            late = torch.stack(self.late) if isinstance(self.late, list) else self.late
            own = weights[:, self.n_early : self.n_early + self.n_late]
            known.append((own, late[: self.n_late]))
        if not known:
            return torch.zeros(len(weights), 1, 1, 1, device=weights.device)
        first, *rest = known
        total = _weighted(*first)
        for more, changes in rest:
            flat = torch.addmm(total.flatten(1), more.to(changes.device), changes.flatten(1))
            total = flat.unflatten(1, changes.shape[1:])
        return total

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


class InputsInRun:
    """The replacements of one forward: what was written so far, and the hooks that act on it.

    The rows of the batch are groups of as many as there are prompts, each with replacements of its
    own.

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
        self._given: list[GivenInputs | None] = []
        self._early: dict[int, Tensor] = {}
        self._seen: dict[str, Tensor] = {}

    def join(
        self,
        shares: Sequence[ReplacedShares],
        layer: int = 0,
        given: GivenInputs | None = None,
    ) -> None:
        """Adds a group of rows, from a block on."""
        self._groups.append([self._part(one, layer) for one in shares])
        self._given.append(given)

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

    def change_of(self, number: int) -> Float[Tensor, "prompt pos d_model"] | None:
        """By how much the input of a reader changes in the first group, as far as is known."""
        reader = self.stream.graph.readers[number]
        numbers, change = _changed(self._groups[0], (reader.layer, reader.kind), ())
        return change[numbers.index(number)] if change is not None and number in numbers else None

    # --- hooks ------------------------------------------------------------------------------

    def reading(
        self, every: Sequence[ReplacedShares | GivenInputs], *, logits: bool = True
    ) -> list[Hook]:
        """The hooks that replace inputs, of all groups that will join: first in the list."""
        hooks: list[Hook] = []
        for layer, kind in dict.fromkeys(stage for one in every for stage in one.stages):
            name = self.stream.input_hook(layer, kind)
            if layer is not None:
                hooks.append((name, self._edit(layer, kind)))
            elif logits:
                hooks.append((name, self._edit_logits))
        return hooks

    def writing(
        self, every: Sequence[tuple[ReplacedShares, int]], *given: GivenInputs | None
    ) -> list[Hook]:
        """The hooks that see what is written, and what blocks read: last in the list.

        ``every`` and ``given``: of all groups that will join, with the block from which on.
        """
        graph = self.stream.graph
        late: set[int] = set()
        read = {layer for one in given if one for layer, _ in one.stages if layer is not None}
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

    def _inputs(
        self, stage: Stage, stream: Float[Tensor, "row pos d_model"]
    ) -> Iterator[tuple[slice, list[int], Float[Tensor, "reader prompt pos d_model"]]]:
        """For each group that has such readers: its rows, the readers, and what they read."""
        n_prompts = len(stream) // len(self._groups)
        for index, (group, given) in enumerate(zip(self._groups, self._given, strict=True)):
            rows = slice(index * n_prompts, (index + 1) * n_prompts)
            fixed = [] if given is None else given.stages.get(stage, [])
            if given is not None and fixed:
                yield rows, fixed, torch.stack([given.streams[number] for number in fixed])
            numbers, change = _changed(group, stage, fixed)
            if change is not None:
                yield (
                    rows,
                    numbers,
                    (stream[rows].float() + change.to(stream.device)).to(stream.dtype),
                )

    def _edit(self, layer: int, kind: str) -> HookFn:
        readers = self.stream.graph.readers
        is_stream = kind == "mlp" and not self.stream.mlp_reads_normed(layer)

        def edit(activation: Tensor, hook: Any) -> Tensor | None:
            read = activation if is_stream else self._seen[f"blocks.{layer}.hook_in"]
            edited: Tensor | None = None
            for rows, numbers, streams in self._inputs((layer, kind), read):
                edited = activation.clone() if edited is None else edited
                if is_stream:
                    edited[rows] = streams[0]
                elif kind == "mlp":
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
        edited = stream
        for rows, _, streams in self._inputs((None, "logits"), stream):
            edited = stream.clone() if edited is stream else edited
            edited[rows] = streams[0]
        return edited


def _changed(
    group: Sequence[_Part], stage: Stage, fixed: Sequence[int]
) -> tuple[list[int], Float[Tensor, "reader prompt pos d_model"] | None]:
    """The readers of a group of which shares are replaced, and what their inputs change by."""
    parts = [part.change(stage) for part in group if stage in part.shares.stages]
    numbers = sorted({number for own, _ in parts for number in own} - set(fixed))
    if not numbers:
        return [], None
    if len(parts) == 1 and parts[0][0] == numbers:
        return numbers, parts[0][1]
    rows: dict[int, Tensor] = {}
    for own, change in parts:
        for number, one in zip(own, change, strict=True):
            rows[number] = rows[number] + one if number in rows else one
    return numbers, torch.stack(torch.broadcast_tensors(*(rows[number] for number in numbers)))


def share_hooks(
    stream: StreamParts,
    shares: Sequence[ReplacedShares],
    silenced: Mapping[int, Bool[Tensor, "prompt pos"]] | None = None,
    given: GivenInputs | None = None,
) -> tuple[list[Hook], list[Hook]]:
    """The hooks by which inputs are replaced in one run: those that come before all others at a
    hook point, and those that come after."""
    state = InputsInRun(stream, silenced)
    state.join(shares, 0, given)
    every: list[ReplacedShares | GivenInputs] = [*shares, *([] if given is None else [given])]
    return state.reading(every), state.writing([(one, 0) for one in shares], given)


def with_shares(
    hooks: Sequence[Hook],
    shares: Sequence[ReplacedShares],
    silenced: Mapping[int, Bool[Tensor, "prompt pos"]] | None = None,
    given: GivenInputs | None = None,
) -> list[Hook]:
    """The hooks of one run in which these inputs are replaced as well."""
    if not shares and given is None:
        return list(hooks)
    stream = shares[0].stream if given is None else given.stream
    first, last = share_hooks(stream, shares, silenced, given)
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
