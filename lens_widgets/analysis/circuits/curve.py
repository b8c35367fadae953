"""How much of the metric circuits of growing size bring back: measured, not estimated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from torch import Tensor

from lens_widgets.analysis.circuits.choose import EdgeMask, pruned, random_edges, top_edges
from lens_widgets.analysis.circuits.evaluate import Kind, metrics_of, shares_of
from lens_widgets.analysis.circuits.graph import score_matrix
from lens_widgets.engine.current import one_call
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

MIB = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Sizes of circuits as shares of all edges, as the Mechanistic Interpretability Benchmark takes."""


@one_call()
def circuit_curve(
    session: Session,
    scores: Any,
    sizes: Sequence[float] = MIB,
    kind: Kind = "resample",
    *,
    absolute: bool = True,
    prune: bool = True,
    random: int = 0,
    seed: int = 0,
    max_memory_gb: float | None = None,
) -> xr.DataArray:
    """The faithfulness of the circuits of the highest edges, by size.

    Every value is measured: one run with these edges alone, all sizes in one batched forward.

    Args:
        session: whose model, prompts, metric and interventions.
        scores: what ``edge_scores`` or ``edge_sweep`` gives, or a dict from edges to numbers.
        sizes: shares of all edges, from 0 to 1; the benchmark's if left out.
        kind: what all other edges carry, as of ``Circuit.metric``.
        absolute: rank by the size of the scores; else by their value, the largest first.
        prune: leave out what no way from the embedding to the logits leads through.
        random: how many random circuits to measure beside each, of as many edges.
        seed: same seed, same random circuits.
        max_memory_gb: what may be used on top of the model; by default a share of what is free.

    Returns:
        Dims size, a share of the metric: 0 as without any edge, 1 as with all. Coordinates:
        ``edges``, how many there are after pruning; ``sem``, the standard error by resamples of the
        prompts; with ``random`` also ``random_low``, ``random_mean`` and ``random_high``, the 5th
        percentile, the mean and the 95th of random circuits. attrs: ``cpr``, the area under the
        curve, and ``cmd``, the area between it and 1, both by the trapezoidal rule over the sizes
        (the benchmark reports the first of ``absolute=False`` and the second of ``absolute=True``);
        ``empty`` and ``all``, the mean metrics without any edge and with all.

    Raises:
        InputError: as ``Circuit.faithfulness``; scores of another model; sizes that are no shares.

    Source:
        Mueller et al., MIB: A Mechanistic Interpretability Benchmark (2025).

    Examples:
        >>> edges = lw.Circuit(session, [("embed", "L1H4.v"), ("L1H4", "logits")]).edges
        >>> scores = dict.fromkeys(edges, 1.0)
        >>> lw.analysis.circuit_curve(session, scores, [0.0, 1.0], prune=False).edges.values
        array([0, 2])
    """
    graph = session.stream.graph
    shares = [_share(size) for size in sizes]
    if not shares:
        raise InputError("sizes is empty.", "Pass shares of all edges, as in [0.01, 0.1, 1.0].")
    masks, drawn = curve_circuits(graph, scores, shares, absolute, prune, random, seed)
    counts = [int(mask.sum()) for mask in masks]
    ends = [torch.zeros_like(graph.mask), graph.mask]
    found = metrics_of(session, [*ends, *masks, *drawn], kind, max_memory_gb)
    empty, whole, measured = found[0], found[1], found[2:]
    values, errors = shares_of(measured, empty, whole)
    n = len(shares)
    coords: dict[str, Any] = {
        "size": shares,
        "edges": ("size", counts),
        "sem": ("size", errors[:n].tolist()),
    }
    if random:
        band = values[n:].view(n, random)
        coords["random_low"] = ("size", band.quantile(0.05, dim=1).tolist())
        coords["random_mean"] = ("size", band.mean(dim=1).tolist())
        coords["random_high"] = ("size", band.quantile(0.95, dim=1).tolist())
    curve = values[:n]
    attrs = {
        "units": "share",
        "metric": session.metric.name,
        "definition": "share of the metric with the circuit's edges alone",
        "kind": kind,
        "ranking": "absolute" if absolute else "signed",
        "cpr": _area(shares, curve),
        "cmd": _area(shares, (1.0 - curve).abs()),
        "empty": float(empty.mean()),
        "all": float(whole.mean()),
        "total_edges": graph.n_edges,
    }
    return xr.DataArray(curve.tolist(), dims=("size",), coords=coords, attrs=attrs)


def curve_circuits(
    graph: StreamGraph,
    scores: Any,
    sizes: Sequence[float],
    absolute: bool = True,
    prune: bool = True,
    random: int = 0,
    seed: int = 0,
) -> tuple[list[EdgeMask], list[EdgeMask]]:
    """The circuits that a curve measures, and the random ones beside them, ``random`` a size."""
    matrix = score_matrix(graph, scores)
    masks: list[EdgeMask] = []
    for share in sizes:
        mask = top_edges(graph, matrix, round(share * graph.n_edges), absolute)
        masks.append(pruned(graph, mask) if prune else mask)
    generator = torch.Generator(device="cpu").manual_seed(seed)
    counts = [int(mask.sum()) for mask in masks]
    drawn = [random_edges(graph, count, generator) for count in counts for _ in range(random)]
    return masks, drawn


def _share(size: Any) -> float:
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 <= size <= 1:
        raise InputError(
            f"sizes has {size!r}, which is no share of the edges.", "Pass numbers from 0 to 1."
        )
    return float(size)


def _area(sizes: Sequence[float], values: Tensor) -> float:
    order = torch.tensor(sizes, dtype=torch.float64, device="cpu").argsort()
    at = torch.tensor(sizes, dtype=torch.float64, device="cpu")[order]
    return float(torch.trapezoid(values.double()[order], at))
