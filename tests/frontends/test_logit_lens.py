"""The logit lens on screen is what hooked forwards say, before and after clicks elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontends.conftest import SESSION, Dashboard, Show

LINES = "logits read from the accumulated residual stream, by stage"


def _cells(lens: Dashboard) -> dict[tuple[str, int], dict[str, float]]:
    """Every cell of the grid as its attributes say."""
    found: list[dict[str, str]] = (
        lens.view("logit_lens")
        .locator('.lw-map [role="gridcell"]')
        .evaluate_all("cells => cells.map(cell => ({ ...cell.dataset }))")
    )
    return {
        (cell["stage"], int(cell["pos"])): {
            "token": int(cell["tokenId"]),
            "prob": float(cell["prob"]),
            "rank": int(cell["rank"]),
            "kl": float(cell["kl"]),
        }
        for cell in found
    }


def _line(lens: Dashboard, series: str) -> list[tuple[float, float]]:
    points: list[dict[str, str]] = (
        lens.view("logit_lens")
        .locator(f'[data-lw-chart="{LINES}"] td[data-series="{series}"]')
        .evaluate_all("points => points.map(point => ({ ...point.dataset }))")
    )
    return [(float(point["value"]), float(point["error"])) for point in points]


def _check(lens: Dashboard, prompt: int, ablations: list[str]) -> None:
    """All stages at a few positions against one hooked forward each."""
    truth = f"Truth(model, prompts, answers, {ablations!r})"
    shown = _cells(lens)
    last = max(pos for _, pos in shown)
    stages = lens.kernel.value(f"{truth}.stages()")
    assert {stage for stage, _ in shown} == set(stages)
    expected: list[dict[str, Any]] = lens.kernel.value(
        f"[{truth}.lens_cell({prompt}, stage, pos) for stage in {stages!r}"
        f" for pos in (2, 8, {last})]"
    )
    places = [(stage, pos) for stage in stages for pos in (2, 8, last)]
    for place, cell in zip(places, expected, strict=True):
        got = shown[place]
        assert got["prob"] == pytest.approx(cell["prob"], abs=1e-4), place
        assert got["kl"] == pytest.approx(cell["kl"], abs=1e-3), place
        assert got["token"] == cell["token"], place
        assert abs(got["rank"] - cell["rank"]) <= 1, place


def test_a_toggle_elsewhere_changes_the_lens_to_what_hooked_forwards_say(show: Show) -> None:
    lens = show(SESSION, "lw.LogitLensView(session)", "lw.AblationPanel(session)")
    _check(lens, 0, [])
    before = _line(lens, "current")
    truth = "Truth(model, prompts, answers{})"
    expected = lens.kernel.value(f"{truth.format('')}.accumulated()")
    assert [value for value, _ in before] == pytest.approx([v for v, _ in expected], abs=1e-4)
    assert [error for _, error in before] == pytest.approx([e for _, e in expected], abs=1e-4)
    assert before[-1][0] == pytest.approx(lens.metric()["baseline"], abs=1e-4)

    lens.toggle("L1H4")
    _check(lens, 0, ["L1H4"])
    after = lens.kernel.value(f"{truth.format(', [' + repr('L1H4') + ']')}.accumulated()")
    assert [value for value, _ in _line(lens, "current")] == pytest.approx(
        [value for value, _ in after], abs=1e-4
    )
    assert _line(lens, "baseline") == before
    assert _line(lens, "current")[-1][0] == pytest.approx(lens.metric()["current"], abs=1e-4)

    # A difference is of the token that is likeliest now.
    lens.choose("logit_lens", "run", "difference")
    last = max(pos for _, pos in _cells(lens))
    now, then = (
        f"Truth(model, prompts, answers, {off}).lens(0, '3_mid')[{last}].softmax(-1)"
        for off in (["L1H4"], [])
    )
    moved = lens.kernel.value(f"(lambda a, b: float((a - b)[a.argmax()]))({now}, {then})")
    assert _cells(lens)["3_mid", last]["prob"] == pytest.approx(moved, abs=1e-4)


def test_a_cell_lists_and_follows_tokens_as_torch_ranks_them(show: Show) -> None:
    lens = show(SESSION, "lens = lw.LogitLensView(session)\nlens", "lw.TokenView(session)")
    view = lens.view("logit_lens")
    place = '[role="gridcell"][data-stage="2_mid"][data-pos="14"]'
    view.locator(place).click()
    lens.kernel.wait_until("session.selection.query_pos == 14 and session.selection.layer == 2")
    view.locator(".lw-lens-cell", has_text="2_mid").wait_for()
    lens.wait_idle()
    rows = view.locator(".lw-lens-top tbody tr")
    ids = [int(i) for i in rows.evaluate_all("rows => rows.map(row => row.dataset.tokenId)")]
    logits = "Truth(model, prompts, answers).lens(0, '2_mid')[14]"
    assert ids[:8] == lens.kernel.value(f"{logits}.topk(8).indices.tolist()")
    shown = rows.locator("[data-column=current]").evaluate_all(
        "cells => cells.map(cell => Number(cell.dataset.value))"
    )
    probs = lens.kernel.value(f"{logits}.softmax(-1).topk(8).values.tolist()")
    assert shown[:8] == pytest.approx(probs, abs=1e-4)

    view.locator('input[aria-label="token to follow"]').fill(" Kate")
    view.locator('input[aria-label="token to follow"]').press("Enter")
    points = view.locator('td[data-series="·Kate"]')
    points.first.wait_for(state="attached")
    lens.wait_idle()
    path = [float(v) for v in points.evaluate_all("p => p.map(c => c.dataset.value)")]
    expected = lens.kernel.value(
        "(lambda t, kate: [float(t.lens(0, s)[14].softmax(-1)[kate]) for s in t.stages()])"
        "(Truth(model, prompts, answers), model.to_single_token(' Kate'))"
    )
    assert path == pytest.approx(expected, abs=1e-4)
    lens.kernel.wait_until("lens.pins == [model.to_single_token(' Kate')]")

    # Another view's prompt and position are followed.
    lens.kernel.run("session.selection.prompt = 1\nsession.selection.query_pos = 3")
    view.locator('[role="gridcell"][data-pos="3"][aria-selected="true"]').wait_for()
    lens.wait_idle()
    _check(lens, 1, [])


def test_answers_that_are_missing_are_asked_for(show: Show) -> None:
    lens = show(
        'plain = lw.Session(model, "When John and Mary went home")\nlw.LogitLensView(plain)'
    )
    view = lens.view("logit_lens")
    view.locator('[aria-label="target"] [data-option="answer"]').click()
    alert = view.get_by_role("alert")
    alert.first.wait_for()
    assert "needs answers" in (alert.first.text_content() or "")
    view.locator('[aria-label="target"] [data-option="next"]').click()
    lens.wait_idle()
    assert alert.count() == 0
