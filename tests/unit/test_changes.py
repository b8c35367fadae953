"""Requests that change the session: what they lead to, and that they can be undone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import lens_widgets as lw
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS
from tests.unit.page import Page


def test_toggles_undo_redo_and_clear_do_what_they_say(session: lw.Session) -> None:
    page = Page(session)
    steps: list[tuple[str, dict[str, Any], list[lw.Ablate]]] = [
        ("set_ablated", {"component": "L0H1", "kind": "zero", "on": True}, [lw.Ablate("L0H1")]),
        (
            *("set_ablated", {"component": "L1.mlp", "kind": "mean", "on": True}),
            [lw.Ablate("L0H1"), lw.Ablate("L1.mlp", "mean")],
        ),
        ("set_enabled", {"key": "i1", "enabled": False}, [lw.Ablate("L1.mlp", "mean")]),
        ("undo", {}, [lw.Ablate("L0H1"), lw.Ablate("L1.mlp", "mean")]),
        ("redo", {}, [lw.Ablate("L1.mlp", "mean")]),
        ("remove", {"key": "i2"}, []),
        ("undo", {}, [lw.Ablate("L1.mlp", "mean")]),
        ("clear", {}, []),
    ]
    for revision, (method, args, expected) in enumerate(steps, start=1):
        assert page.change(method, **args) == revision == session.revision
        assert list(session.interventions) == expected
    page.change("undo")
    assert len(session.interventions.entries) == 2


def test_a_change_that_arrives_twice_does_nothing_more(session: lw.Session) -> None:
    page = Page(session)
    ablated = {"component": "L0H1", "kind": "zero"}
    cells = [{"node": "z", "layer": 1, "head": 2, "pos": None}]
    for method, args in (("set_ablated", ablated), ("set_patched", {"cells": cells})):
        for on in (True, False):
            revision = page.change(method, **args, on=on)
            assert page.change(method, **args, on=on) == revision
            assert len(session.interventions) == on


def test_undo_with_nothing_to_undo_changes_nothing(session: lw.Session) -> None:
    assert Page(session).change("undo") == 0
    assert Page(session).change("redo") == 0


def test_the_code_told_is_the_sessions(session: lw.Session) -> None:
    session.interventions.toggle("L0H1")
    copied = Page(session).dataset("session/code").attrs["code"]
    assert copied == session.interventions.to_code(self_contained=True)


def test_editing_a_prompt_replaces_it_alone(session: lw.Session) -> None:
    Page(session).change(
        "edit_prompt", prompt=1, text="w20 w21", correct="w7", wrong="w8", corrupted="w22 w23"
    )
    fresh = lw.Session(
        tiny("gpt2"),
        [PROMPTS[0], "w20 w21"],
        answers=[ANSWERS[0], ("w7", "w8")],
        corrupted=[CORRUPTED[0], "w22 w23"],
    )
    assert torch.equal(session.tokens, fresh.tokens)
    torch.testing.assert_close(session.baseline, fresh.baseline)
    assert session.prompt_set.corrupted_texts == (CORRUPTED[0], "w22 w23")
    assert session.prompts_revision == 1


def test_editing_the_only_prompt_can_give_it_answers() -> None:
    session = lw.Session(tiny("gpt2"), "w5 w6")
    Page(session).change("edit_prompt", prompt=0, text="w5 w6 w7", correct="w7", wrong="w8")
    assert session.answer_tokens is not None
    assert session.answer_tokens.tolist() == [[7, 8]]
    assert session.metric.name == "logit_diff"


def test_one_of_several_prompts_cannot_get_answers_alone() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    error = Page(session).error(
        "session/edit_prompt", prompt=0, text="w5", correct="w7", wrong="w8"
    )
    assert "The other prompts have no answers" in error["message"]
    assert session.prompt_set.texts == tuple(PROMPTS)


def test_editing_keeps_token_ids_of_the_other_prompts() -> None:
    ids = torch.tensor([[0, 5, 6, 7], [0, 1, 3, 3]])
    session = lw.Session(tiny("gpt2"), ids, answers=("w7", "w8"))
    Page(session).change("edit_prompt", prompt=0, text="w9 w8 w7", correct="w7", wrong="w8")
    assert session.tokens.tolist() == [[0, 9, 8, 7], [0, 1, 3, 3]]


def test_editing_one_prompt_does_not_give_bos_to_another() -> None:
    session = lw.Session(tiny("gpt2"), torch.tensor([[5, 6, 7], [8, 9, 10]]), answers=(7, 8))
    Page(session).change("edit_prompt", prompt=0, text="w9 w8 w7", correct="w7", wrong="w8")
    assert session.tokens[1, :3].tolist() == [8, 9, 10]


def test_an_error_in_an_edit_names_the_field_of_the_form(session: lw.Session) -> None:
    page = Page(session)
    edit = {"prompt": 1, "correct": "w30", "wrong": "w31"}
    for changes, named in (
        ({"text": ""}, "Prompt is"),
        ({"text": "w5 " * 50}, "Prompt is"),
        ({"text": PROMPTS[1], "corrupted": ""}, "Corrupted prompt is"),
        ({"text": PROMPTS[1], "corrupted": "w5"}, "Corrupted prompt is"),
        ({"text": PROMPTS[1], "correct": "w5 w6"}, "Correct answer 'w5 w6' is"),
    ):
        assert named in page.error("session/edit_prompt", **{**edit, **changes})["message"]
    assert session.revision == 0


def test_an_edit_runs_everything_again_with_the_interventions(session: lw.Session) -> None:
    session.interventions.toggle("L1H2")
    page = Page(session)
    page.change(
        "edit_prompt", prompt=0, text="w9 w8", correct="w30", wrong="w31", corrupted="w7 w8"
    )
    result = page.dataset("ablation/predictions", prompt=0).attrs
    fresh = lw.Session(tiny("gpt2"), "w9 w8", answers=ANSWERS[0])
    assert result["metric_baseline"] == pytest.approx(float(fresh.baseline[0]), abs=1e-5)
    fresh.interventions.toggle("L1H2")
    assert result["metric_current"] == pytest.approx(float(fresh.current[0]), abs=1e-5)
