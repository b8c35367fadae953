"""Choosing sets of edges: the highest, the connected, the random."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.engine.graph import StreamGraph

EdgeMask = Bool[Tensor, "writer reader"]


def top_edges(
    graph: StreamGraph, scores: Float[Tensor, "writer reader"], n: int, absolute: bool
) -> EdgeMask:
    """The n edges with the highest scores, or the highest absolute ones. Edges without a score come
    last and are never chosen; of equal ones those of earlier writers."""
    values = (scores.abs() if absolute else scores).masked_fill(~graph.mask, torch.nan).flatten()
    order = values.nan_to_num(nan=-torch.inf).argsort(descending=True, stable=True)
    known = int((~values.isnan()).sum())
    mask = torch.zeros(values.shape, dtype=torch.bool, device="cpu")
    mask[order[: min(n, known)]] = True
    return mask.view(graph.mask.shape)


def pruned(graph: StreamGraph, mask: EdgeMask) -> EdgeMask:
    """Without the edges of parts that nothing comes into or that lead nowhere: what is left are the
    edges on ways from the embedding to the logits."""
    owned, last = owners(graph), len(graph.readers) - 1
    while True:
        # [writer]: whether anything comes into the part that writes.
        entered = (owned & mask.any(dim=0)[:, None]).any(dim=0)
        entered[0] = True
        # [reader]: whether the part that reads leads on.
        left = (owned & mask.any(dim=1)[None]).any(dim=1)
        left[last] = True
        kept = mask & entered[:, None] & left[None]
        if torch.equal(kept, mask):
            return mask
        mask = kept


def random_edges(graph: StreamGraph, n: int, generator: torch.Generator) -> EdgeMask:
    """n edges, each set of so many as likely as any other."""
    places = graph.mask.flatten().nonzero()[:, 0]
    order = torch.randperm(len(places), generator=generator, device="cpu")
    mask = torch.zeros(graph.mask.numel(), dtype=torch.bool, device="cpu")
    mask[places[order[:n]]] = True
    return mask.view(graph.mask.shape)


@lru_cache(maxsize=4)
def owners(graph: StreamGraph) -> Bool[Tensor, "reader writer"]:
    """True where a reader is an input of the part that writes; keys and values of a group are
    inputs of all its heads."""
    owned = torch.zeros(len(graph.readers), len(graph.writers), dtype=torch.bool, device="cpu")
    heads: dict[int | None, list[int]] = {}
    for number, writer in enumerate(graph.writers):
        if writer.kind == "head":
            heads.setdefault(writer.layer, []).append(number)
    groups = {
        (r.layer, r.kind): 1
        + max(o.head or 0 for o in graph.readers[graph.of_layer(r.layer, r.kind)])
        for r in graph.readers
        if r.head is not None
    }
    for row, reader in enumerate(graph.readers):
        if reader.kind == "mlp":
            owned[row, graph.writer(f"L{reader.layer}.mlp")] = True
        elif reader.head is not None:
            own = heads[reader.layer]
            size = len(own) // groups[reader.layer, reader.kind]
            owned[row, own[reader.head * size : (reader.head + 1) * size]] = True
    return owned


def node_names(graph: StreamGraph, mask: EdgeMask) -> tuple[str, ...]:
    """The parts that edges begin or end at, in the model's order. A key or value that several heads
    share belongs to those that are there for another reason, and to all of them if none is."""
    owned = owners(graph)
    there = mask.any(dim=1)
    for row in mask.any(dim=0).nonzero()[:, 0].tolist():
        own = owned[row]
        if int(own.sum()) == 1:
            there = there | own
    for row in mask.any(dim=0).nonzero()[:, 0].tolist():
        if bool(owned[row].any()) and not bool((owned[row] & there).any()):
            there = there | owned[row]
    names = [
        name for name, inside in zip(graph.writer_names, there.tolist(), strict=True) if inside
    ]
    return (*names, *(["logits"] if bool(mask[:, -1].any()) else []))
