"""Circuits in files as the Mechanistic Interpretability Benchmark (MIB, 2025) keeps them."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.analysis.circuits.choose import node_names, owners
from lens_widgets.engine.components import Component
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

EdgeMask = Bool[Tensor, "writer reader"]
Scores = Float[Tensor, "writer reader"]


def circuit_json(
    session: Session, graph: StreamGraph, mask: EdgeMask, scores: Scores | None
) -> str:
    """One JSON object, of ASCII alone; without scores those in the circuit have 1, others 0."""
    values = mask.double() if scores is None else scores.nan_to_num(0.0)
    inside = set(node_names(graph, mask))
    names = [*graph.writer_names, "logits"]
    edges = {
        name: {"score": float(values[pair]), "in_graph": bool(mask[pair])}
        for name, pair in _edge_names(graph).items()
    }
    content = {
        "cfg": _shape(session, graph),
        "nodes": {_node(name): {"in_graph": name in inside} for name in names},
        "edges": edges,
    }
    return json.dumps(content)


def read_circuit(
    path: str | os.PathLike[str], session: Session, graph: StreamGraph
) -> tuple[EdgeMask, Scores]:
    """The edges in a file and their scores; InputError where it is damaged or of another model."""
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        shape, edges = content["cfg"], content["edges"]
        found = {
            str(name): (bool(edge["in_graph"]), float(edge.get("score") or 0.0))
            for name, edge in edges.items()
        }
    except OSError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} is no circuit of the benchmark: {type(error).__name__}: {error}",
            "Files of circuit.save(path) are: one JSON object with cfg, nodes and edges.",
        ) from error
    _check_shape(path, shape, _shape(session, graph))
    names = _edge_names(graph)
    if set(found) != set(names):
        other = sorted(set(found) ^ set(names))
        raise InputError(
            f"{path} is a circuit of another model: {len(other)} edges are not in both, such as "
            f"{other[0]!r}.",
            "Open it with a session of its own model.",
        )
    mask = torch.zeros_like(graph.mask)
    scores = torch.full(mask.shape, math.nan, dtype=torch.float64, device="cpu")
    for name, pair in names.items():
        inside, score = found[name]
        first = bool(scores[pair].isnan())
        if not first and inside != bool(mask[pair]):
            raise InputError(
                f"{path} has {name!r} apart from other heads that share its keys and values.",
                "In this model they can only be kept or replaced together.",
            )
        mask[pair] = inside
        # Of heads that share a key the strongest score stands for it.
        scores[pair] = score if first or abs(score) > abs(scores[pair]) else scores[pair]
    return mask, scores


def _shape(session: Session, graph: StreamGraph) -> dict[str, Any]:
    return {
        "n_layers": session.facts.n_layers,
        "n_heads": session.facts.n_heads,
        "parallel_attn_mlp": bool(graph.parallel) and any(w.kind == "head" for w in graph.writers),
        "d_model": int(session.model.cfg.d_model),
    }


def _check_shape(path: Path, there: Any, here: dict[str, Any]) -> None:
    for name, value in here.items():
        if not isinstance(there, dict) or there.get(name) != value:
            was = there.get(name) if isinstance(there, dict) else None
            raise InputError(
                f"{path} is a circuit of another model: {name} is {was}, this one has {value}.",
                "Open it with a session of its own model.",
            )


def _edge_names(graph: StreamGraph) -> dict[str, tuple[int, int]]:
    """The benchmark's name of each edge. It counts keys and values for every head: those that share
    theirs have one edge here and several there."""
    owned = owners(graph)
    readers: list[list[str]] = []
    for row, reader in enumerate(graph.readers):
        if reader.head is None:
            readers.append(["logits" if reader.layer is None else f"m{reader.layer}"])
            continue
        heads = [graph.writers[number] for number in owned[row].nonzero()[:, 0].tolist()]
        readers.append([f"{_node(str(head))}<{reader.kind}>" for head in heads])
    return {
        f"{_node(graph.writer_names[writer])}->{name}": (writer, reader)
        for writer, reader in graph.mask.nonzero().tolist()
        for name in readers[reader]
    }


def _node(name: str) -> str:
    if name in ("embed", "logits"):
        return {"embed": "input"}.get(name, name)
    part = Component.parse(name)
    return f"m{part.layer}" if part.kind == "mlp" else f"a{part.layer}.h{part.head}"
