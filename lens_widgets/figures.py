"""Plotly figures of labelled arrays. Pure: nothing is computed by the model here."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

_SIGNED = {"colorscale": "RdBu", "zmid": 0}
_SEQUENTIAL = {"colorscale": "Blues", "zmin": 0}


def pattern_heatmap(patterns: xr.DataArray, layer: int, head: int) -> go.Figure:
    """One head of [layer, head, query_pos, key_pos], or a mean over heads, with token axes."""
    place = {dim: at for dim, at in (("layer", layer), ("head", head)) if dim in patterns.dims}
    one = patterns.sel(place)
    name = {2: f"L{layer}H{head}", 1: f"L{layer}", 0: "all heads"}[len(place)]
    title = f"{name}: {patterns.attrs['definition']}"
    figure = go.Figure(
        go.Heatmap(
            z=one.values,
            x=one["key_token"].values,
            y=one["query_token"].values,
            colorbar={"title": patterns.attrs["units"]},
            hovertemplate="query %{y}<br>key %{x}<br>%{z:.4f}<extra></extra>",
            **(_SIGNED if patterns.attrs["signed"] else _SEQUENTIAL),
        )
    )
    figure.update_layout(title=title, xaxis_title="key", yaxis_title="query")
    figure.update_yaxes(autorange="reversed")
    return figure


def effects(values: xr.DataArray) -> go.Figure:
    """Signed effects: a heatmap for [layer, head], bars for one dim."""
    units, title = values.attrs.get("units", ""), values.attrs.get("definition", "")
    if values.ndim == 2:
        trace: Any = go.Heatmap(
            z=values.values,
            x=[f"H{head}" for head in values["head"].values],
            y=[f"L{layer}" for layer in values["layer"].values],
            colorbar={"title": units},
            hovertemplate="%{y}%{x}: %{z:.4f}<extra></extra>",
            **_SIGNED,
        )
    else:
        dim = str(values.dims[0])
        names = [f"L{v}" if dim == "layer" else str(v) for v in values[dim].values]
        trace = go.Bar(x=names, y=values.values, marker_color=_bar_colors(values.values))
    figure = go.Figure(trace)
    figure.update_layout(title=title)
    if values.ndim == 2:
        figure.update_yaxes(autorange="reversed")
    else:
        figure.update_yaxes(title=units)
    return figure


def token_bars(table: xr.Dataset) -> go.Figure:
    """Loss at each token."""
    loss = table["loss"]
    figure = go.Figure(go.Bar(x=table["token"].values, y=loss.values, marker_color="#e8813a"))
    figure.update_layout(title=loss.attrs["definition"], yaxis_title=loss.attrs["units"])
    return figure


def _bar_colors(values: np.ndarray[Any, np.dtype[Any]]) -> list[str]:
    return ["#2166ac" if value >= 0 else "#b2182b" for value in values]
