"""A session: what it says about its prompts, and how it changes."""

from __future__ import annotations

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import ClosedError
from tests.models import BOS, PAD, byte_tokenizer, hugging_face, native, tiny
from tests.unit import reference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, rows


def test_prompts_are_tokenised_with_bos_and_padded_on_the_right(session: lw.Session) -> None:
    assert session.tokens.tolist() == [
        [BOS, 5, 6, 7, 8, 9, 10],
        [BOS, 11, 12, 13, 14, PAD, PAD],
    ]
    assert session.positions.tolist() == [6, 4]
    assert session.str_tokens == [
        ["<bos>", "w5", "w6", "w7", "w8", "w9", "w10"],
        ["<bos>", "w11", "w12", "w13", "w14"],
    ]


@pytest.mark.parametrize("name", ["gpt2", "neox"])
def test_bos_is_the_models_choice_unless_told(name: str) -> None:
    model = tiny(name)
    default = lw.Session(model, "w5 w6").tokens
    assert torch.equal(default, model.to_tokens("w5 w6"))
    assert lw.Session(model, "w5 w6", prepend_bos=True).tokens.tolist() == [[BOS, 5, 6]]
    assert lw.Session(model, "w5 w6", prepend_bos=False).tokens.tolist() == [[5, 6]]


def test_prompts_may_be_token_ids() -> None:
    text = lw.Session(tiny("gpt2"), PROMPTS[:1], answers=ANSWERS[0])
    ids = lw.Session(tiny("gpt2"), text.tokens, answers=ANSWERS[0])
    one = lw.Session(tiny("gpt2"), text.tokens[0], answers=ANSWERS[0])
    assert torch.equal(ids.tokens, text.tokens)
    assert torch.equal(one.tokens, text.tokens)
    assert torch.equal(ids.baseline, text.baseline)


def test_left_padded_token_ids_give_the_numbers_of_the_unpadded_prompt(session: lw.Session) -> None:
    left = torch.tensor([[BOS, 5, 6, 7, 8, 9, 10], [PAD, PAD, BOS, 11, 12, 13, 14]])
    padded = lw.Session(tiny("gpt2"), left, answers=ANSWERS)
    assert torch.equal(padded.tokens, session.tokens)
    assert torch.equal(padded.baseline, session.baseline)


def test_a_model_without_tokenizer_takes_token_ids() -> None:
    model = native(attn_only=True, act_fn="gelu", normalization_type="LN")
    model.tokenizer = None
    session = lw.Session(model, torch.tensor([[4, 5, 6]]), answers=(7, 8))
    assert session.str_tokens == [["4", "5", "6"]]
    assert session.run().top_predictions(1)[0][0].token.isdigit()


@pytest.mark.parametrize(
    "answers",
    [
        ANSWERS,
        tuple(ANSWERS),
        ANSWER_IDS,
        torch.tensor(ANSWER_IDS),
        [["w30", 31], [32, "w33"]],
    ],
)
def test_answers_are_pairs_of_tokens_or_ids(answers: object) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=answers)
    assert session.answer_tokens is not None
    assert session.answer_tokens.tolist() == [[30, 31], [32, 33]]


@pytest.mark.parametrize("answers", [("w30", "w31"), [("w30", "w31")], (30, 31)])
def test_one_pair_of_answers_serves_all_prompts(answers: object) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=answers)
    assert session.answer_tokens is not None
    assert session.answer_tokens.tolist() == [[30, 31], [30, 31]]


def test_answers_keep_their_leading_space() -> None:
    tokenizer = byte_tokenizer("Mary", "John")
    model = hugging_face("GPT2Config", tokenizer, len(tokenizer), n_layer=1, n_head=2, n_embd=16)
    session = lw.Session(model, "Mary met John", answers=[(" Mary", " John")])
    assert session.answer_tokens is not None
    assert [tokenizer.decode([i]) for i in session.answer_tokens[0].tolist()] == [" Mary", " John"]


def test_new_prompts_bring_new_answers_and_keep_the_metric(session: lw.Session) -> None:
    session.selection.update(prompt=1, query_pos=4)
    seen: list[int] = []
    session.observe(lambda change: seen.append(change["new"]), "revision")
    session.set_prompts(["w20 w21"], answers=[("w31", "w30")])
    assert session.tokens.tolist() == [[BOS, 20, 21]]
    assert session.metric.name == "logit_diff"
    expected = reference.logit_diff(reference.logits(session.model, rows(session)[0]), (31, 30))
    assert session.baseline.tolist() == pytest.approx([expected], abs=1e-5)
    assert (seen, session.prompts_revision) == ([1], 1)
    assert session.selection.prompt == 0
    assert session.selection.query_pos is None


def test_new_prompts_are_run_with_the_interventions_in_force(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L1H2"))
    session.set_prompts("w20 w21 w22", answers=ANSWERS[0])
    hook = reference.write("blocks.1.attn.hook_z", 0.0, head=2)
    expected = reference.logits(session.model, rows(session)[0], [hook])
    torch.testing.assert_close(session.run().logits[0], expected, atol=1e-5, rtol=0)


def test_set_prompts_can_change_the_metric(session: lw.Session) -> None:
    session.set_prompts(PROMPTS, metric="loss")
    assert session.metric.name == "loss"
    session.set_prompts(PROMPTS)
    assert session.metric.name == "loss"


def test_a_derived_session_has_interventions_of_its_own(session: lw.Session) -> None:
    session.interventions.toggle("L0H0")
    derived = session.with_interventions([lw.Ablate("L1H1")])
    assert list(derived.interventions) == [lw.Ablate("L1H1")]
    assert list(session.interventions) == [lw.Ablate("L0H0")]
    assert torch.equal(derived.current, session.run([lw.Ablate("L1H1")]).metric)
    assert derived.run(()) is session.run(())


def test_a_frozen_session_is_not_reached_by_later_changes(session: lw.Session) -> None:
    session.interventions.toggle("L0H0")
    frozen, current = session.frozen(), session.current
    session.interventions.toggle("L1H1")
    session.set_prompts("w20", answers=ANSWERS[0])
    assert list(frozen.interventions) == [lw.Ablate("L0H0")]
    assert frozen.prompt_set.texts == tuple(PROMPTS)
    assert torch.equal(frozen.current, current)
    assert frozen.revision == 1


def test_closing_ends_all_runs_and_changes_and_may_be_done_twice(session: lw.Session) -> None:
    session.close()
    session.close()
    assert session.closed
    for use in (
        lambda: session.run(),
        lambda: session.baseline,
        lambda: session.set_prompts("w5"),
        lambda: session.with_interventions([]),
        lambda: session.interventions.toggle("L0H0"),
        lambda: session.interventions.add(lw.Ablate("L0H0")),
        lambda: session.interventions.undo(),
        lambda: session.interventions.clear(),
        lambda: lw.analysis.attribution(session),
        lambda: lw.analysis.ablation_sweep(session),
        lambda: session.corrupted_run(),
    ):
        with pytest.raises(ClosedError, match=r"closed.*lw\.Session\(model, prompts\)"):
            use()


def test_closing_one_session_leaves_others_on_the_model_open(session: lw.Session) -> None:
    other = lw.Session(session.model, PROMPTS)
    session.close()
    assert other.current.isfinite().all()


def test_weight_processing_is_reported() -> None:
    assert lw.Session(tiny("gpt2"), "w5 w6").weights == "raw"
    assert lw.Session(tiny("gpt2_folded"), "w5 w6").weights.startswith("processed: ")


def test_weights_processed_after_the_first_session_are_noticed() -> None:
    model = hugging_face("GPT2Config", byte_tokenizer(), 300, n_layer=1, n_head=2, n_embd=16)
    assert lw.Session(model, "ab").weights == "raw"
    model.enable_compatibility_mode()
    assert lw.Session(model, "ab").weights.startswith("processed: ")


def test_repr_says_what_the_session_is_about(session: lw.Session) -> None:
    session.interventions.toggle("L0H0")
    assert repr(session) == (
        "Session(tiny GPT2Config, 2 prompts, logit difference, 1 interventions)"
    )


def test_the_corrupted_run_is_that_of_the_corrupted_prompts(session: lw.Session) -> None:
    corrupted = lw.Session(session.model, CORRUPTED, answers=ANSWERS)
    torch.testing.assert_close(session.corrupted_run().metric, corrupted.baseline)
    session.interventions.toggle("L0H0")
    corrupted.interventions.toggle("L0H0")
    torch.testing.assert_close(session.corrupted_run().metric, corrupted.current)
    assert not torch.allclose(corrupted.current, corrupted.baseline)
