"""How figures look: the widgets' own colours and type, on light pages and on dark ones.

Plotly's templates ``"lens_widgets"`` and ``"lens_widgets_dark"``. A figure takes the dark one while
Plotly's default is a dark one, as after ``pio.templates.default = "plotly_dark"``; any figure can
be given the other with ``figure.update_layout(template="lens_widgets_dark")``.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import plotly.graph_objects as go
import plotly.io as pio

POSITIVE, NEGATIVE = "#2166ac", "#b2182b"
TITLE_CHARS = 100


@dataclass(frozen=True)
class _Theme:
    surface: str
    text: str
    muted: str
    line: str
    blues: tuple[str, ...]
    reds: tuple[str, ...]
    attention: tuple[str, ...]
    colorway: tuple[str, ...]


# The scales of js/src/core/draw/color.ts: zero is the page, far from zero far from the page.
_LIGHT = _Theme(
    surface="#ffffff",
    text="#1b1f24",
    muted="#5c6773",
    line="#dcdfe3",
    blues=("#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061"),
    reds=("#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f"),
    attention=("#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08306b"),
    colorway=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a07800", "#555555"),
)
_DARK = _Theme(
    surface="#16191f",
    text="#e6e9ed",
    muted="#9aa4b0",
    line="#343940",
    blues=("#1d3a56", "#2a5b87", "#4287b8", "#67a9cf", "#b9ddf2"),
    reds=("#4f2a26", "#87402f", "#c0603f", "#ef8a62", "#fbcbb4"),
    attention=("#17304f", "#1d4475", "#275c9c", "#3f7abf", "#6399d6", "#c3e1ff"),
    colorway=("#56b4e9", "#ff8c42", "#3ddbab", "#e9a6cb", "#f0c14b", "#b5b5b5"),
)
_THEMES = {"lens_widgets": _LIGHT, "lens_widgets_dark": _DARK}
_ON_DARK = {POSITIVE: "#67a9cf", NEGATIVE: "#ef8a62"}

Draw = TypeVar("Draw", bound=Callable[..., go.Figure])


def dressed(draw: Draw) -> Draw:
    """The method that draws a figure, in the widgets' style."""

    @functools.wraps(draw)
    def made(*args: Any, **kwargs: Any) -> go.Figure:
        return dress(draw(*args, **kwargs))

    return made  # type: ignore[return-value]


def dress(figure: go.Figure) -> go.Figure:
    """Puts a figure into the widgets' style; what it says of data is left alone."""
    dark = "dark" in (pio.templates.default or "")
    name = "lens_widgets_dark" if dark else "lens_widgets"
    figure.update_layout(template=name)
    for trace in figure.data:
        if trace.type == "heatmap" and trace.coloraxis is None:
            signed = trace.zmid is not None
            trace.update(colorscale=_diverging(name) if signed else _sequential(name))
        elif trace.type == "bar" and dark and isinstance(trace.marker.color, tuple | list):
            trace.marker.color = [_ON_DARK.get(color, color) for color in trace.marker.color]
    axis = figure.layout.coloraxis
    if axis.colorscale is not None:
        axis.colorscale = _sequential(name) if axis.cmid is None else _diverging(name)
    title = figure.layout.title.text
    if title:
        sentence = title[:1].upper() + title[1:]
        figure.layout.title.text = "<br>".join(textwrap.wrap(sentence, TITLE_CHARS))
    return figure


def _diverging(name: str) -> list[tuple[float, str]]:
    theme = _THEMES[name]
    return _spread((*reversed(theme.reds), theme.surface, *theme.blues))


def _sequential(name: str) -> list[tuple[float, str]]:
    theme = _THEMES[name]
    return _spread((theme.surface, *theme.attention))


def _spread(colors: tuple[str, ...]) -> list[tuple[float, str]]:
    return [(i / (len(colors) - 1), color) for i, color in enumerate(colors)]


def _template(name: str) -> go.layout.Template:
    theme = _THEMES[name]
    axis = {
        **{"gridcolor": theme.line, "linecolor": theme.line, "zerolinecolor": theme.muted},
        **{"tickfont": {"color": theme.muted}, "automargin": True},
    }
    layout = {
        "paper_bgcolor": theme.surface,
        "plot_bgcolor": theme.surface,
        "colorway": theme.colorway,
        "font": {
            "family": "system-ui, -apple-system, Segoe UI, Helvetica Neue, sans-serif",
            "size": 12,
            "color": theme.text,
        },
        "title": {"x": 0.01, "xanchor": "left", "font": {"size": 14}},
        "colorscale": {"diverging": _diverging(name), "sequential": _sequential(name)},
        "margin": {"l": 60, "r": 20, "t": 60, "b": 50},
        "xaxis": axis,
        "yaxis": axis,
    }
    return go.layout.Template(layout=layout)


for _name in _THEMES:
    pio.templates[_name] = _template(_name)
