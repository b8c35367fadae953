"""Plotly figures of labelled arrays. Pure: nothing is computed by the model here."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

_SIGNED = {"colorscale": "RdBu", "zmid": 0}
_SEQUENTIAL = {"colorscale": "Blues", "zmin": 0}


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


def parameter_tree(counts: xr.Dataset) -> go.Figure:
    """Parameters as areas: groups, and the matrices in them."""
    groups = list(dict.fromkeys(map(str, counts["group"].values)))
    names = [str(name) for name in counts["matrix"].values]
    sizes = [int(count) for count in counts["count"].values]
    parents = [str(group) for group in counts["group"].values]
    sums = [sum(n for n, parent in zip(sizes, parents, strict=True) if parent == g) for g in groups]
    figure = go.Figure(
        go.Treemap(
            ids=[*groups, *(f"{p}/{n}" for p, n in zip(parents, names, strict=True))],
            labels=[*groups, *names],
            parents=["" for _ in groups] + parents,
            values=[*sums, *sizes],
            branchvalues="total",
            texttemplate="%{label}<br>%{value:,}",
            hovertemplate="%{label}: %{value:,} parameters<extra></extra>",
        )
    )
    figure.update_layout(title=f"{counts.attrs['total']:,} {counts.attrs['definition']}")
    return figure


def composition_map(scores: xr.DataArray) -> go.Figure:
    """All pairs of [src_layer, src_head, dst_layer, dst_head], the sources down."""
    layers, heads = scores.sizes["src_layer"], scores.sizes["src_head"]
    names = [f"L{layer}H{head}" for layer in range(layers) for head in range(heads)]
    colors = _SIGNED if scores.attrs["subtracted"] else _SEQUENTIAL
    values = scores.values.reshape(len(names), len(names))
    return _map(values, names, names, scores.attrs, ("reads: %{x}", "writes: %{y}"), colors)


def activation_map(values: xr.DataArray, cut: str) -> go.Figure:
    """Two axes of an activation; a single one as a column. ``cut`` says where others were cut."""
    one = values if values.ndim == 2 else values.expand_dims("value", 1)
    rows, columns = ([str(label) for label in _labels(one, str(dim))] for dim in one.dims)
    attrs = {**values.attrs, "definition": f"{values.attrs['definition']}{cut}"}
    words = tuple(f"{dim} %{{{axis}}}" for dim, axis in zip(one.dims, "yx", strict=True))
    return _map(one.values, rows, columns, attrs, (words[1], words[0]), _SIGNED)


def _labels(values: xr.DataArray, dim: str) -> Any:
    token = dim.replace("pos", "token")
    if dim == "value":
        return [""]
    return values[token if dim.endswith("pos") and token in values.coords else dim].values


def score_parts(parts: xr.DataArray, query: int | None, key: int | None) -> go.Figure:
    """Query source by key source, at one pair of positions or as the mean over all."""
    if query is None or key is None:
        one, where = parts.mean(("query_pos", "key_pos")), "mean over positions"
    else:
        one, where = parts.sel(query_pos=query, key_pos=key), f"query {query}, key {key}"
    attrs = {**parts.attrs, "definition": f"{parts.attrs['definition']}; {where}"}
    rows, columns = (list(map(str, parts[d].values)) for d in ("query_source", "key_source"))
    return _map(one.values, rows, columns, attrs, ("key by %{x}", "query by %{y}"), _SIGNED)


def _map(
    values: np.ndarray[Any, np.dtype[Any]],
    rows: list[str],
    columns: list[str],
    attrs: dict[Any, Any],
    words: tuple[str, str],
    colors: dict[str, Any],
) -> go.Figure:
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=columns,
            y=rows,
            colorbar={"title": attrs["units"]},
            hovertemplate=f"{words[1]}<br>{words[0]}<br>%{{z:.4f}}<extra></extra>",
            **colors,
        )
    )
    figure.update_layout(title=attrs["definition"])
    figure.update_yaxes(autorange="reversed")
    return figure


def _bar_colors(values: np.ndarray[Any, np.dtype[Any]]) -> list[str]:
    return ["#2166ac" if value >= 0 else "#b2182b" for value in values]
