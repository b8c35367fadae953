"""The lens's questions, against the analysis, which has references of its own, and torch."""

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

GRID = {"prompt": 1, "show": "current", "lens_target": "auto", "incl_mid": True}
PLACE = {"prompt": 0, "lens_target": "auto", "incl_mid": True}


@pytest.mark.parametrize("show", ["baseline", "current", "difference"])
def test_reply_data_and_figure_hold_the_numbers_of_the_analysis(
    session: lw.Session, show: Any
) -> None:
    session.interventions.toggle("L0H1")
    session.selection.update(prompt=1)
    view = lw.LogitLensView(session, show=show, lens_color="kl")
    reply = Page(session).dataset("logit_lens/grid", **{**GRID, "show": show})
    data = view.data()
    table = lw.analysis.logit_lens(session, 1, which=show, prompt=1).isel(prompt=0, k=0)
    table = table.isel(pos=slice(0, 5))
    for found in (reply, data):
        assert found["stage"].values.tolist() == table["stage"].values.tolist()
        assert found["layer"].values.tolist() == [0, 0, 1, 1, 1]
        for ours, theirs in (("prob", "probs"), *((n, n) for n in ("rank", "target_prob", "kl"))):
            np.testing.assert_allclose(found[ours], table[theirs], atol=1e-6)
        np.testing.assert_array_equal(found["top_token_id"], table["tokens"])
        assert found["top_token"].values.tolist() == table["text"].values.tolist()
        clean = lw.analysis.logit_lens(session, 1, which="baseline", prompt=1)
        was = clean["tokens"].isel(prompt=0, k=0, pos=slice(0, 5))
        expected = was if show == "difference" else table["tokens"]
        np.testing.assert_array_equal(found["baseline_token_id"], expected)
        assert found["target_token"].values.tolist() == ["w32"] * 5
        assert (found.attrs["target"], found.attrs["d_vocab"]) == ("the correct answer", D_VOCAB)
        assert found.attrs["units"]["kl"] == table["kl"].attrs["units"] == "nats"
    assert data["token"].values.tolist() == ["<bos> 0", "w11 1", "w12 2", "w13 3", "w14 4"]
    assert "token" not in reply, "the page knows the tokens from the session"
    grid, accumulated, parts = view.figure().data
    np.testing.assert_array_equal(grid.z, data["kl"])
    assert list(grid.y) == data["stage"].values.tolist()
    assert list(grid.x[:2]) == ["<bos> 0", "w11 1"]
    np.testing.assert_array_equal(grid.text, data["top_token"])
    assert grid.colorbar.title.text == "nats"
    assert (grid.zmid == 0) is (show == "difference")
    lines = view.ask("lines").sel(show=show)
    np.testing.assert_array_equal(accumulated.y, lines["accumulated"])
    np.testing.assert_array_equal(accumulated.error_y.array, lines["accumulated_sem"])
    np.testing.assert_array_equal(parts.y, lines["contribution"])
    assert list(parts.x) == lines["component"].values.tolist()


def test_the_lens_can_stand_on_its_head_and_leave_out_middles(session: lw.Session) -> None:
    view = lw.LogitLensView(session, lens_order="first_on_top", incl_mid=False, lens_color="rank")
    assert view.data()["stage"].values.tolist() == ["0_pre", "1_pre", "final_post"]
    assert view.figure().layout.yaxis.autorange == "reversed"


def test_windows_of_positions_are_cut_from_the_whole(session: lw.Session) -> None:
    view = lw.LogitLensView(session)
    whole = view.data()["kl"].values
    assert whole.shape == (5, 7)
    for start, count, first in ((0, 3, 0), (2, 2, 2), (6, 4, 3), (-5, 2, 0), (None, 3, 4)):
        found = view.ask("grid", start=start, count=count)
        assert found["pos"].values.tolist() == list(range(first, first + count))
        np.testing.assert_allclose(found["kl"], whole[:, first : first + count], atol=1e-5)


def test_the_true_next_token_can_be_the_target(session: lw.Session) -> None:
    for show in ("current", "difference"):
        asked = {**GRID, "lens_target": "next", "show": show}
        found = Page(session).dataset("logit_lens/grid", **asked)
        assert found["target_token"].values.tolist() == ["w11", "w12", "w13", "w14", ""]
        for name in ("rank", "target_prob"):
            assert found[name][:, -1].isnull().all()
            assert found[name][:, :-1].notnull().all()


def test_a_long_prompt_stays_small(long: lw.Session) -> None:
    page = Page(long)
    asked = {**GRID, "prompt": 0, "lens_target": "next", "count": 10_000}
    message = page.answer(page.send("logit_lens/grid", **asked))
    assert message["result"]["dims"]["pos"] == 64
    assert sum(map(len, page.buffers[message["id"]])) < MAX_REPLY_BYTES / 4
    assert lw.LogitLensView(long).data()["pos"].values.tolist() == list(range(512))


@pytest.mark.parametrize("stage", ["0_pre", "1_mid", "final_post"])
def test_a_cell_lists_the_union_of_both_tops(session: lw.Session, stage: str) -> None:
    session.interventions.toggle("L0H1")
    asked = {**PLACE, "stage": stage, "query_pos": 4, "k": 6}
    found = Page(session).dataset("logit_lens/cell", **asked)
    same = lw.LogitLensView(session).ask("cell", stage=stage, query_pos=4, k=6)
    tables = {
        which: lw.analysis.logit_lens(session, D_VOCAB, which=which, prompt=0, positions=[4])
        .isel(prompt=0, pos=0)
        .sel(stage=stage)
        for which in ("baseline", "current")
    }
    ids = found["token_id"].values.astype(int).tolist()
    assert ids == same["token_id"].values.tolist()
    tops = set().union(*(table["tokens"].values[:6].tolist() for table in tables.values()))
    # The target, w30, is the last one where it is likely in neither run.
    assert set(ids) == tops | {30}
    assert found.attrs["target_id"] == 30
    assert found["token"].values.tolist()[ids.index(30)] == "w30"
    assert 30 in tops or ids[-1] == 30
    for which, table in tables.items():
        order = table["tokens"].values.tolist()
        for i, token in enumerate(ids):
            at = order.index(token)
            assert float(found[which][i]) == pytest.approx(float(table["probs"][at]), abs=1e-6)
            assert abs(int(found[f"{which}_rank"][i]) - at) <= 1
        assert found.attrs[f"{which}_kl"] == pytest.approx(float(table["kl"]), abs=1e-5)
        np.testing.assert_allclose(found[which], same[which], atol=1e-7)
    shown = found["current"].values[: len(tops)].tolist()
    assert shown == sorted(shown, reverse=True)


def test_pinned_tokens_are_followed_and_answers_without_pins(session: lw.Session) -> None:
    session.interventions.toggle("L0H1")
    page = Page(session)
    found = page.dataset("logit_lens/path", prompt=0, query_pos=3, pins=[7, 9], incl_mid=True)
    path = lw.analysis.lens_path(session, [7, 9], pos=3)
    same = lw.LogitLensView(session, pins=[7, 9]).ask("path", query_pos=3)
    assert found["token"].values.tolist() == ["w7", "w9"]
    np.testing.assert_allclose(found["current_prob"], path["prob"].T, atol=1e-6)
    np.testing.assert_array_equal(found["current_rank"], path["rank"].T)
    np.testing.assert_array_equal(found["current_prob"], same["current_prob"])
    session.interventions.clear()
    clean = lw.analysis.lens_path(session, [7, 9], pos=3)
    np.testing.assert_allclose(found["baseline_prob"], clean["prob"].T, atol=1e-6)
    np.testing.assert_array_equal(found["baseline_rank"], clean["rank"].T)
    free = page.dataset("logit_lens/path", prompt=1, query_pos=None, pins=[], incl_mid=False)
    assert free["token"].values.tolist() == ["w32", "w33"]
    assert free.attrs["pos"] == 4
    assert free["stage"].values.tolist() == ["0_pre", "1_pre", "final_post"]


def test_without_answers_the_likeliest_at_the_end_are_followed() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    found = lw.LogitLensView(session).ask("path", query_pos=2)
    expected = session.run().logits[0, 2].topk(3).indices.tolist()
    assert found["token_id"].values.tolist() == expected


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_lines_are_the_accumulated_stream_and_the_parts(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    clean = lw.analysis.accumulated_attribution(session, per_prompt=True)
    parts_before = lw.analysis.attribution(session, "component", per_prompt=True)
    session.interventions.add(lw.Ablate("L0H1"))
    now = lw.analysis.accumulated_attribution(session, per_prompt=True)
    parts = lw.analysis.attribution(session, "component", per_prompt=True)
    page = Page(session)
    for prompt in (None, 1):
        found = page.dataset("logit_lens/lines", prompt=prompt, incl_mid=True)
        for curve, dim, before, after in (
            ("accumulated", "stage", clean, now),
            ("contribution", "component", parts_before, parts),
        ):
            assert found[dim].values.tolist() == after[after.dims[1]].values.tolist()
            by = {"baseline": before, "current": after, "difference": after - before}
            for show, values in by.items():
                expected = values.mean("prompt") if prompt is None else values[prompt]
                one = found.sel(show=show)
                np.testing.assert_allclose(one[curve], expected, atol=1e-5)
                if prompt is None:
                    spread = values.std("prompt", ddof=1) / 2**0.5
                    np.testing.assert_allclose(one[f"{curve}_sem"], spread, atol=1e-5)
                else:
                    assert one[f"{curve}_sem"].isnull().all()
    assert found.attrs["units"] == "logits"
    assert found.attrs["definition"].startswith("Logit of the correct answer")


def test_edits_of_the_stream_have_their_own_part() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", torch.ones(D_MODEL)))
    found = lw.LogitLensView(session).ask("lines")
    assert found["component"].values[-1] == "interventions"


def test_bad_questions_are_answered_with_what_to_do(session: lw.Session) -> None:
    page = Page(session)
    error = page.error("logit_lens/cell", stage="2_pre", query_pos=2, **PLACE)
    assert "stage='2_pre' is not a stage" in error["message"]
    assert "1_pre" in error["hint"] or "final_post" in error["hint"]
    wrong = page.error("logit_lens/grid", **{**GRID, "prompt": 2})
    assert "out of range" in wrong["message"]
    path = {"prompt": 0, "query_pos": None, "incl_mid": True}
    assert "token id 999" in page.error("logit_lens/path", pins=[999], **path)["message"]
    two = page.error("logit_lens/token", text="w5 w6")
    assert "'w5 w6' is 2 tokens" in two["message"]
    attrs = page.dataset("logit_lens/token", text="w5").attrs
    assert (attrs["id"], attrs["text"]) == (5, "w5")
    unanswered = Page(lw.Session(tiny("gpt2"), PROMPTS))
    missing = unanswered.error("logit_lens/grid", **{**GRID, "lens_target": "answer"})
    assert "needs answers" in missing["message"]
    assert "answers=[" in missing["hint"]
