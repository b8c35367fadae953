"""Each metric equals the same quantity computed from plain forwards of the unpadded prompts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from tests.models import ARCHITECTURES, tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, PROMPTS, rows

EDIT = reference.write("blocks.1.hook_attn_out", 0.0)


def _plain(session: lw.Session, hooks: tuple[reference.Hook, ...] = ()) -> list[Tensor]:
    return [reference.logits(session.model, row, hooks) for row in rows(session)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_padding_changes_no_logit(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    for got, expected in zip(session.run().logits, _plain(session), strict=True):
        torch.testing.assert_close(got[: len(expected)], expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logit_difference_is_read_at_each_prompts_last_position(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    values = zip(_plain(session), ANSWER_IDS, strict=True)
    expected = [reference.logit_diff(logits, answer) for logits, answer in values]
    assert session.metric.name == "logit_diff"
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_loss_is_the_mean_over_each_prompts_own_tokens(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    pairs = zip(_plain(session), rows(session), strict=True)
    expected = [float(reference.losses(logits, row).mean()) for logits, row in pairs]
    assert session.metric.name == "loss"
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-5)


def test_loss_agrees_with_the_models_own() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS[:1])
    own = session.model(rows(session)[0], return_type="loss")
    assert session.baseline.item() == pytest.approx(own.item(), abs=1e-6)


def test_prob_is_the_softmax_of_the_correct_answer() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, metric="prob")
    values = zip(_plain(session), ANSWER_IDS, strict=True)
    expected = [logits[-1].softmax(dim=-1)[answer[0]].item() for logits, answer in values]
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-6)


def test_kl_is_from_the_clean_run_to_the_changed_one() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, metric="kl")
    session.interventions.add(lw.Ablate("L1.attn"))
    pairs = zip(_plain(session), _plain(session, (EDIT,)), strict=True)
    expected = [
        torch.nn.functional.kl_div(
            changed[-1].log_softmax(-1), clean[-1].log_softmax(-1), reduction="sum", log_target=True
        ).item()
        for clean, changed in pairs
    ]
    assert session.baseline.tolist() == [0.0, 0.0]
    assert session.current.tolist() == pytest.approx(expected, abs=1e-5)
    assert min(expected) > 0.01


def test_a_function_of_the_logits_is_a_metric() -> None:
    def first_logit(logits: Tensor) -> Tensor:
        return logits[:, 0, 7]

    session = lw.Session(tiny("gpt2"), PROMPTS, metric=first_logit)
    assert session.metric.name == "first_logit"
    assert session.metric.label == "first logit"
    expected = [logits[0, 7].item() for logits in _plain(session)]
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-5)


def test_a_function_sees_the_logits_of_the_changed_run() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS[:1], metric=lambda logits: logits[:, -1, 7])
    session.interventions.add(lw.Ablate("L1.attn"))
    (expected,) = _plain(session, (EDIT,))
    assert session.current.item() == pytest.approx(expected[-1, 7].item(), abs=1e-5)


@pytest.mark.parametrize(
    ("metric", "of"),
    [
        ("logit_diff", lambda logits, row: reference.logit_diff(logits, (30, 31))),
        ("loss", lambda logits, row: reference.losses(logits, row).mean().item()),
        ("prob", lambda logits, row: logits[-1].softmax(-1)[30].item()),
    ],
)
def test_every_metric_follows_interventions(
    metric: str, of: Callable[[Tensor, Tensor], float]
) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=("w30", "w31"), metric=metric)
    before = session.baseline
    session.interventions.add(lw.Ablate("L1.attn"))
    pairs = zip(_plain(session, (EDIT,)), rows(session), strict=True)
    expected = [of(logits, row) for logits, row in pairs]
    assert session.current.tolist() == pytest.approx(expected, abs=1e-5)
    assert torch.equal(session.baseline, before)
    assert not torch.allclose(session.current, before)


def test_metrics_say_their_units() -> None:
    units = {
        metric: lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, metric=metric).metric.units
        for metric in ("logit_diff", "loss", "prob", "kl")
    }
    assert units == {
        "logit_diff": "logits", "loss": "nats", "prob": "probability", "kl": "nats"
    }  # fmt: skip
