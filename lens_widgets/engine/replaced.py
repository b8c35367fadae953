"""Readers' new inputs: by how much what writers gave changes in a run, added to the stream.

Streams of many readers are large beside all else in a block. So they are made for a few tokens at a
time, which then are at hand for the norm and the projection, and once for readers of which the
same edges are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.shares import ReplacedShares
from lens_widgets.engine.stream import StreamParts

AT_HAND_BYTES = 2 << 20
"""On a CPU, of how many bytes of streams one goes through norm and projection at a time."""


@dataclass
class ReplacedInRun:
    """One replacement in one group of rows: by how much each writer's share changes.

    ``early`` is of those that had written when the group joined the batch; ``late`` fills up.
    """

    shares: ReplacedShares
    n_early: int
    early: Float[Tensor, "writer prompt pos d_model"] | None
    late: list[Tensor] | Tensor = field(default_factory=list)
    n_late: int = 0

    @property
    def n_known(self) -> int:
        """Of how many of the writers it is known, from the first on."""
        return (0 if self.early is None else self.n_early) + self.n_late

    def known(self) -> Iterator[Float[Tensor, "writer prompt pos d_model"]]:
        """The changes that are known, in one or two parts."""
        if self.early is not None and self.n_early:
            yield self.early[: self.n_early]
        if self.n_late:
            late = torch.stack(self.late) if isinstance(self.late, list) else self.late
            yield late[: self.n_late]

    def store(
        self,
        start: int,
        instead: Float[Tensor, "writer #prompt #pos #d_model"],
        live: Float[Tensor, "writer prompt pos d_model"],
    ) -> None:
        """Takes what has become known of writers from ``start`` on."""
        place = start - self.n_early
        end = place + len(live)
        n_before, self.n_late = self.n_late, max(self.n_late, end)
        if torch.is_grad_enabled():
            # What is differentiated must not be written to again.
            assert isinstance(self.late, list)
            self.late[place:end] = list(difference(self.shares, instead, live))
            return
        if isinstance(self.late, list):
            n_late = len(self.shares.writers) - self.n_early
            self.late = live.new_empty(n_late, *live.shape[1:])
        # What is not known yet counts nothing, but is multiplied with.
        self.late[n_before:place] = 0.0
        torch.sub(instead.to(live.device), live, out=self.late[place:end])
        if self.shares.at is not None:
            self.late[place:end] *= self.shares.at[..., None]


def difference(
    shares: ReplacedShares,
    instead: Float[Tensor, "writer #prompt #pos #d_model"],
    live: Float[Tensor, "writer prompt pos d_model"],
) -> Float[Tensor, "writer prompt pos d_model"]:
    """By how much the shares of some writers change, where they are replaced."""
    change = instead.to(live.device) - live
    return change if shares.at is None else change * shares.at[..., None]


@dataclass(frozen=True)
class ReaderStreams:
    """What readers read in a group of rows: ``which`` tells each reader's stream of the different
    ones, which are ``plain`` or, with ``terms``, the one of ``plain`` plus weighted changes."""

    which: list[int]
    plain: Float[Tensor, "#different prompt pos d_model"]
    terms: list[tuple[Float[Tensor, "different _"], Float[Tensor, "_ _"]]]

    @classmethod
    def given(cls, streams: Sequence[Float[Tensor, "prompt pos d_model"]]) -> ReaderStreams:
        """A stream for each reader."""
        return cls(list(range(len(streams))), torch.stack(list(streams)), [])

    @classmethod
    def replaced(
        cls,
        parts: Sequence[ReplacedInRun],
        readers: Sequence[int],
        stream: Float[Tensor, "prompt pos d_model"],
    ) -> ReaderStreams:
        """One stream, in which some of what each reader reads is replaced."""
        changes = [(part, change) for part in parts for change in part.known()]
        if not changes:
            return cls([0] * len(readers), stream[None], [])
        cuts = [part.shares.cut_of(readers)[:, : part.n_known] for part in parts]
        different, which = torch.cat(cuts, dim=1).unique(dim=0, return_inverse=True)
        weights = different.split([len(change) for _, change in changes], dim=1)
        terms = [
            (own.to(stream.device), change.flatten(1))
            for own, (_, change) in zip(weights, changes, strict=True)
        ]
        return cls(which.tolist(), stream[None], terms)

    @property
    def n_different(self) -> int:
        return len(self.terms[0][0]) if self.terms else len(self.plain)

    def at_hand(self) -> Iterator[Float[Tensor, "different 1 token d_model"]]:
        """The different streams, some tokens at a time."""
        tokens = self.plain.flatten(1, 2)
        n, n_tokens, d_model = self.n_different, *tokens.shape[1:]
        size = n_tokens
        if tokens.device.type == "cpu" and not torch.is_grad_enabled():
            size = max(1, AT_HAND_BYTES // (4 * d_model * n))
        for start in range(0, n_tokens, size):
            some = tokens[:, start : start + size]
            flat = some.float().flatten(1).expand(n, -1)
            for weights, change in self.terms:
                own = change[:, start * d_model : (start + some.shape[1]) * d_model]
                flat = torch.addmm(flat, weights, own)
            yield flat.view(n, 1, -1, d_model).to(tokens.dtype)

    def whole(self) -> Float[Tensor, "different prompt pos d_model"]:
        """The same at all tokens."""
        made = torch.cat(list(self.at_hand()), dim=2)
        return made[:, 0].unflatten(1, self.plain.shape[1:3])


def attention_inputs(
    stream: StreamParts, layer: int, wanted: Sequence[int], streams: ReaderStreams
) -> dict[str, tuple[list[int], Float[Tensor, "prompt pos reader d_head"]]]:
    """Queries, keys and values of some heads of a layer, each of its own stream: by kind the heads
    and what becomes of them."""
    of_kind: dict[str, tuple[list[int], list[int]]] = {}
    for number, place in zip(wanted, streams.which, strict=True):
        reader = stream.graph.readers[number]
        assert reader.head is not None
        heads, which = of_kind.setdefault(reader.kind, ([], []))
        heads.append(reader.head)
        which.append(place)
    made: dict[str, list[Tensor]] = {kind: [] for kind in of_kind}
    for some in streams.at_hand():
        normed = stream.normed(layer, some)
        for kind, (heads, which) in of_kind.items():
            made[kind].append(stream.read(layer, kind, heads, normed, which))
    shape = streams.plain.shape[1:3]
    return {
        kind: (heads, torch.cat(made[kind], dim=2)[:, 0].unflatten(1, shape).movedim(0, 2))
        for kind, (heads, _) in of_kind.items()
    }
