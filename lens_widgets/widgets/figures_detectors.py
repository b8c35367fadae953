"""Plotly figures of detectors: head scores, their stripes over a pattern, losses by position."""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go
import xarray as xr


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
