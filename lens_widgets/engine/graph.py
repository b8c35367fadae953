"""The graph of a model's residual stream: what writes into it, what reads it, and in which order.

Writers are the embedding (of token and position together), heads and MLPs; readers the query, key
and value inputs of heads, MLPs and the logits. An edge leads from a writer to each reader that
comes after it.

Source: the graph of Elhage et al., A Mathematical Framework for Transformer Circuits (2021), as
Syed et al. (2023) and the Mechanistic Interpretability Benchmark (2025) count it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool
from torch import Tensor

from lens_widgets.engine.components import Component, Reader
from lens_widgets.engine.hooks import TABLE
from lens_widgets.engine.parts import HEADS, VALUE, layers_with
from lens_widgets.errors import InputError, near, shown

if TYPE_CHECKING:
    from lens_widgets.engine.probe import ModelFacts

QUERY, KEY = "attn.hook_q", "attn.hook_k"

Edge: TypeAlias = tuple[str, str]
"""A writer and a reader by their names."""


@dataclass(frozen=True, eq=False)
class StreamGraph:
    """``writers`` and ``readers`` are in the model's order: of a layer heads before the MLP; of
    readers all queries, keys and values of a layer before its MLP, the logits last.

    ``parallel`` are the layers whose MLP reads the stream before attention wrote to it.
    """

    writers: tuple[Component, ...]
    readers: tuple[Reader, ...]
    parallel: frozenset[int]
    n_layers: int

    @classmethod
    def of(cls, facts: ModelFacts) -> StreamGraph:
        """The graph of a model; InputError where its stream is no sum of what its parts write.

        Layers without heads or without an MLP have none in the graph. What else a layer writes is
        nobody's edge. The same facts always give the same graph, which is made once: everything
        that checks or counts edges asks for it.
        """
        known = _graphs.get(facts)
        return known if known is not None else _graphs.setdefault(facts, cls._made(facts))

    @classmethod
    def _made(cls, facts: ModelFacts) -> StreamGraph:
        if facts.no_sum:
            raise InputError(
                f"Edges of this model would not add up to what its parts read: {facts.no_sum}.",
                "Ablate or patch instead: those are exact in every model.",
            )
        with_heads = layers_with(facts, HEADS, QUERY, KEY, VALUE)
        writers, readers, parallel = [Component("embed")], list[Reader](), set[int]()
        for layer in range(facts.n_layers):
            if layer in with_heads:
                sizes = {part: _n_heads(facts, layer, part) for part in (QUERY, KEY, VALUE)}
                grouped = sizes[KEY] != sizes[QUERY]
                for kind, part in zip("qkv", sizes, strict=True):
                    own = grouped and kind != "q"
                    name: Any = kind
                    readers += [Reader(name, layer, head, own) for head in range(sizes[part])]
                writers += [Component("head", layer, head) for head in range(sizes[QUERY])]
            if layer in facts.mlp_layers:
                readers.append(Reader("mlp", layer))
                writers.append(Component("mlp", layer))
                # Where attention has written before, there is a stream between the two.
                if f"blocks.{layer}.hook_resid_mid" not in facts.hooks:
                    parallel.add(layer)
        readers.append(Reader("logits"))
        return cls(tuple(writers), tuple(readers), frozenset(parallel), facts.n_layers)

    # --- order ------------------------------------------------------------------------------

    def written_at(self, writer: Component) -> int:
        """When it writes: before what is ``read_at`` the same moment."""
        if writer.layer is None:
            return 0
        return 2 * writer.layer + (1 if writer.kind == "head" else 2)

    def read_at(self, reader: Reader) -> int:
        """When it reads."""
        if reader.layer is None:
            return 2 * self.n_layers
        after_attention = reader.kind == "mlp" and reader.layer not in self.parallel
        return 2 * reader.layer + after_attention

    @cached_property
    def mask(self) -> Bool[Tensor, "writer reader"]:
        """True where there is an edge, on the host."""
        written = torch.tensor([self.written_at(w) for w in self.writers], device="cpu")
        read = torch.tensor([self.read_at(r) for r in self.readers], device="cpu")
        return written[:, None] <= read[None]

    @cached_property
    def n_edges(self) -> int:
        return int(self.mask.sum())

    # --- names ------------------------------------------------------------------------------

    @cached_property
    def writer_names(self) -> tuple[str, ...]:
        return tuple(map(str, self.writers))

    @cached_property
    def reader_names(self) -> tuple[str, ...]:
        return tuple(map(str, self.readers))

    @cached_property
    def _writer_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.writer_names)}

    @cached_property
    def _reader_index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.reader_names)}

    def writer(self, name: str | Component) -> int:
        """The number of a writer; InputError for one that the model does not have."""
        text = str(name) if isinstance(name, Component) else name
        found = self._writer_index.get(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise InputError(
                f"writer={shown(text)} is no writer of this model.",
                f"{near(text, self._writer_index)} Writers are 'embed', heads from "
                f"{self._example('head')!r}, and MLPs as in {self._example('mlp')!r}.".strip(),
            )
        return found

    def reader(self, name: str | Reader) -> int:
        """The number of a reader; InputError for one that the model does not have."""
        reader = Reader.parse(name)
        found = self._reader_index.get(str(reader))
        if found is None:
            raise InputError(f"reader={str(reader)!r}: {self._lacking(reader)}", self._hint(reader))
        return found

    def edge(self, writer: str | Component, reader: str | Reader) -> tuple[int, int]:
        """The numbers of an edge's ends; InputError for one that cannot be."""
        numbers = self.writer(writer), self.reader(reader)
        if not bool(self.mask[numbers]):
            names = self.writer_names[numbers[0]], self.reader_names[numbers[1]]
            raise InputError(
                f"edge {names[0]} -> {names[1]}: {names[1]} reads the stream before {names[0]} "
                "writes to it.",
                "An edge leads from a part to one that comes after it.",
            )
        return numbers

    def edges(self, mask: Bool[Tensor, "writer reader"] | None = None) -> list[Edge]:
        """The edges of a mask by name, all without one: reader by reader in the model's order."""
        chosen = self.mask if mask is None else mask & self.mask
        return [
            (self.writer_names[writer], self.reader_names[reader])
            for reader, writer in chosen.T.nonzero().tolist()
        ]

    def edge_mask(self, edges: Iterable[Sequence[Any]]) -> Bool[Tensor, "writer reader"]:
        """True at the named edges, on the host; InputError for what is no edge of the model."""
        mask = torch.zeros_like(self.mask)
        for edge in checked_edges(edges):
            mask[self.edge(*edge)] = True
        return mask

    def same(self, other: StreamGraph) -> bool:
        """Whether both have the same writers, readers and edges."""
        mine, theirs = (
            (each.writer_names, each.reader_names, each.parallel) for each in (self, other)
        )
        return mine == theirs

    def of_layer(self, layer: int | None, kind: str) -> slice:
        """The numbers of the readers of a kind in a layer, which follow one another."""
        own = self.readers_of(layer, kind)
        return slice(own[0], own[-1] + 1) if own else slice(0, 0)

    def readers_of(self, layer: int | None, kind: str) -> list[int]:
        """The same as a list."""
        return [i for i, r in enumerate(self.readers) if (r.layer, r.kind) == (layer, kind)]

    def _example(self, kind: str) -> str:
        return next((str(w) for w in self.writers if w.kind == kind), "none")

    def _lacking(self, reader: Reader) -> str:
        own = [r for r in self.readers if (r.layer, r.kind) == (reader.layer, reader.kind)]
        if not own:
            return "this model has no such reader."
        if own[0].grouped != reader.grouped:
            shared = "share their keys and values" if own[0].grouped else "have keys of their own"
            return f"heads of layer {reader.layer} {shared}."
        return f"layer {reader.layer} has {own[0]} to {own[-1]}."

    def _hint(self, reader: Reader) -> str:
        own = [r for r in self.readers if (r.layer, r.kind) == (reader.layer, reader.kind)]
        if own and own[0].grouped and not reader.grouped and reader.head is not None:
            n_heads = sum(w.layer == reader.layer and w.kind == "head" for w in self.writers)
            if reader.head < n_heads:
                return f"Head {reader.head} uses {own[reader.head * len(own) // n_heads]}."
        return near(str(reader), self._reader_index) or "See the names in graph.reader_names."


_graphs: WeakKeyDictionary[ModelFacts, StreamGraph] = WeakKeyDictionary()
"""By what is known of a model, for as long as that is held."""


def checked_edges(edges: Iterable[Sequence[Any]]) -> list[tuple[Any, Any]]:
    """Edges as pairs; InputError for what is no list of (writer, reader)."""
    hint = 'Pass a list such as [("embed", "L0H1.q"), ("L0H1", "logits")].'
    if isinstance(edges, str) or not isinstance(edges, Iterable):
        raise InputError(f"edges={shown(edges)} is not a list of edges.", hint)
    pairs = list(edges)
    for pair in pairs:
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"edges has {shown(pair)}, which is no (writer, reader).", hint)
    return [(writer, reader) for writer, reader in pairs]


def _n_heads(facts: ModelFacts, layer: int, part: str) -> int:
    return TABLE[part].n_heads(facts.hooks[f"blocks.{layer}.{part}"])
