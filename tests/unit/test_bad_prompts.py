"""Bad prompts and answers: one clear error, and the session stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import D_VOCAB, N_CTX, byte_tokenizer, hugging_face, native, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, state

LONG = " ".join(["w5"] * N_CTX)

CASES: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "empty string": ("", {}, ["prompts[0]", "empty string", "Write some text"]),
    "one of several empty": (["w5", ""], {}, ["prompts[1]", "empty string"]),
    "empty list": ([], {}, ["prompts", "empty list", "at least one prompt"]),
    "empty tensor": (torch.zeros((1, 0), dtype=torch.long), {}, ["prompts", "empty", "[1, 0]"]),
    "too long": (LONG, {}, ["prompts[0]", f"{N_CTX + 1} tokens", f"{N_CTX}", "Shorten it by 1"]),
    "id too high": (
        torch.tensor([[3, D_VOCAB]]),
        {},
        ["prompts[0]", f"token id {D_VOCAB}", f"0 to {D_VOCAB - 1}", "model.to_tokens(text)"],
    ),
    "id negative": (torch.tensor([[3, -1]]), {}, ["prompts[0]", "token id -1", "0 to"]),
    "a number": (7, {}, ["prompts", "a list of strings", "got int"]),
    "bytes": (b"w5", {}, ["prompts", "string", "got bytes"]),
    "list of numbers": ([1, 2], {}, ["prompts", "list of int"]),
    "mixed list": (["w5", 3], {}, ["prompts", "int, str"]),
    "floats": (torch.zeros(1, 3), {}, ["prompts", "integer token ids", "float32"]),
    "three dimensions": (
        torch.zeros((1, 1, 3), dtype=torch.long),
        {},
        ["prompts", "[prompt, pos]", "[1, 1, 3]"],
    ),
    "answer of two tokens": (
        PROMPTS,
        {"answers": [("w30 w31", "w32")] * 2},
        ["answers[0][0]", "'w30 w31'", "2 tokens", "'w30'", "'w31'", "single token"],
    ),
    "empty answer": (PROMPTS, {"answers": ("", "w31")}, ["answers[0][0]", "0 tokens"]),
    "answer id too high": (
        PROMPTS,
        {"answers": (D_VOCAB, 3)},
        ["answers[0][0]", f"token id {D_VOCAB}", f"0 to {D_VOCAB - 1}"],
    ),
    "too few answers": (
        [*PROMPTS, "w9"],
        {"answers": ANSWERS},
        ["answers", "2 entries", "3 prompts", "one for all"],
    ),
    "too many answers": (PROMPTS[:1], {"answers": ANSWERS}, ["answers", "2 entries", "1 prompts"]),
    "no answers": (PROMPTS, {"answers": []}, ["answers=[]", "(correct, wrong)"]),
    "answers not pairs": (PROMPTS, {"answers": ["w30", "w31"]}, ["answers", "(correct, wrong)"]),
    "answers of three": (
        PROMPTS,
        {"answers": [("w30", "w31", "w32")]},
        ["answers", "(correct, wrong)"],
    ),
    "answers of floats": (PROMPTS, {"answers": [(1.0, 2.0)]}, ["answers", "(correct, wrong)"]),
    "corrupted count": (
        PROMPTS,
        {"corrupted": CORRUPTED[:1]},
        ["corrupted has 1 prompts, prompts has 2", "one corrupted prompt for each"],
    ),
    "corrupted longer": (
        PROMPTS,
        {"corrupted": [CORRUPTED[0], "w1 w2 w3 w4 w5"]},
        ["corrupted[1] is 6 tokens long, prompts[1] is 5", "same length"],
    ),
    "corrupted empty": (PROMPTS, {"corrupted": ["w5", ""]}, ["corrupted[1]", "empty string"]),
    "corrupted ids": (
        torch.tensor([[3, 4]]),
        {"corrupted": torch.tensor([[3, 99]])},
        ["corrupted[0]", "token id 99"],
    ),
    "unknown metric": (
        PROMPTS,
        {"metric": "logit_dif"},
        ["metric='logit_dif'", "Did you mean 'logit_diff'?", "'loss', 'prob' or 'kl'"],
    ),
    "metric of wrong type": (PROMPTS, {"metric": 3}, ["metric=3", "name", "function"]),
    "loss of one token": (
        torch.tensor([[5]]),
        {"metric": "loss"},
        ["metric='loss'", "two tokens", "longer prompt, or pass answers"],
    ),
    "logit_diff without answers": (
        PROMPTS,
        {"metric": "logit_diff"},
        ["metric='logit_diff' needs answers", "answers=[("],
    ),
    "prob without answers": (PROMPTS, {"metric": "prob"}, ["metric='prob' needs answers"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_session_is_not_made_of_bad_input(case: str) -> None:
    prompts, options, parts = CASES[case]
    with pytest.raises(InputError) as caught:
        lw.Session(tiny("gpt2"), prompts, **options)
    for part in parts:
        assert part in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("case", CASES)
def test_bad_new_prompts_leave_the_session_as_it_was(session: lw.Session, case: str) -> None:
    prompts, options, parts = CASES[case]
    session.interventions.toggle("L0H1")
    before = state(session)
    with pytest.raises(InputError) as caught:
        session.set_prompts(prompts, **options)
    for part in parts:
        assert part in str(caught.value)
    assert state(session) == before


def test_an_answer_that_wants_a_leading_space_is_told_so() -> None:
    tokenizer = byte_tokenizer("Mary", "John")
    model = hugging_face("GPT2Config", tokenizer, len(tokenizer), n_layer=1, n_head=2, n_embd=16)
    with pytest.raises(InputError) as caught:
        lw.Session(model, "a b", answers=[(" Mary", "John")])
    message = str(caught.value)
    assert "answers[0][1]='John' is 2 tokens ('Jo', 'hn'), not one." in message
    assert "leading space: ' John' is a single token." in message


def test_no_leading_space_is_suggested_where_it_does_not_help() -> None:
    tokenizer = byte_tokenizer("Mary")
    model = hugging_face("GPT2Config", tokenizer, len(tokenizer), n_layer=1, n_head=2, n_embd=16)
    with pytest.raises(InputError) as caught:
        lw.Session(model, "a b", answers=[(" Mary", "é \n")])
    assert r"('\xC3', '\xA9', '·', '\n')" in str(caught.value)
    assert "leading space" not in str(caught.value)


def test_text_needs_a_tokenizer() -> None:
    model = native(attn_only=True, act_fn="gelu", normalization_type="LN")
    model.tokenizer = None
    with pytest.raises(InputError, match=r"prompts.*no tokenizer.*token ids"):
        lw.Session(model, "w5")
    with pytest.raises(InputError, match=r"answers\[0\]\[0\]='w5'.*no tokenizer.*token id"):
        lw.Session(model, torch.tensor([[4, 5]]), answers=("w5", "w6"))


def test_dropping_the_corrupted_prompts_that_an_intervention_needs_is_refused(
    session: lw.Session,
) -> None:
    session.interventions.add(lw.Patch("L1H2"))
    before = state(session)
    with pytest.raises(InputError, match=r"intervention on L1H2.*corrupted.*Remove it first"):
        session.set_prompts(PROMPTS, answers=ANSWERS)
    assert state(session) == before


def test_prompts_too_short_for_an_intervention_are_refused(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L1H2", positions=6))
    before = state(session)
    with pytest.raises(InputError, match=r"intervention on L1H2.*positions has 6"):
        session.set_prompts("w5 w6", answers=ANSWERS[0])
    assert state(session) == before
