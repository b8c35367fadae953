"""What a page is told of attribution's parts, of attention's modes, and of both tokenizations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.page import Page


@pytest.fixture
def changed(session: lw.Session) -> lw.Session:
    session.interventions.toggle("L0H1")
    return session


def _close(value: float | None) -> Any:
    return pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("by", ["head", "layer", "component"])
def test_means_come_with_their_standard_errors(changed: lw.Session, by: Any) -> None:
    page = Page(changed)
    plain = changed.with_interventions([])
    before = lw.analysis.attribution(plain, by, per_prompt=True).values
    after = lw.analysis.attribution(changed, by, per_prompt=True).values
    result = page.ask("attribution", by=by, scope="mean", prompt=0)
    name = {"head": "L1H2", "layer": "L1", "component": "L1.attn"}[by]
    index: Any = {"head": (1, 2), "layer": (1,), "component": (4,)}[by]
    row = next(r for r in result["rows"] if r["component"] == name)

    def sem(values: Any) -> float:
        return float(values.std(ddof=1) / np.sqrt(len(values)))

    old, new = (values[(slice(None), *index)] for values in (before, after))
    assert row["current"] == _close(float(new.mean()))
    assert row["baseline_sem"] == _close(sem(old))
    assert row["current_sem"] == _close(sem(new))
    assert row["change_sem"] == _close(sem(new - old))
    totals = changed.current.numpy()
    assert result["total"]["current_sem"] == _close(sem(totals))
    assert result["n_read"] == 2
    one = page.ask("attribution", by=by, scope="selected", prompt=1)
    assert {r["current_sem"] for r in one["rows"]} == {None}


def test_rows_read_at_a_position_sum_to_the_logits_there(changed: lw.Session) -> None:
    page = Page(changed)
    logits = changed.run().logits
    expected = [float(logits[row, 2, a] - logits[row, 2, b]) for row, (a, b) in
                enumerate([(30, 31), (32, 33)])]  # fmt: skip
    for scope, total in (("mean", np.mean(expected)), ("selected", expected[1])):
        result = page.ask("attribution", by="head", scope=scope, prompt=1, pos=2)
        assert sum(r["current"] for r in result["rows"]) == pytest.approx(total, abs=1e-4)
        assert result["total"]["current"] == pytest.approx(total, abs=1e-4)
        assert result["definition"].endswith("at position 2.")
    far = page.ask("attribution", by="head", scope="mean", prompt=0, pos=6)
    assert (far["n_read"], far["total"]["current_sem"]) == (1, None)
    error = page.error("attribution", by="head", scope="selected", prompt=1, pos=6)
    assert "pos=6" in error["message"]
    assert "prompt 1" in error["message"]


@pytest.mark.parametrize("pos", [None, 3])
def test_head_sources_are_those_of_the_analysis(changed: lw.Session, pos: int | None) -> None:
    page = Page(changed)
    result = page.ask("head_sources", prompt=1, layer=1, head=2, pos=pos)
    plain = changed.with_interventions([])
    for field, session in (("baseline", plain), ("current", changed)):
        sources = lw.analysis.attribution_by_source(session, "L1H2", pos=pos).values[1, :5]
        np.testing.assert_allclose(page.array(result, field), sources, atol=1e-6)
        heads = lw.analysis.attribution(session, pos=pos, per_prompt=True)
        assert result[f"{field}_total"] == _close(float(heads.sel(prompt=1, layer=1, head=2)))
    assert result["rest"] == pytest.approx(0.0, abs=1e-5)
    assert [t["text"] for t in result["tokens"]] == ["<bos>", "w11", "w12", "w13", "w14"]
    assert "L1H2" in result["definition"]
    assert "no head L1H9" in page.error("head_sources", prompt=1, layer=1, head=9)["message"]


@pytest.mark.parametrize("scope", ["mean", "selected"])
def test_neurons_are_the_largest_and_complete_the_mlp(changed: lw.Session, scope: str) -> None:
    page = Page(changed)
    result = page.ask("mlp_neurons", layer=1, scope=scope, prompt=1, k=7)
    values = {}
    for field, session in (("baseline", changed.with_interventions([])), ("current", changed)):
        each = lw.analysis.attribution(session, "neuron", layer=1, per_prompt=True).values
        values[field] = each.mean(axis=0) if scope == "mean" else each[1]
        mlp = lw.analysis.attribution(session, "component", per_prompt=True).sel(component="L1.mlp")
        whole = float(mlp.mean() if scope == "mean" else mlp[1])
        parts = [*result["rows"], result["others"], result["bias"]]
        assert sum(p[field] for p in parts) == pytest.approx(whole, abs=1e-4)
        assert result["total"][field] == _close(whole)
        for row in result["rows"]:
            assert row[field] == _close(float(values[field][row["neuron"]]))
    size = np.maximum(abs(values["baseline"]), abs(values["current"]))
    assert [r["neuron"] for r in result["rows"]] == np.argsort(-size)[:7].tolist()
    assert result["n_neurons"] == 128
    post = changed.run().activation("blocks.1.mlp.hook_post")
    ends = post[[0, 1], changed.positions]
    expected = ends.mean(dim=0) if scope == "mean" else ends[1]
    first = result["rows"][0]
    assert first["activation"] == _close(float(expected[first["neuron"]]))
    assert (first["current_sem"] is None) is (scope == "selected")


def test_questions_about_neurons_that_cannot_be_answered_are_errors() -> None:
    args = {"scope": "mean", "prompt": 0, "k": 5}
    for name, says in (("mixtral", "mixture of experts"), ("attn_only", "has no MLP")):
        page = Page(lw.Session(tiny(name), PROMPTS, answers=ANSWERS))
        assert says in page.error("mlp_neurons", layer=0, **args)["message"]
    page = Page(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS))
    assert "k=0" in page.error("mlp_neurons", layer=0, **{**args, "k": 0})["message"]
    assert "layer=5" in page.error("mlp_neurons", layer=5, **args)["message"]
