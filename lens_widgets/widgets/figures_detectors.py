"""The stripe of a head score over the figure of a pattern."""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go


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
