"""Prompt sets: partners swap roles, tokens line up, the metric is what its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import byte_tokenizer, hugging_face, native, tiny
from tests.unit.cases import ANSWERS, PROMPTS

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 8, "n_positions": 32}


def _speaks(*words: str) -> Any:
    """A random model whose tokenizer knows the given words as one token each."""
    tokenizer = byte_tokenizer(*words)
    return hugging_face("GPT2Config", tokenizer, vocab_size=len(tokenizer), **SMALL)


@pytest.fixture(scope="module")
def ioi_model() -> Any:
    return lw.load_demo("ioi")


@pytest.fixture(scope="module")
def induction_model() -> Any:
    return lw.load_demo("induction")


def _texts(
    pairs: lw.prompts.PromptPairs[tuple[str, ...]],
) -> tuple[tuple[str, ...], list[tuple[str, str]], tuple[str, ...]]:
    """Prompts, answers and corrupted prompts of a set that has all three."""
    assert pairs.answers is not None
    assert pairs.corrupted is not None
    answers = [(str(correct), str(wrong)) for correct, wrong in pairs.answers]
    return pairs.prompts, answers, pairs.corrupted


def test_partners_swap_the_giver_and_the_answer(ioi_model: Any) -> None:
    pairs = lw.prompts.ioi(12, seed=3, model=ioi_model)
    prompts, answers, corrupted = _texts(pairs)
    assert len(pairs) == len(set(prompts)) == 12
    for i, (prompt, (receiver, giver)) in enumerate(zip(prompts, answers, strict=True)):
        assert prompt.count(giver) == 2
        assert prompt.count(receiver) == 1
        assert corrupted[i] == prompts[i ^ 1]
        assert answers[i ^ 1] == (giver, receiver)
        words = zip(prompt.split(), corrupted[i].split(), strict=True)
        changed = [change for change in words if change[0] != change[1]]
        assert changed == [(giver.strip(), receiver.strip())]


def _answer_ids(session: lw.Session) -> list[list[int]]:
    assert session.answer_tokens is not None
    return session.answer_tokens.tolist()


def test_a_session_takes_a_set_as_it_is_or_part_by_part(ioi_model: Any) -> None:
    pairs = lw.prompts.ioi(5, seed=1, model=ioi_model)
    whole = lw.Session(ioi_model, pairs)
    parts = lw.Session(ioi_model, pairs.prompts, answers=pairs.answers, corrupted=pairs.corrupted)
    assert whole.tokens.tolist() == parts.tokens.tolist()
    assert _answer_ids(whole) == _answer_ids(parts)
    assert whole.corrupted_run().metric.tolist() == parts.corrupted_run().metric.tolist()
    assert bool((whole.baseline > 0).all())
    assert whole.corrupted_run().metric[0] == pytest.approx(-float(whole.baseline[1]), abs=1e-5)
    parts.set_prompts(pairs, answers=(" Mary", " John"))
    assert len({tuple(pair) for pair in _answer_ids(parts)}) == 1


def test_positions_mean_the_same_in_every_prompt(ioi_model: Any) -> None:
    session = lw.Session(ioi_model, lw.prompts.ioi(40, seed=2, model=ioi_model))
    assert session.prompt_set.attention_mask is None
    texts = session.str_tokens
    for place, word in ((3, " and"), (5, " went"), (8, {" shops"}), (11, " gave"), (14, " to")):
        found = {row[place] for row in texts}
        assert found == {word} if isinstance(word, str) else len(found) > 5


def test_the_eight_prompts_of_the_patching_demo_are_a_set(ioi_model: Any) -> None:
    pairs = lw.prompts.IOI
    assert pairs.prompts == lw.prompts.IOI_PROMPTS
    prompts, _, corrupted = _texts(pairs)
    assert corrupted[:2] == (prompts[1], prompts[0])
    session = lw.Session(ioi_model, pairs)
    before, after = session.baseline.mean(), session.corrupted_run().metric.mean()
    assert float(after) == pytest.approx(-float(before), abs=1e-5)


def test_the_same_seed_gives_the_same_prompts() -> None:
    first, again, other = (lw.prompts.ioi(10, seed) for seed in (4, 4, 5))
    assert first.prompts == again.prompts
    assert first.answers == again.answers
    assert first.prompts != other.prompts
    assert lw.prompts.ioi(3, 4).prompts == first.prompts[:3]


def test_names_are_those_the_models_tokenizer_has_as_one_token() -> None:
    sentence = "When and went to the , gave a an with After".split()
    model = _speaks(*sentence, "Mary", "Tom", "Luke", "park", "bag")
    pairs = lw.prompts.ioi(8, model=model)
    prompts, answers, _ = _texts(pairs)
    text = " ".join(prompts)
    assert {"Mary", "Tom", "Luke"} >= {name.strip() for pair in answers for name in pair}
    assert "park" in text
    assert "shops" not in text
    lw.Session(model, pairs)


def _repeated(model: Any, **options: Any) -> Callable[[], Any]:
    return lambda: lw.prompts.repeated_tokens(model, **options)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lw.prompts.ioi(0), ["n=0", "at least 1"]),
        (lambda: lw.prompts.ioi(2.5), ["n=2.5", "whole number"]),  # type: ignore[arg-type]
        (lambda: lw.prompts.ioi(10**9), ["n=1000000000", "Ask for fewer"]),
        (lambda: lw.prompts.ioi(model=tiny("gpt2")), ["model", "0 of the known names", "2 are"]),
        (lambda: lw.prompts.ioi(model=_untokenised()), ["model", "no tokenizer"]),
        (_repeated(None, halves="AD"), ["halves='AD'", "'AA', 'AB'"]),
        (_repeated(None, corrupted="B"), ["corrupted='B'", "'BB'"]),
        (_repeated(None, seq_len=1), ["seq_len=1", "at least 2"]),
        (_repeated(None, batch=0), ["batch=0", "at least 1"]),
    ],
)
def test_bad_wishes_are_refused(make: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert all(word in str(error.value) for word in words), str(error.value)


def _untokenised() -> Any:
    model = native()
    model.tokenizer = None
    return model


def test_halves_that_do_not_fit_and_models_without_tokenizer_are_refused() -> None:
    with pytest.raises(InputError, match=r"seq_len=20 makes prompts of 41 tokens.*At most 19"):
        lw.prompts.repeated_tokens(tiny("gpt2"), 20)
    with pytest.raises(InputError, match="no tokenizer"):
        lw.prompts.repeated_tokens(_untokenised(), 5)


@pytest.mark.parametrize("halves", ["AA", "AB", "BA", "BB", "BC"])
def test_halves_are_named_by_letters_of_the_same_sequences(
    induction_model: Any, halves: str
) -> None:
    n = 12
    plain = lw.prompts.repeated_tokens(induction_model, n, 3, seed=6)
    pairs = lw.prompts.repeated_tokens(induction_model, n, 3, seed=6, corrupted=halves)
    three = lw.prompts.repeated_tokens(induction_model, n, 3, seed=6, halves="BC")
    first, other = plain.prompts, three.prompts
    of = {"A": first[:, 1 : n + 1], "B": other[:, 1 : n + 1], "C": other[:, n + 1 :]}
    assert len({tuple(sequence.flatten().tolist()) for sequence in of.values()}) == 3
    assert plain.corrupted is None
    prompts, corrupted = pairs.prompts, pairs.corrupted
    assert corrupted is not None
    assert torch.equal(prompts, first)
    assert torch.equal(prompts[:, n + 1 :], of["A"])
    assert torch.equal(corrupted[:, 1 : n + 1], of[halves[0]])
    assert torch.equal(corrupted[:, n + 1 :], of[halves[1]])
    assert set(corrupted[:, 0].tolist()) == {induction_model.tokenizer.bos_token_id}


@pytest.mark.parametrize("halves", ["AB", "BB"])
def test_the_metric_is_minus_the_loss_of_predicting_a(induction_model: Any, halves: str) -> None:
    n = 12
    pairs = lw.prompts.repeated_tokens(induction_model, n, 3, seed=6, corrupted=halves)
    session = lw.Session(induction_model, pairs, metric=pairs.metric)
    assert (session.metric.label, session.metric.units) == ("second half log prob", "nats")
    prompts, corrupted = pairs.prompts, pairs.corrupted
    assert corrupted is not None
    sequence = prompts[:, 1 : n + 1]
    for tokens, metric in (
        (prompts, session.baseline),
        (corrupted, session.corrupted_run().metric),
    ):
        with torch.no_grad():
            logits = induction_model(tokens)
        for row in range(3):
            losses = torch.nn.functional.cross_entropy(logits[row, n:-1], tokens[row, n + 1 :])
            wanted = torch.nn.functional.cross_entropy(logits[row, n + 1 : -1], sequence[row, 1:])
            assert float(metric[row]) == pytest.approx(-float(wanted), abs=1e-5)
            if tokens is prompts:
                assert wanted < losses, "the first token of a half cannot be foreseen"
    assert float(session.baseline.mean()) > -1 > float(session.corrupted_run().metric.mean())


def test_estimates_go_through_a_metric_of_the_users_own(induction_model: Any) -> None:
    pairs = lw.prompts.repeated_tokens(induction_model, 10, 2, corrupted="BB")
    session = lw.Session(induction_model, pairs, metric=pairs.metric)
    exact = lw.analysis.patch_sweep(session, "z")
    estimate = lw.analysis.estimate_sweep(session, "z")
    assert lw.analysis.rank_correlation(estimate, exact) > 0.6


def test_a_metric_without_units_of_its_own_says_so() -> None:
    session = lw.Session(
        tiny("gpt2"), PROMPTS, answers=ANSWERS, metric=lambda logits: logits[:, -1, 5]
    )
    assert session.metric.units == "metric units"
