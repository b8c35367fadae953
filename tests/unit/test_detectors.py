"""Replies about detectors and losses, on a circuit known exactly and against plain torch."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.widgets.replies import METHODS
from lens_widgets.wire.arrays import Packed, pack
from lens_widgets.wire.protocol import METHODS as SCHEMAS
from lens_widgets.wire.schema import check
from tests.handmade import FOUND_LOSS, INDUCTION, PREVIOUS, UNIFORM_LOSS, handmade, repeated
from tests.models import tiny

KINDS = ["previous", "current", "first", "induction", "duplicate"]
MEAN = {"scope": "mean", "prompt": 0}


def ask(session: lw.Session, method: str, **args: Any) -> dict[str, Any]:
    """A reply, checked against its schema; arrays as numbers."""
    check(SCHEMAS[method][0], args, "args")
    found = METHODS[method].handler(session, args)
    while isinstance(found, Generator):
        try:
            next(found)
        except StopIteration as stop:
            found = stop.value
    packed, _ = pack(found)
    check(SCHEMAS[method][1], packed, "result")
    return {k: v.raw if isinstance(v, Packed) else v for k, v in found.items()}


@pytest.fixture
def exact() -> lw.Session:
    return lw.Session(handmade(), torch.cat([repeated(8, seed) for seed in range(3)]))


def test_the_handmade_circuit_is_named_with_score_one(exact: lw.Session) -> None:
    told = ask(exact, "head_scores", **MEAN)
    assert told["kinds"] == KINDS
    scores = dict(zip(KINDS, told["current"], strict=True))
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
    told = ask(exact, "head_scores", **MEAN)
    at = (KINDS.index("induction"), *INDUCTION)
    assert told["baseline"][at] == pytest.approx(9 / 10)
    assert told["current"][at] == pytest.approx(1 / 10)


def test_the_losses_of_the_handmade_circuit_are_the_computed_ones(exact: lw.Session) -> None:
    told = ask(exact, "losses", **MEAN)
    assert told["half"] == 8
    first, second = told["current_halves"]
    assert first == pytest.approx(UNIFORM_LOSS, abs=1e-4)
    # The first word of the repeat cannot be foreseen.
    assert second == pytest.approx((UNIFORM_LOSS + 7 * FOUND_LOSS) / 8, abs=1e-4)
    exact.interventions.toggle("L1H2")
    off = ask(exact, "losses", **MEAN)
    assert off["current_halves"][1] == pytest.approx(UNIFORM_LOSS, abs=1e-4)
    np.testing.assert_array_equal(off["baseline_halves"], told["current_halves"])


def test_ablating_either_head_of_the_circuit_costs_all_that_it_gains(exact: lw.Session) -> None:
    told = ask(exact, "loss_effects", kind="zero")
    gain = 7 * (UNIFORM_LOSS - FOUND_LOSS) / 16
    expected = np.zeros((2, 3))
    expected[PREVIOUS] = expected[INDUCTION] = gain
    np.testing.assert_allclose(told["heads"], expected, atol=1e-4)


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
    told = ask(session, "losses", **MEAN)
    np.testing.assert_allclose(told["current"][:-1], nats.mean(0), atol=1e-5)
    np.testing.assert_allclose(told["current_sem"][:-1], nats.std(0) / math.sqrt(3), atol=1e-5)
    assert np.isnan(told["current"][-1])
    assert told["half"] is None
    one = ask(session, "losses", scope="selected", prompt=1)
    np.testing.assert_allclose(one["current"][:-1], nats[1], atol=1e-5)
    effects = ask(session, "loss_effects", kind="zero")["heads"]
    swept = lw.analysis.ablation_sweep(session)
    np.testing.assert_allclose(effects, swept.values, atol=1e-5)


def test_views_give_their_numbers_as_arrays_and_figures(exact: lw.Session) -> None:
    scores, loss = lw.HeadScoresView(exact), lw.LossView(exact)
    table = scores.data()
    assert table.dims == ("kind", "layer", "head")
    np.testing.assert_allclose(
        table.sel(kind="previous"), lw.analysis.head_scores(exact, "previous"), atol=1e-6
    )
    assert len(scores.figure().data) == len(KINDS)
    assert float(loss.data()["current_halves"][0]) == pytest.approx(UNIFORM_LOSS, abs=1e-4)
    assert len(loss.figure().data) == 2
