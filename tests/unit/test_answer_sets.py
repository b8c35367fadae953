"""Answers in every form: pairs, several of a kind, one alone; each means what its words say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.attribution.attribution_script import attribution_script
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, rows
from tests.unit.page import Page
from tests.unit.scripts import execute

SETS = [(["w30", "w31", "w32"], ["w33"]), (["w34"], ["w35", "w36"])]
SET_IDS = [([30, 31, 32], [33]), ([34], [35, 36])]
ALONE = ["w30", ("w31", "w32")]


def last_logits(session: lw.Session) -> list[Tensor]:
    return [reference.logits(session.model, row)[-1] for row in rows(session)]


@pytest.mark.parametrize(
    ("answers", "correct", "wrong"),
    [
        ([tuple(r) for r in torch.tensor([[5, 6]])], [[5], [5]], [[6], [6]]),
        (np.array([[5, 6], [7, 8]]), [[5], [7]], [[6], [8]]),
        ([(np.int64(5), np.int32(6))], [[5], [5]], [[6], [6]]),
        ([[5, 6], [7, 8]], [[5], [7]], [[6], [8]]),
        (SETS, *zip(*SET_IDS, strict=True)),
        ([([5, 6], [7, 8])], [[5, 6], [5, 6]], [[7, 8], [7, 8]]),
        ([([5, 6], 7), (8, [9])], [[5, 6], [8]], [[7], [9]]),
        ((5, [6, 7]), [[5], [5]], [[6, 7], [6, 7]]),
        ([(torch.tensor([5, 6]), np.array([7]))], [[5, 6]] * 2, [[7]] * 2),
        ("w5", [[5], [5]], [[], []]),
        (torch.tensor(5), [[5], [5]], [[], []]),
        ([(5,), (6,)], [[5], [6]], [[], []]),
        ([([5, 6],), ([7],)], [[5, 6], [7]], [[], []]),
        (torch.tensor([[5], [6]]), [[5], [6]], [[], []]),
        ([([5], [])], [[5], [5]], [[], []]),
    ],
)
def test_answers_are_taken_in_every_form(answers: Any, correct: Any, wrong: Any) -> None:
    found = lw.Session(tiny("gpt2"), PROMPTS, answers=answers).prompt_set.answers
    assert found is not None
    assert [list(ids) for ids in found.correct] == list(map(list, correct))
    assert [list(ids) for ids in found.wrong] == list(map(list, wrong))


def test_three_prompts_take_three_single_answers() -> None:
    found = lw.Session(tiny("gpt2"), ["w5", "w6", "w7"], answers=["w8", 9, "w10"]).prompt_set
    assert found.answers is not None
    assert found.answers.correct == ((8,), (9,), (10,))


@pytest.mark.parametrize("answers", [["w5", "w6"], torch.tensor([5, 6]), ([5, 6], [7, 8])])
def test_what_may_be_one_pair_or_two_entries_is_asked_for(answers: Any) -> None:
    with pytest.raises(InputError, match=r"\(correct, wrong\) pair for both prompts, or one"):
        lw.Session(tiny("gpt2"), PROMPTS, answers=answers)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(5, 6), (7,)], r"answers\[1\] has no wrong answer, and others have"),
        ([([], [5])], r"\(correct, wrong\)"),
        ([(5, 6, 7)], r"\(correct, wrong\).*Several go in lists"),
        ([(["w5", "w6 w7"], ["w8"])], r"answers\[0\]\[0\]\[1\]='w6 w7' is 2 tokens"),
        ([(5, [6, 99])], r"answers\[0\]\[1\]\[1\] is token id 99"),
        ([(True, 5)], r"\(correct, wrong\)"),
        ([[[5]], [[[6]]]], r"\(correct, wrong\)"),
        ({"w5": "w6"}, r"\(correct, wrong\)"),
    ],
)
def test_what_is_no_answer_is_refused(answers: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lw.Session(tiny("gpt2"), PROMPTS, answers=answers)


def test_the_logit_difference_of_sets_is_that_of_their_means() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=SETS)
    expected = [
        float(logits[good].mean() - logits[bad].mean())
        for logits, (good, bad) in zip(last_logits(session), SET_IDS, strict=True)
    ]
    assert session.metric.name == "logit_diff"
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("answers", [[("w30",), ("w31",)], [(["w30", "w32"],), ("w31",)], SETS])
def test_log_prob_is_the_mean_over_the_correct_answers(answers: Any) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=answers, metric="log_prob")
    found = session.prompt_set.answers
    assert found is not None
    expected = [
        float(logits.log_softmax(-1)[list(good)].mean())
        for logits, good in zip(last_logits(session), found.correct, strict=True)
    ]
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-5)
    assert session.metric.units == "nats"


def test_a_correct_answer_alone_is_measured_in_log_probability() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers="w30")
    assert session.metric.name == "log_prob"
    with pytest.raises(InputError, match=r"'logit_diff' needs wrong answers too"):
        lw.Session(tiny("gpt2"), PROMPTS, answers="w30", metric="logit_diff")


def test_prob_of_several_answers_is_that_one_of_them_follows() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=SETS, metric="prob")
    expected = [
        float(logits.softmax(-1)[good].sum())
        for logits, (good, _) in zip(last_logits(session), SET_IDS, strict=True)
    ]
    assert session.baseline.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "granite", "native"])
@pytest.mark.parametrize("metric", ["logit_diff", "log_prob"])
def test_attribution_sums_to_the_means_of_the_logits(name: str, metric: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=SETS, metric=metric)
    parts = lw.analysis.attribution(session, by="component", per_prompt=True)
    found = parts.sum("component").values
    for got, logits, (good, bad) in zip(found, last_logits(session), SET_IDS, strict=True):
        against = logits[bad].mean() if metric == "logit_diff" else logits.mean()
        assert float(got) == pytest.approx(float(logits[good].mean() - against), abs=2e-4)
    words = lw.analysis.attribution(session).attrs["definition"]
    assert "mean logit of the correct answers minus" in words


@pytest.mark.parametrize("answers", [SETS, [("w30",), ("w31",)], [(["w30", "w32"],), ("w31",)]])
@pytest.mark.parametrize("metric", [None, "prob", "log_prob", "kl"])
def test_scripts_give_the_same_attribution(answers: Any, metric: str | None) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=answers, metric=metric)
    session.interventions.toggle("L0H1")
    script = attribution_script(session, "component")
    expected = lw.analysis.attribution(session, by="component").values
    got = execute(session, script)["effects"]
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("answers", [SETS, [("w30",), ("w31",)], [(["w30", "w32"],), ("w31",)]])
@pytest.mark.parametrize("metric", ["logit_diff", "prob", "log_prob"])
def test_self_contained_code_measures_the_same(answers: Any, metric: str) -> None:
    if metric == "logit_diff" and answers is not SETS:
        metric = "kl"
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=answers, metric=metric)
    session.interventions.toggle("L1H2")
    code = session.interventions.to_code(self_contained=True)
    model_line = next(line for line in code.splitlines() if line.startswith("model = "))
    scope: dict[str, Any] = {"model": session.model}
    exec(compile(code.replace(model_line, ""), "script", "exec"), scope)
    torch.testing.assert_close(scope["values"], session.current, atol=1e-5, rtol=0)


def test_sweeps_measure_sets_as_a_run_does() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=SETS)
    swept = lw.analysis.ablation_sweep(session)
    run = session.run([lw.Ablate("L1H2")]).metric - session.baseline
    assert float(swept.sel(layer=1, head=2)) == pytest.approx(float(run.mean()), abs=1e-5)


@pytest.mark.parametrize("answers", [SETS, [("w30",), ("w31",)]])
def test_a_file_keeps_answers_of_every_form(answers: Any, tmp_path: Path) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=answers)
    session.save(tmp_path / "s")
    opened = lw.Session.open(tmp_path / "s", session.model)
    before, after = session.prompt_set.answers, opened.prompt_set.answers
    assert before is not None
    assert after is not None
    assert (after.correct, after.wrong) == (before.correct, before.wrong)
    assert torch.equal(opened.baseline, session.baseline)


def test_the_page_tells_sets_and_leaves_them_when_the_text_is_edited() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=SETS)
    page = Page(session)
    told = page.dataset("session/tokens", prompt=0).attrs
    assert (told["correct"], told["wrong"]) == ("w30 or w31 or w32", "w33")
    edit = {"prompt": 0, "text": "w20 w21", "correct": told["correct"], "wrong": "w40"}
    page.change("edit_prompt", **edit)
    answers = session.prompt_set.answers
    assert answers is not None
    assert answers.correct == ((30, 31, 32), (34,))
    assert answers.wrong == ((40,), (35, 36))
    error = page.error("session/edit_prompt", **{**edit, "correct": "w30 or w31"})
    assert "Correct answer 'w30 or w31' is 3 tokens" in error["message"]


def test_the_page_edits_prompts_with_correct_answers_alone() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=[("w30",), ("w31",)])
    page = Page(session)
    page.change("edit_prompt", prompt=1, text="w20", correct="w32", wrong="")
    answers = session.prompt_set.answers
    assert answers is not None
    assert answers.correct == ((30,), (32,))
    error = page.error("session/edit_prompt", prompt=1, text="w20", correct="w32", wrong="w5")
    assert error["message"].startswith("The other prompts have no wrong answer")


def test_the_lens_follows_all_answers_and_ranks_the_first() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=SETS)
    lens = lw.analysis.logit_lens(session)
    assert lens.attrs["target"] == "the first correct answer"
    followed = lw.LogitLensView(session).ask("path", prompt=0)
    assert set(followed["token_id"].values.tolist()) == {30, 31, 32, 33}
