"""How well estimates agree with exact patching, on models that were trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import lens_widgets as lw
from lens_widgets.analysis.circuits.edge_scores import EDGE_METHODS
from lens_widgets.analysis.patching.agreement import agreement
from tests.benchmarks.table import Table

A = lw.analysis
NODES = {
    "residual stream": "resid_pre",
    "attention": "attn_out",
    "MLPs": "mlp_out",
    "heads": "z",
}
HIGHEST, AT_RANDOM = 100, 100
"""Of models with more than 10,000 edges, those that a method ranks among so many highest are
patched exactly, and so many drawn at random."""

AGREEMENT = f"""\
Correlation of the means over prompts, clean into corrupted, over the cells of a map (or edges) at
which the runs differ: Pearson r / Spearman ρ. Of SmolLM2's edges, those that any method ranks among
its {HIGHEST} highest, and {AT_RANDOM} drawn at random. The ioi demo and SmolLM2 on indirect objects
(8 and 4 prompts, logit difference), the induction demo on four times 2 x 7 random tokens (log
probability of the repeated ones)."""


def ioi() -> lw.Session:
    return lw.Session(lw.load_demo("ioi"), lw.prompts.ioi(8))


def induction() -> lw.Session:
    model = lw.load_demo("induction")
    pairs = lw.prompts.repeated_tokens(model, 7, batch=4, corrupted="BB")
    return lw.Session(model, pairs, metric=pairs.metric)


def smollm2() -> lw.Session:
    model = lw.load_demo("smollm2")
    return lw.Session(model, lw.prompts.ioi(4, model=model))


MODELS: dict[str, Callable[[], lw.Session]] = {
    "ioi demo": ioi,
    "induction demo": induction,
    "SmolLM2": smollm2,
}


def measure() -> Table:
    """How well estimates agree, a row for each kind of node of each model."""
    rows = [row for name, made in MODELS.items() for row in agreements(name, made())]
    titles = ("gradient", "integrated", "RelP")
    columns = ("model, what is patched", "cells", *(f"{title}: r / ρ" for title in titles))
    return Table("Estimates and exact patching", columns, tuple(rows), AGREEMENT)


def agreements(name: str, session: lw.Session) -> Iterator[tuple[str, ...]]:
    """A row for each kind of node, and one for edges."""
    for title, node in NODES.items():
        if node == "mlp_out" and not session.facts.mlp_layers:
            continue
        exact = A.patch_sweep(session, node)
        found = [A.estimate_sweep(session, node, method=method) for method in EDGE_METHODS.values()]
        yield _row(f"{name}: {title}", exact, [each.values for each in found])
    graph = session.stream.graph
    scores = [A.edge_scores(session, method).values for method in EDGE_METHODS]  # type: ignore[arg-type]
    edges = _chosen(graph.edges(), graph.mask.numpy(), scores)
    exact = A.edge_sweep(session, edges)
    places = tuple(np.array([graph.edge(*edge) for edge in edges]).T)
    yield _row(f"{name}: edges", exact, [each[places] for each in scores])


def _chosen(edges: list[Any], mask: Any, scores: list[Any]) -> list[Any]:
    """Edges to patch exactly, in the order of ``edges``: reader by reader."""
    if len(edges) <= 10_000:
        return edges
    wanted = set(np.random.default_rng(0).choice(len(edges), AT_RANDOM, replace=False).tolist())
    for each in scores:
        wanted |= set(np.argsort(-np.abs(each.T[mask.T]))[:HIGHEST].tolist())
    return [edges[i] for i in sorted(wanted)]


def _row(what: str, exact: Any, estimates: list[Any]) -> tuple[str, ...]:
    # Estimates of edges are changes: a constant moves no correlation.
    differs = exact.values != np.float32(exact.attrs["corrupted"])
    numbers = []
    for each in estimates:
        pair = (torch.as_tensor(values[differs], device="cpu") for values in (each, exact.values))
        found = agreement(*pair)
        numbers.append(f"{found.linear:.3f} / {found.rank:.3f}")
    return (what, f"{int(differs.sum()):,}", *numbers)
