"""What the attribution table is told, and hands out, is what the analysis gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from tests.unit.page import Page
from tests.unit.scripts import edited, execute


@pytest.mark.parametrize("by", ["head", "layer", "component"])
@pytest.mark.parametrize("prompt", [None, 1])
def test_rows_are_those_of_the_analysis(session: lw.Session, by: Any, prompt: int | None) -> None:
    before = lw.analysis.attribution(session, by, per_prompt=True)
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1)
    session.settings.prompt_scope = "mean" if prompt is None else "selected"
    after = lw.analysis.attribution(session, by, per_prompt=True)
    view = lw.AttributionTable(session, by=by)
    told = Page(session).dataset("attribution/rows", by=by, prompt=prompt, pos=None)
    name = {"head": "L1H2", "layer": "L1", "component": "L1.attn"}[by]
    place = {"head": {"layer": 1, "head": 2}, "layer": {"layer": 1}, "component": {"component": 4}}
    old, new = (table.isel(place[by]).values for table in (before, after))
    for table in (told.set_index(component="component"), view.data(), view.ask("rows")):
        row = table.sel(component=name)
        for column, values in (("baseline", old), ("current", new)):
            expected = values.mean() if prompt is None else values[prompt]
            assert float(row[column]) == pytest.approx(expected, abs=1e-5)
        error = (new - old).std(ddof=1) / np.sqrt(2) if prompt is None else np.nan
        assert float(row["change_sem"]) == pytest.approx(error, abs=1e-5, nan_ok=True)
        for column, metric in (("baseline", session.baseline), ("current", session.current)):
            whole = float(metric.mean() if prompt is None else metric[prompt])
            assert float(table[column].sum()) == pytest.approx(whole, abs=1e-4)
            assert table.attrs["total"][column] == pytest.approx(whole, abs=1e-4)
    (trace,) = view.figure().data
    shown = trace.z[1, 2] if by == "head" else trace.y[list(trace.x).index(name)]
    assert shown == float(view.data()["current"].sel(component=name))


@pytest.mark.parametrize("pos", [None, 2])
def test_sources_are_those_of_the_analysis(session: lw.Session, pos: int | None) -> None:
    session.interventions.toggle("L0H1")
    expected = lw.analysis.attribution_by_source(session, "L1H2", pos=pos).sel(prompt=1)
    place = {"prompt": 1, "layer": 1, "head": 2, "pos": pos}
    for table in (
        Page(session).dataset("attribution/sources", **place),
        lw.AttributionTable(session).ask("sources", **place),
    ):
        np.testing.assert_allclose(table["current"], expected.values[:5], atol=1e-6)
        whole = lw.analysis.attribution(session, per_prompt=True, pos=pos)
        total = float(whole.sel(prompt=1, layer=1, head=2))
        assert table.attrs["current_total"] == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize("prompt", [None, 1])
def test_neurons_complete_their_mlp(session: lw.Session, prompt: int | None) -> None:
    each = lw.analysis.attribution(session, "neuron", layer=1, per_prompt=True)
    values = each.mean("prompt") if prompt is None else each.sel(prompt=prompt)
    args = {"layer": 1, "prompt": prompt, "pos": None, "k": 7}
    for table in (
        Page(session).dataset("attribution/neurons", **args),
        lw.AttributionTable(session).ask("neurons", **args),
    ):
        top = table["neuron"].values.astype(int)
        assert list(top) == list(np.argsort(-np.abs(values.values))[:7])
        np.testing.assert_allclose(table["current"], values.values[top], atol=1e-6)
        rest = table.attrs["others"]["current"] + table.attrs["bias"]["current"]
        whole = float(table["current"].sum()) + rest
        assert whole == pytest.approx(table.attrs["total"]["current"], abs=1e-5)


def test_read_at_the_selected_position(session: lw.Session) -> None:
    session.selection.update(query_pos=None)
    view = lw.AttributionTable(session, read_at="selected")
    assert view.opening()["attribution/rows"][1]["pos"] is None
    session.selection.update(query_pos=2)
    assert view.opening()["attribution/rows"][1]["pos"] == 2
    there = float(lw.analysis.attribution(session, pos=2).sel(layer=1, head=2))
    shown = view.data()["current"].sel(component="L1H2")
    assert float(shown) == pytest.approx(there, abs=1e-6)
    assert "at position 2" in view.figure().layout.title.text


@pytest.mark.parametrize("by", ["layer", "component"])
def test_its_code_gives_the_rows(by: Any) -> None:
    session = edited("gpt2")
    view = lw.AttributionTable(session, by=by)
    left = execute(session, view.ask("code").attrs["code"])
    n = len(left["effects"])
    np.testing.assert_allclose(left["effects"], view.data()["current"][:n], atol=3e-5)
