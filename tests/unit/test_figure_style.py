"""Figures in the widgets' own style, light and dark, whatever draws them."""

from __future__ import annotations

from collections.abc import Iterator

import plotly.graph_objects as go
import plotly.io as pio
import pytest

import lens_widgets as lw
from lens_widgets.views.registry import VIEWS, package_views
from tests.models import tiny

TEXTS = ["w5 w6 w7 w8", "w9 w4 w7 w6"]
CORRUPTED = ["w5 w6 w7 w9", "w9 w4 w7 w5"]
ANSWERS = [("w11", "w12"), ("w13", "w14")]
package_views()


@pytest.fixture
def session() -> lw.Session:
    return lw.Session(tiny("gpt2"), TEXTS, answers=ANSWERS, corrupted=CORRUPTED)


@pytest.fixture(params=["plotly", "plotly_dark"])
def default(request: pytest.FixtureRequest) -> Iterator[str]:
    before = pio.templates.default
    pio.templates.default = request.param
    yield request.param
    pio.templates.default = before


@pytest.mark.parametrize("name", ["head_scores", "patching", "composition", "loss", "attribution"])
def test_every_figure_takes_the_template_of_the_page(
    name: str, session: lw.Session, default: str
) -> None:
    figure = VIEWS[name](session).figure()
    surface = "#16191f" if "dark" in default else "#ffffff"
    assert figure.layout.template.layout.paper_bgcolor == surface
    assert figure.layout.template.layout.plot_bgcolor == surface
    for scale in [
        *(
            trace.colorscale
            for trace in figure.data
            if trace.type == "heatmap" and trace.colorscale
        ),
        *filter(None, [figure.layout.coloraxis.colorscale]),
    ]:
        if scale is None:
            continue
        colors = [color for _, color in scale]
        assert surface in (colors[0], colors[len(colors) // 2]), "zero has the page's colour"
    title = figure.layout.title.text
    assert title is None or title[0] == title[0].upper()


def test_a_view_from_elsewhere_is_dressed_too(session: lw.Session) -> None:
    class Elsewhere(lw.LossView):
        def figure(self) -> go.Figure:
            return go.Figure(layout={"title": "losses " * 40})

    figure = Elsewhere(session).figure()
    assert figure.layout.template.layout.paper_bgcolor == "#ffffff"
    lines = figure.layout.title.text.split("<br>")
    assert len(lines) == 3
    assert max(map(len, lines)) <= 100


def test_bars_are_in_order_of_size_and_tokens_in_theirs(session: lw.Session) -> None:
    bars = lw.AttributionTable(session, by="component").figure().data[0]
    assert list(bars.y) == sorted(bars.y, reverse=True)
    named = lw.analysis.attribution(session, by="component")
    first = named.sel(component=bars.x[0])
    assert float(first) == pytest.approx(float(bars.y[0]), abs=1e-5)
    tokens = lw.NeuronView(session).figure().data[0]
    assert [name.split()[-1] for name in tokens.x] == [str(i) for i in range(len(tokens.x))]


def test_patches_are_coloured_from_the_unpatched_run(session: lw.Session) -> None:
    for into in ("corrupted", "clean"):
        view = lw.PatchingView(session, patch_into=into, normalize=False)
        told, axis = view.data().attrs, view.figure().layout.coloraxis
        assert axis.cmid == told["unpatched"]
        assert (axis.cmin + axis.cmax) / 2 == pytest.approx(told["unpatched"])
        assert told["full"] in (pytest.approx(axis.cmin), pytest.approx(axis.cmax))
