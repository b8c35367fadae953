"""What the lens's page is told: windows of the analysis, in messages that stay small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.models import ARCHITECTURES, D_MODEL, D_VOCAB, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS
from tests.unit.page import Page

GRID = {"prompt": 1, "which": "current", "lens_target": "auto", "incl_mid": True}


@pytest.mark.parametrize("which", ["baseline", "current", "difference"])
def test_the_grid_is_the_lens_of_the_analysis(session: lw.Session, which: Any) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    result = page.ask("lens", **{**GRID, "which": which})
    table = lw.analysis.logit_lens(session, 1, which=which, prompt=1).isel(prompt=0)
    table = table.isel(pos=slice(0, 5))
    assert result["stages"] == table["stage"].values.tolist()
    assert result["layers"] == [0, 0, 1, 1, 1]
    for field, name in (("rank", "rank"), ("target_prob", "target_prob"), ("kl", "kl")):
        np.testing.assert_allclose(page.array(result, field), table[name], atol=1e-6)
    np.testing.assert_allclose(page.array(result, "prob"), table["probs"].isel(k=0), atol=1e-6)
    np.testing.assert_array_equal(page.array(result, "token"), table["tokens"].isel(k=0))
    clean = lw.analysis.logit_lens(session, 1, which="baseline", prompt=1).isel(prompt=0, k=0)
    was = clean["tokens"].isel(pos=slice(0, 5)) if which == "difference" else None
    expected = table["tokens"].isel(k=0) if was is None else was
    np.testing.assert_array_equal(page.array(result, "was"), expected)
    texts = {info["id"]: info["text"] for info in result["texts"]}
    assert set(texts) == set(page.array(result, "token").ravel()) | set(
        page.array(result, "was").ravel()
    )
    assert all(text == f"w{i}" or text.startswith("<") for i, text in texts.items())
    assert (result["target"], result["d_vocab"]) == ("the correct answer", D_VOCAB)
    assert [t["text"] for t in result["targets"]] == ["w32"] * 5


def test_windows_of_positions_are_cut_from_the_whole(session: lw.Session) -> None:
    page = Page(session)
    whole = page.array(page.ask("lens", **{**GRID, "prompt": 0}), "kl")
    assert whole.shape == (5, 7)
    for start, count, first in ((0, 3, 0), (2, 2, 2), (6, 4, 3), (-5, 2, 0), (None, 3, 4)):
        asked = {} if start is None else {"start": start}
        result = page.ask("lens", **{**GRID, "prompt": 0, "count": count, **asked})
        assert result["start"] == first
        expected = whole[:, first : first + count]
        np.testing.assert_allclose(page.array(result, "kl"), expected, atol=1e-5)


def test_the_true_next_token_can_be_the_target(session: lw.Session) -> None:
    page = Page(session)
    result = page.ask("lens", **{**GRID, "lens_target": "next"})
    assert [t and t["text"] for t in result["targets"]] == ["w11", "w12", "w13", "w14", None]
    ranks = page.array(result, "rank")
    assert (ranks[:, -1] == -1).all()
    assert (ranks[:, :-1] >= 0).all()
    assert np.isnan(page.array(result, "target_prob")[:, -1]).all()


def test_a_long_prompt_of_many_layers_stays_small(long: lw.Session) -> None:
    page = Page(long)
    result = page.ask("lens", **{**GRID, "prompt": 0, "lens_target": "next", "count": 10_000})
    assert page.array(result, "kl").shape[1] == 64
    assert result["start"] + 64 == len(result["tokens"]["tokens"])
    assert page.size(result) < MAX_REPLY_BYTES / 4


@pytest.mark.parametrize("stage", ["0_pre", "1_mid", "final_post"])
def test_a_cell_lists_the_union_of_both_tops(session: lw.Session, stage: str) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    place = {"prompt": 0, "lens_target": "auto", "incl_mid": True, "stage": stage, "pos": 4}
    result = page.ask("lens_cell", k=6, **place)
    tables = {
        which: lw.analysis.logit_lens(session, D_VOCAB, which=which, prompt=0, positions=[4])
        .isel(prompt=0, pos=0)
        .sel(stage=stage)
        for which in ("baseline", "current")
    }
    tops = [set(table["tokens"].values[:6].tolist()) for table in tables.values()]
    told = {one["token"]["id"]: one for one in result["predictions"]}
    assert set(told) == tops[0] | tops[1]
    for which, table in tables.items():
        order = table["tokens"].values.tolist()
        for token, one in told.items():
            place_in = order.index(token)
            assert one[which] == pytest.approx(float(table["probs"][place_in]), abs=1e-6)
            assert abs(one[f"{which}_rank"] - place_in) <= 1
        assert result[f"{which}_kl"] == pytest.approx(float(table["kl"]), abs=1e-5)
    shown = [one["current"] for one in result["predictions"]]
    assert shown == sorted(shown, reverse=True)
    assert result["target"]["token"] == {"id": 30, "text": "w30"}
    target = float(tables["current"]["target_prob"])
    assert result["target"]["current"] == pytest.approx(target, abs=1e-6)


def test_pinned_tokens_are_followed_and_answers_without_pins(session: lw.Session) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    result = page.ask("lens_path", prompt=0, query_pos=3, pins=[7, 9], incl_mid=True)
    path = lw.analysis.lens_path(session, [7, 9], pos=3)
    assert [t["text"] for t in result["tokens"]] == ["w7", "w9"]
    np.testing.assert_allclose(page.array(result, "current_prob"), path["prob"].T, atol=1e-6)
    np.testing.assert_array_equal(page.array(result, "current_rank"), path["rank"].T)
    session.interventions.clear()
    clean = lw.analysis.lens_path(session, [7, 9], pos=3)
    np.testing.assert_allclose(page.array(result, "baseline_prob"), clean["prob"].T, atol=1e-6)
    free = page.ask("lens_path", prompt=1, query_pos=None, pins=[], incl_mid=False)
    assert [t["text"] for t in free["tokens"]] == ["w32", "w33"]
    assert free["pos"] == 4
    assert free["stages"] == ["0_pre", "1_pre", "final_post"]


def test_without_answers_the_likeliest_at_the_end_are_followed() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    result = Page(session).ask("lens_path", prompt=0, query_pos=2, pins=[], incl_mid=True)
    expected = session.run().logits[0, 2].topk(3).indices.tolist()
    assert [t["id"] for t in result["tokens"]] == expected


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_lines_are_the_accumulated_stream_and_the_parts(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    clean = lw.analysis.accumulated_attribution(session, per_prompt=True)
    parts_before = lw.analysis.attribution(session, "component", per_prompt=True)
    session.interventions.add(lw.Ablate("L0H1"))
    now = lw.analysis.accumulated_attribution(session, per_prompt=True)
    parts = lw.analysis.attribution(session, "component", per_prompt=True)
    page = Page(session)
    for scope, pick in (("mean", lambda a: a.mean("prompt")), ("selected", lambda a: a[1])):
        result = page.ask("lens_lines", scope=scope, prompt=1, incl_mid=True)
        for curve, before, after in (
            ("accumulated", clean, now),
            ("parts", parts_before, parts),
        ):
            told = result[curve]
            told["_id"] = result["_id"]
            dim = after.dims[1]
            assert told["names"] == after[dim].values.tolist()
            for field, values in (
                ("baseline", before),
                ("current", after),
                ("change", after - before),
            ):
                np.testing.assert_allclose(page.array(told, field), pick(values), atol=1e-5)
                errors = page.array(told, f"{field}_sem")
                if scope == "selected":
                    assert np.isnan(errors).all()
                else:
                    expected = values.std("prompt", ddof=1) / 2**0.5
                    np.testing.assert_allclose(errors, expected, atol=1e-5)
    assert result["units"] == "logits"
    assert result["definition"].startswith("Logit of the correct answer")


def test_edits_of_the_stream_have_their_own_part() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", torch.ones(D_MODEL)))
    result = Page(session).ask("lens_lines", scope="mean", prompt=0, incl_mid=True)
    assert result["parts"]["names"][-1] == "interventions"


def test_bad_questions_are_answered_with_what_to_do(session: lw.Session) -> None:
    page = Page(session)
    place = {"prompt": 0, "lens_target": "auto", "incl_mid": True, "pos": 2, "k": 5}
    error = page.error("lens_cell", stage="2_pre", **place)
    assert "stage='2_pre' is not a stage" in error["message"]
    assert "1_pre" in error["hint"] or "final_post" in error["hint"]
    assert "out of range" in page.error("lens", **{**GRID, "prompt": 2})["message"]
    path = {"prompt": 0, "query_pos": None, "incl_mid": True}
    assert "token id 999" in page.error("lens_path", pins=[999], **path)["message"]
    wrong = page.error("lens_token", text="w5 w6")
    assert "'w5 w6' is 2 tokens" in wrong["message"]
    assert page.ask("lens_token", text="w5") | {"_id": 0} == {"id": 5, "text": "w5", "_id": 0}
    unanswered = Page(lw.Session(tiny("gpt2"), PROMPTS))
    missing = unanswered.error("lens", **{**GRID, "lens_target": "answer"})
    assert "needs answers" in missing["message"]
    assert "answers=[" in missing["hint"]
