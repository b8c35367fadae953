"""A function as a metric on prompts of different lengths: its -1 is each prompt's last position."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, rows

GOOD, BAD = torch.tensor([30, 32]), torch.tensor([31, 33])
ROW = torch.arange(2)


def _difference(logits: Tensor) -> Tensor:
    return logits[ROW, -1, GOOD] - logits[ROW, -1, BAD]


def _third_last(logits: Tensor) -> Tensor:
    return logits[:, -3, 7]


def _last_three(logits: Tensor) -> Tensor:
    return logits[:, -3:].float().log_softmax(dim=-1)[..., 7].mean(dim=-1)


def _third(logits: Tensor) -> Tensor:
    return logits[:, 2, 7]


def _all(logits: Tensor) -> Tensor:
    return logits.mean(dim=(1, 2))


def _sixth(logits: Tensor) -> Tensor:
    return logits[:, 5, 7]


def _plain(session: lw.Session, function: Callable[[Tensor], Tensor]) -> list[float]:
    """The function of each prompt's own logits, two rows of the same for those that index rows."""
    found = [reference.logits(session.model, row) for row in rows(session)]
    return [float(function(torch.stack([x, x]))[i]) for i, x in enumerate(found)]


@pytest.mark.parametrize("function", [_difference, _third_last, _last_three, _third])
def test_positions_are_those_of_each_prompt(function: Callable[[Tensor], Tensor]) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, metric=function)
    assert session.baseline.tolist() == pytest.approx(_plain(session, function), abs=1e-5)


def test_it_agrees_with_the_sessions_own_logit_difference() -> None:
    own = lw.Session(tiny("gpt2"), PROMPTS, metric=_difference)
    named = lw.Session(tiny("gpt2"), PROMPTS, answers=[("w30", "w31"), ("w32", "w33")])
    torch.testing.assert_close(own.baseline, named.baseline)
    got, expected = lw.analysis.ablation_sweep(own), lw.analysis.ablation_sweep(named)
    assert abs(got - expected).max() < 1e-5
    own.interventions.toggle("L1H2")
    named.interventions.toggle("L1H2")
    torch.testing.assert_close(own.current, named.current)


def test_a_function_that_knows_the_lengths_is_given_the_logits_as_they_are() -> None:
    last = torch.tensor([6, 4])
    session = lw.Session(tiny("gpt2"), PROMPTS, metric=lambda x: x[ROW, last, GOOD])
    expected = _plain(session, lambda x: x[ROW, -1, GOOD])
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-5)


def test_a_mask_of_the_batch_in_the_function_is_taken_at_its_word() -> None:
    mask = torch.tensor([[1.0] * 7, [1.0] * 5 + [0.0] * 2])
    session = lw.Session(tiny("gpt2"), PROMPTS, metric=lambda x: (x[..., 7] * mask).sum(dim=1))
    expected = _plain(session, lambda x: x[..., 7].sum(dim=1))
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("function", [_all, _sixth])
def test_reading_behind_a_prompts_end_is_refused(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(InputError) as caught:
        lw.Session(tiny("gpt2"), PROMPTS, metric=function)
    for part in (function.__name__, "behind the end of a prompt", "5 to 7 tokens", "logits[:, -1]"):
        assert part in str(caught.value)
    assert lw.Session(tiny("gpt2"), PROMPTS[:1], metric=function).baseline.isfinite().all()


def test_an_error_of_the_function_is_told_as_ever() -> None:
    def broken(logits: Tensor) -> Tensor:
        raise RuntimeError("no such thing")

    with pytest.raises(InputError, match="'broken' raised RuntimeError: no such thing"):
        lw.Session(tiny("gpt2"), PROMPTS, metric=broken)


def test_new_prompts_are_tried_anew() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, metric=_third_last)
    session.set_prompts(["w5 w6 w7 w8", "w9 w10 w11"])
    assert session.baseline.tolist() == pytest.approx(_plain(session, _third_last), abs=1e-5)


def test_a_script_hands_the_function_the_same_logits() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, metric=_difference)
    session.interventions.toggle("L1H2")
    code = session.interventions.to_code(self_contained=True)
    waits = [line for line in code.splitlines() if line.startswith(("model = ", "metric = ..."))]
    assert len(waits) == 2
    for line in waits:
        code = code.replace(line, "")
    scope = {"model": session.model, "metric": _difference}
    exec(compile(code, "script", "exec"), scope)
    torch.testing.assert_close(scope["values"], session.current)
