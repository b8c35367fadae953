"""The inputs of readers in a run that goes on: shares replaced, whole streams given.

A reader's own norm and projection work on its new input. The share that is replaced is the one of
this very run, whatever else was done to it. Readers' hooks come before all others on a hook point,
so that what is done to a query acts on the new one; writers' hooks come last, so that they see what
was made of the activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.engine.forward import Hook, HookFn
from lens_widgets.engine.replaced import (
    ReaderStreams,
    ReplacedInRun,
    attention_inputs,
    difference,
)
from lens_widgets.engine.shares import GivenInputs, ReplacedShares, Stage
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.written import Written, heard


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
        self._groups: list[list[ReplacedInRun]] = []
        self._given: list[GivenInputs | None] = []
        self._early: dict[int, Tensor] = {}
        self._seen: dict[str, Tensor] = {}
        self._read: dict[tuple[int, str], list[tuple[slice, list[int], Tensor]]] = {}

    def join(
        self,
        shares: Sequence[ReplacedShares],
        layer: int = 0,
        given: GivenInputs | None = None,
    ) -> None:
        """Adds a group of rows, from a block on."""
        self._groups.append([self._part(one, layer) for one in shares])
        self._given.append(given)

    def _part(self, shares: ReplacedShares, layer: int) -> ReplacedInRun:
        if self._base is None:
            return ReplacedInRun(shares, 0, None)
        n_early = shares.n_before(layer)
        known = self._early.get(id(shares))
        n_known = 0 if known is None else len(known)
        if n_known < n_early:
            more = self._changes(shares, shares.writers[n_known:n_early])
            known = more if known is None else torch.cat([known, more])
            self._early[id(shares)] = known
        return ReplacedInRun(shares, n_early, known)

    def _changes(self, shares: ReplacedShares, writers: Sequence[int]) -> Tensor:
        """By how much the shares of writers change that are as in the base run."""
        assert self._base is not None
        of: dict[Stage, list[int]] = {}
        for number in writers:
            writer = self.stream.graph.writers[number]
            of.setdefault((writer.layer, writer.kind), []).append(number)
        return torch.cat(
            [
                difference(shares, shares.source.write(numbers), self._base.write(numbers))
                for numbers in of.values()
            ]
        )

    def read_by(
        self, number: int, stream: Float[Tensor, "prompt pos d_model"]
    ) -> Float[Tensor, "prompt pos d_model"]:
        """What a reader reads of a stream in the first group, as far as is known."""
        return ReaderStreams.replaced(self._groups[0], [number], stream).whole()[0]

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
            # A run that was stopped inside of a block leaves what it did not come to use.
            self._read.clear()

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
                    own = written if heads == list(range(len(written))) else written[heads]
                    live = heard(own[:, rows], self._silenced.get(layer))
                # Circuits have other edges, but mostly the same writers and one source.
                key = id(part.shares.source), tuple(numbers)
                if key not in instead:
                    instead[key] = part.shares.source.write(numbers)
                part.store(start, instead[key], live)

        return record

    def _parts(self, activation: Tensor) -> list[tuple[slice, ReplacedInRun]]:
        n_prompts = len(activation) // len(self._groups)
        return [
            (slice(index * n_prompts, (index + 1) * n_prompts), part)
            for index, group in enumerate(self._groups)
            for part in group
        ]

    def _streams(
        self, layer: int | None, kinds: str | tuple[str], stream: Float[Tensor, "row pos d_model"]
    ) -> Iterator[tuple[slice, list[int], ReaderStreams]]:
        """For each group that has such readers: its rows, the readers, and what they read."""
        n_prompts = len(stream) // len(self._groups)
        stages = [(layer, kind) for kind in kinds]
        for index, (group, given) in enumerate(zip(self._groups, self._given, strict=True)):
            rows = slice(index * n_prompts, (index + 1) * n_prompts)
            fixed: list[int] = []
            if given is not None:
                fixed = [number for stage in stages for number in given.stages.get(stage, [])]
                if fixed:
                    yield rows, fixed, ReaderStreams.given([given.streams[n] for n in fixed])
            parts = [part for part in group if not part.shares.stages.keys().isdisjoint(stages)]
            found = {
                n for part in parts for stage in stages for n in part.shares.stages.get(stage, ())
            }
            numbers = sorted(found.difference(fixed))
            if numbers:
                yield rows, numbers, ReaderStreams.replaced(parts, numbers, stream[rows])

    def _edit(self, layer: int, kind: str) -> HookFn:
        return self._edit_mlp(layer) if kind == "mlp" else self._edit_attention(layer, kind)

    def _edit_attention(self, layer: int, kind: str) -> HookFn:
        def edit(activation: Tensor, hook: Any) -> Tensor | None:
            if (layer, kind) not in self._read:
                # Queries, keys and values read one stream, through one norm.
                stream = self._seen[f"blocks.{layer}.hook_in"]
                for rows, numbers, streams in self._streams(layer, "qkv", stream):
                    for own, found in attention_inputs(
                        self.stream, layer, numbers, streams
                    ).items():
                        self._read.setdefault((layer, own), []).append((rows, *found))
            made = self._read.pop((layer, kind), [])
            if not made:
                return None
            edited = activation.clone()
            for rows, heads, values in made:
                edited[rows, :, heads] = values.to(edited.dtype)
            return edited

        return edit

    def _edit_mlp(self, layer: int) -> HookFn:
        normed = self.stream.mlp_reads_normed(layer)

        def edit(activation: Tensor, hook: Any) -> Tensor | None:
            read = self._seen[f"blocks.{layer}.hook_in"] if normed else activation
            edited: Tensor | None = None
            for rows, _, streams in self._streams(layer, ("mlp",), read):
                edited = activation.clone() if edited is None else edited
                new = streams.whole()[0]
                edited[rows] = self.stream.normed(layer, new) if normed else new
            return edited

        return edit

    def _edit_logits(self, activation: Tensor, hook: Any) -> Tensor | None:
        return self.at_logits(activation)

    def at_logits(self, stream: Float[Tensor, "row pos d_model"]) -> Tensor:
        """The stream as the logits read it."""
        edited = stream
        for rows, _, streams in self._streams(None, ("logits",), stream):
            edited = stream.clone() if edited is stream else edited
            edited[rows] = streams.whole()[0]
        return edited


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
