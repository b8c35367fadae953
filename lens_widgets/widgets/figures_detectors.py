"""Plotly figures of detectors: head scores, their stripes over a pattern, losses by position."""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots


def outline(figure: go.Figure, cells: Iterable[tuple[int, int]], name: str) -> None:
    """Draws squares around the (query, key) cells of a pattern's heatmap, named in a legend."""
    pattern = figure.data[0]
    queries, keys = zip(*cells, strict=True)
    figure.add_trace(
        go.Scatter(
            x=[pattern.x[key] for key in keys],
            y=[pattern.y[query] for query in queries],
            mode="markers",
            marker={"symbol": "square-open", "color": "#1f6feb", "size": 11},
            hoverinfo="skip",
            name=name,
            showlegend=True,
        )
    )
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})


def score_maps(table: xr.DataArray) -> go.Figure:
    """Scores [kind, layer, head], one heatmap a kind on one scale."""
    kinds = [str(kind) for kind in table["kind"].values]
    figure = make_subplots(rows=1, cols=len(kinds), subplot_titles=kinds)
    for col, kind in enumerate(kinds, 1):
        trace = go.Heatmap(
            z=table.sel(kind=kind).values,
            x=[f"H{head}" for head in table["head"].values],
            y=[f"L{layer}" for layer in table["layer"].values],
            colorscale="Blues",
            zmin=0,
            zmax=1,
            showscale=col == len(kinds),
            colorbar={"title": table.attrs["units"]},
            hovertemplate="%{y}%{x}: %{z:.4f}<extra></extra>",
        )
        figure.add_trace(trace, row=1, col=col)
    figure.update_yaxes(autorange="reversed")
    return figure


def loss_lines(table: xr.Dataset) -> go.Figure:
    """Baseline and current loss by position, with standard errors where they are known."""
    figure = go.Figure()
    for which, color in (("baseline", "#98a1ac"), ("current", "#e8813a")):
        figure.add_trace(
            go.Scatter(
                x=table["pos"].values,
                y=table[which].values,
                error_y={"type": "data", "array": table[f"{which}_sem"].values},
                name=which,
                line={"color": color},
            )
        )
    figure.update_layout(xaxis_title="position", yaxis_title="next-token loss, nats")
    return figure
