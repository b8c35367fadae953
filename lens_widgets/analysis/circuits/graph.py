"""Numbers of edges as labelled arrays: [writer, reader], NaN where there is no edge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.graph import StreamGraph
from lens_widgets.errors import InputError


def edge_coords(graph: StreamGraph) -> dict[str, Any]:
    """The coordinates of an array [writer, reader]."""
    return {"writer": list(graph.writer_names), "reader": list(graph.reader_names)}


def only_edges(
    graph: StreamGraph, values: Float[Tensor, "*n writer reader"]
) -> Float[Tensor, "*n writer reader"]:
    """The same, NaN where there is no edge."""
    return values.masked_fill(~graph.mask.to(values.device), torch.nan)


def score_matrix(graph: StreamGraph, scores: Any) -> Float[Tensor, "writer reader"]:
    """Scores of edges as a matrix on the host, NaN where there is none.

    ``scores``: an array with dims writer, reader, one with dim edge and the coordinates writer and
    reader, or a dict from (writer, reader) to numbers. InputError for scores of another model.
    """
    matrix = torch.full(graph.mask.shape, torch.nan, dtype=torch.float64, device="cpu")
    if isinstance(scores, xr.DataArray) and set(scores.dims) == {"writer", "reader"}:
        names = [scores.coords[dim].values.tolist() for dim in ("writer", "reader")]
        if names != [list(graph.writer_names), list(graph.reader_names)]:
            raise InputError(
                f"scores has {len(names[0])} writers and {len(names[1])} readers of another model; "
                f"this one has {len(graph.writers)} and {len(graph.readers)}.",
                "Score the edges of this session.",
            )
        values = np.asarray(scores.transpose("writer", "reader").values, dtype=np.float64)
        return only_edges(graph, torch.from_numpy(values.copy()))
    if isinstance(scores, xr.DataArray) and scores.dims == ("edge",):
        ends = zip(scores["writer"].values.tolist(), scores["reader"].values.tolist(), strict=True)
        scores = dict(zip(ends, scores.values.tolist(), strict=True))
    if not isinstance(scores, Mapping):
        raise InputError(
            f"scores is a {type(scores).__name__}, and not scores of edges.",
            "Pass what edge_scores or edge_sweep gives, averaged over prompts.",
        )
    for edge, value in scores.items():
        matrix[graph.edge(*edge)] = float(value)
    return matrix
