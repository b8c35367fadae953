"""Head scores and losses, on a circuit known exactly and against plain torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import xarray as xr

import lens_widgets as lw
from tests.handmade import FOUND_LOSS, INDUCTION, PREVIOUS, UNIFORM_LOSS, handmade, repeated
from tests.models import tiny
from tests.unit.page import Page

KINDS = ["previous", "current", "first", "induction", "duplicate"]


@pytest.fixture
def exact() -> lw.Session:
    return lw.Session(handmade(), torch.cat([repeated(8, seed) for seed in range(3)]))


def test_the_handmade_circuit_is_named_with_score_one(exact: lw.Session) -> None:
    told = lw.HeadScoresView(exact).scores()
    assert told["kind"].values.tolist() == KINDS
    scores = dict(zip(KINDS, told["current"].values, strict=True))
    assert scores["previous"][PREVIOUS] == 1
    # Of the two queries before the second half the first rests on <bos>, where the diagonal begins.
    assert scores["induction"][INDUCTION] == pytest.approx(9 / 10)
    others = np.ones((2, 3), dtype=bool)
    others[PREVIOUS] = others[INDUCTION] = False
    assert max(scores[kind][others].max() for kind in ("previous", "induction")) < 0.4
    np.testing.assert_array_equal(told["baseline"], told["current"])
    np.testing.assert_allclose(told["sem"][0][PREVIOUS], 0, atol=1e-6)


def test_scores_follow_interventions(exact: lw.Session) -> None:
    exact.interventions.toggle("L0H1")
    told = lw.HeadScoresView(exact).scores().sel(kind="induction")
    assert float(told["baseline"][INDUCTION]) == pytest.approx(9 / 10)
    assert float(told["current"][INDUCTION]) == pytest.approx(1 / 10)


def test_the_losses_of_the_handmade_circuit_are_the_computed_ones(exact: lw.Session) -> None:
    view = lw.LossView(exact)
    told = view.losses()
    assert told.attrs["half_length"] == 8
    first, second = told["current_halves"].values
    assert first == pytest.approx(UNIFORM_LOSS, abs=1e-4)
    # The first word of the repeat cannot be foreseen.
    assert second == pytest.approx((UNIFORM_LOSS + 7 * FOUND_LOSS) / 8, abs=1e-4)
    exact.interventions.toggle("L1H2")
    off = view.losses()
    assert float(off["current_halves"][1]) == pytest.approx(UNIFORM_LOSS, abs=1e-4)
    np.testing.assert_array_equal(off["baseline_halves"], told["current_halves"])


def test_ablating_either_head_of_the_circuit_costs_all_that_it_gains(exact: lw.Session) -> None:
    told = lw.HeadScoresView(exact).loss_effects(ablation_kind="zero")
    gain = 7 * (UNIFORM_LOSS - FOUND_LOSS) / 16
    expected = np.zeros((2, 3))
    expected[PREVIOUS] = expected[INDUCTION] = gain
    np.testing.assert_allclose(told["loss_change"], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama", "attn_only"])
def test_losses_and_their_errors_are_those_of_torch(name: str) -> None:
    model = tiny(name)
    tokens = torch.tensor([[0, 5, 9, 7, 5, 9], [0, 8, 8, 6, 11, 4], [0, 21, 5, 5, 7, 30]])
    session = lw.Session(model, tokens)
    with torch.no_grad():
        logits = model(tokens)
    nats = torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none"
    )
    view = lw.LossView(session)
    told = view.losses()
    np.testing.assert_allclose(told["current"][:-1], nats.mean(0), atol=1e-5)
    np.testing.assert_allclose(told["current_sem"][:-1], nats.std(0) / math.sqrt(3), atol=1e-5)
    assert np.isnan(told["current"][-1])
    assert told.attrs["half_length"] is None
    assert np.isnan(told["current_halves"]).all()
    session.settings.update(prompt_scope="selected")
    session.selection.update(prompt=1)
    one = view.losses()
    np.testing.assert_allclose(one["current"][:-1], nats[1], atol=1e-5)
    assert np.isnan(one["current_sem"]).all()
    effects = lw.HeadScoresView(session).loss_effects()["loss_change"]
    swept = lw.analysis.ablation_sweep(session)
    np.testing.assert_allclose(effects, swept.values, atol=1e-5)


@pytest.mark.parametrize("prompt", [None, 1])
def test_the_losses_on_the_page_in_the_data_and_in_the_figure_are_the_same(
    exact: lw.Session, prompt: int | None
) -> None:
    exact.interventions.toggle("L0H1")
    view = lw.LossView(exact)
    if prompt is not None:
        exact.settings.update(prompt_scope="selected")
        exact.selection.update(prompt=prompt)
    page = Page(exact).dataset("loss/losses", prompt=prompt).drop_attrs()
    xr.testing.assert_allclose(page, view.data().drop_attrs(), atol=1e-6)
    lines = {line.name: line for line in view.figure().data}
    for which in ("baseline", "current"):
        np.testing.assert_allclose(lines[which].y, page[which], atol=1e-6)
        np.testing.assert_allclose(lines[which].error_y.array, page[f"{which}_sem"], atol=1e-6)


def test_the_scores_on_the_page_in_the_data_and_in_the_figure_are_the_same(
    exact: lw.Session,
) -> None:
    view = lw.HeadScoresView(exact)
    page = Page(exact).dataset("head_scores/scores", prompt=None).drop_attrs()
    page = page.set_coords(["definition", "missing"])
    xr.testing.assert_allclose(page, view.data().drop_attrs(), atol=1e-6)
    for kind, drawn in zip(KINDS, view.figure().data, strict=True):
        np.testing.assert_allclose(drawn.z, page["current"].sel(kind=kind), atol=1e-6)
        expected = lw.analysis.head_scores(exact, kind)  # type: ignore[arg-type]
        np.testing.assert_allclose(drawn.z, expected, atol=1e-6)


def test_a_prompt_that_is_not_there_is_an_error(exact: lw.Session) -> None:
    for method in ("loss/losses", "loss/code", "head_scores/scores"):
        assert "prompt=7 is out of range" in Page(exact).error(method, prompt=7)["message"]
