"""What the figures of several views have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.session.session import Session
from lens_widgets.views.figure_style import NEGATIVE, POSITIVE

SIGNED: dict[str, Any] = {"colorscale": "RdBu", "zmid": 0}
SEQUENTIAL: dict[str, Any] = {"colorscale": "Blues", "zmin": 0}


def with_tokens(session: Session, table: xr.Dataset, **prompts: int) -> xr.Dataset:
    """The dataset with a prompt's tokens beside each of its dimensions ``pos``, ``query_pos`` or
    ``key_pos``: coordinates ``token``, ``query_token``, ``key_token``, as in "·Mary 4".

    An answer leaves them out, since pages know the tokens already.
    """
    coords = {}
    for dim, prompt in prompts.items():
        labels = [f"{text} {pos}" for pos, text in enumerate(token_texts(session, prompt))]
        coords[dim.replace("pos", "token")] = (dim, labels)
    return table.assign_coords(coords)


def signed_map(
    values: np.ndarray[Any, np.dtype[Any]],
    rows: Sequence[str],
    columns: Sequence[str],
    units: str,
    title: str,
) -> go.Figure:
    """Values [row, column] around zero, the first row on top; blue is positive."""
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=columns,
            y=rows,
            colorbar={"title": units},
            hovertemplate="%{y}%{x}: %{z:.4f}<extra></extra>",
            **SIGNED,
        )
    )
    figure.update_layout(title=title)
    figure.update_yaxes(autorange="reversed")
    return figure


def signed_bars(
    values: np.ndarray[Any, np.dtype[Any]],
    names: Sequence[str],
    units: str,
    title: str,
    *,
    ordered: bool = False,
) -> go.Figure:
    """One bar a name, coloured by sign: the largest first, or ``ordered`` as they are."""
    if not ordered:
        order = np.argsort(-values, kind="stable")
        values, names = values[order], [names[index] for index in order]
    colors = [POSITIVE if value >= 0 else NEGATIVE for value in values]
    figure = go.Figure(go.Bar(x=names, y=values, marker_color=colors))
    figure.update_layout(title=title)
    figure.update_yaxes(title=units)
    return figure


def outline(figure: go.Figure, cells: Sequence[tuple[int, int]], name: str) -> None:
    """Draws squares around the (row, column) cells of the figure's heatmap, named in a legend;
    nothing where there are none."""
    if not cells:
        return
    heatmap = figure.data[0]
    rows, columns = zip(*cells, strict=True)
    squares = go.Scatter(
        x=[heatmap.x[column] for column in columns],
        y=[heatmap.y[row] for row in rows],
        mode="markers",
        marker={"symbol": "square-open", "color": "#1f6feb", "size": 11},
        hoverinfo="skip",
        name=name,
        showlegend=True,
    )
    figure.add_trace(squares)
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})


def labelled_map(
    values: np.ndarray[Any, np.dtype[Any]],
    rows: Sequence[str],
    columns: Sequence[str],
    attrs: Mapping[Any, Any],
    *,
    words: tuple[str, str],
    signed: bool,
) -> go.Figure:
    """Values [row, column], the first row on top, titled with their definition.

    ``words`` say what a row and a column are, with ``%{y}`` and ``%{x}`` for their names.
    """
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=columns,
            y=rows,
            colorbar={"title": attrs["units"]},
            hovertemplate=f"{words[0]}<br>{words[1]}<br>%{{z:.4f}}<extra></extra>",
            **(SIGNED if signed else SEQUENTIAL),
        )
    )
    figure.update_layout(title=attrs["definition"])
    figure.update_yaxes(autorange="reversed")
    return figure
