"""``data()`` is what the view shows, labelled; ``figure()`` draws exactly that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
import xarray as xr

import lens_widgets as lw
from lens_widgets.errors import InputError


@pytest.fixture(autouse=True)
def _close_views() -> Iterator[None]:
    from ipywidgets import Widget

    yield
    Widget.close_all()


@pytest.fixture
def changed(session: lw.Session) -> lw.Session:
    """With an ablation in force and the second prompt selected."""
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1, layer=1, head=2)
    return session


@pytest.mark.parametrize("scope", ["mean", "selected"])
def test_the_explorer_shows_the_same_attribution_as_the_table(
    changed: lw.Session, scope: str
) -> None:
    changed.settings.prompt_scope = scope
    explorer = changed.explore(by="component")
    table = lw.AttributionTable(changed, by="component")
    xr.testing.assert_identical(explorer.data(), table.data())
    np.testing.assert_array_equal(explorer.figure().data[0].y, table.figure().data[0].y)


def test_data_follows_the_session(session: lw.Session) -> None:
    view = lw.AttributionTable(session)
    before = view.data()
    session.interventions.toggle("L1H2")
    after = view.data()
    assert float(after["current"].sel(component="L1H2")) == 0.0
    assert float(before["current"].sel(component="L1H2")) != 0.0


def test_score_parts(changed: lw.Session) -> None:
    view = lw.ScoreDecompositionView(changed, sources_by="layer")
    expected = lw.analysis.decompose_scores(changed, "L1H2", prompt=1, by="layer")
    mean = expected.mean(("query_pos", "key_pos"))
    np.testing.assert_allclose(view.data()["current"], mean, atol=1e-6)
    (trace,) = view.figure().data
    np.testing.assert_allclose(trace.z, mean, atol=1e-6)
    plain = changed.with_interventions(())
    before = lw.analysis.decompose_scores(plain, "L1H2", prompt=1, by="layer")
    before = before.mean(("query_pos", "key_pos"))
    np.testing.assert_allclose(view.data()["baseline"], before, atol=1e-6)
    cases: tuple[tuple[Literal["baseline", "difference"], Any], ...] = (
        ("baseline", before.values),
        ("difference", mean.values - before.values),
    )
    for show, wanted in cases:
        (trace,) = lw.ScoreDecompositionView(changed, sources_by="layer", show=show).figure().data
        np.testing.assert_allclose(trace.z, wanted, atol=1e-6)


def test_an_option_takes_only_text_of_its_form(changed: lw.Session) -> None:
    with pytest.raises(InputError, match="L3N1024"):
        lw.NeuronView(changed, neuron="L3H4")
