"""Plotly figures of the logit lens. Pure: nothing is computed by the model here."""

from __future__ import annotations

from typing import Any, Literal

import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

COLORS: dict[str, dict[str, Any]] = {
    "prob": {"colorscale": "Blues", "zmin": 0, "zmax": 1},
    "rank": {"colorscale": "Blues_r", "zmin": 0},
    "kl": {"colorscale": "Oranges", "zmin": 0},
}
_SIGNED = {"colorscale": "RdBu", "zmid": 0}


def logit_lens_figure(
    table: xr.Dataset,
    color: Literal["prob", "rank", "kl"] = "prob",
    order: Literal["last_on_top", "first_on_top"] = "last_on_top",
) -> go.Figure:
    """The lens of one prompt: top tokens by stage and position above, the metric's logits by stage
    and by part below with their standard errors, where the table has them."""
    one = table.isel(prompt=0)
    values = one["probs"].isel(k=0) if color == "prob" else one[color]
    scale = _SIGNED if table.attrs["which"] == "difference" else COLORS[color]
    stages = [str(stage) for stage in one["stage"].values]
    titles = [f"Top token of each stage; colour: {values.attrs['definition']}"]
    lines = "accumulated" in table
    if lines:
        titles += ["Logits read from the accumulated residual stream", "What each part adds"]
    figure = make_subplots(
        rows=2 if lines else 1,
        cols=2 if lines else 1,
        specs=[[{"colspan": 2}, None], [{}, {}]] if lines else None,
        subplot_titles=titles,
        vertical_spacing=0.2,
    )
    figure.add_trace(
        go.Heatmap(
            z=values.values,
            x=one["token"].values,
            y=stages,
            text=one["text"].isel(k=0).values,
            texttemplate="%{text}",
            colorbar={"title": values.attrs["units"], "len": 0.45, "y": 0.8},
            hovertemplate="%{y} at %{x}<br>%{text} %{z:.4f}<extra></extra>",
            **scale,
        ),
        row=1,
        col=1,
    )
    if order == "first_on_top":
        figure.update_yaxes(autorange="reversed", row=1, col=1)
    if lines:
        for col, name in ((1, "accumulated"), (2, "contribution")):
            figure.add_trace(_line(table, name), row=2, col=col)
            figure.update_yaxes(title=table[name].attrs["units"], row=2, col=col)
    figure.update_layout(height=760 if lines else 460, showlegend=False)
    return figure


def _line(table: xr.Dataset, name: str) -> go.Scatter:
    values = table[name]
    error = table.get(f"{name}_sem")
    return go.Scatter(
        x=[str(label) for label in values[values.dims[0]].values],
        y=values.values,
        error_y=None if error is None else {"type": "data", "array": error.values},
        mode="lines+markers",
        line={"color": "#2166ac"},
        hovertemplate="%{x}: %{y:.4f}<extra></extra>",
    )
