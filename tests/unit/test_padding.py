"""Padding is told by a mask, plain from the ids, or asked for: never guessed in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import BOS, PAD, WORDS, hugging_face, native, tiny, word_tokenizer
from tests.unit import reference

EOS = 50
SHORT, LONG = [5, 6, 7], [11, 12, 13, 14, 15]
PAIR = (30, 31)


def model_that_pads_with(token: int, *, eos: int = EOS) -> Any:
    """A Llama shape whose tokenizer ends texts with ``eos`` and pads with ``token``."""
    tokenizer = word_tokenizer()
    tokenizer.eos_token, tokenizer.pad_token = WORDS[eos], WORDS[token]
    return hugging_face(
        "LlamaConfig",
        tokenizer,
        num_hidden_layers=1,
        num_attention_heads=2,
        hidden_size=16,
        intermediate_size=24,
        max_position_embeddings=40,
    )


def alone(model: Any, *rows: list[int]) -> list[float]:
    """The logit difference of each row by itself, by one plain forward each."""
    found = (reference.logits(model, torch.tensor([row])) for row in rows)
    return [reference.logit_diff(logits, PAIR) for logits in found]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("begin", [[], [BOS]], ids=["without BOS", "with BOS"])
def test_padding_that_is_eos_too_is_found_at_either_end(side: str, begin: list[int]) -> None:
    model = model_that_pads_with(EOS)
    assert model.tokenizer.pad_token_id == model.tokenizer.eos_token_id == EOS
    short, long = [*begin, *SHORT], [*begin, *LONG]
    pads = [EOS, EOS]
    batch = [short + pads if side == "right" else pads + short, long]
    session = lw.Session(model, torch.tensor(batch), answers=PAIR)
    assert session.prompt_set.rows() == [short, long]
    assert session.baseline.tolist() == pytest.approx(alone(model, short, long), abs=1e-5)
    (note,) = session.notes
    where = "beginning" if side == "left" else "end"
    assert f"token id {EOS} (w50) at the {where} of row 0 was taken as padding" in note
    assert "attention_mask=" in note


@pytest.mark.parametrize("side", ["left", "right"])
def test_to_tokens_of_a_model_that_pads_with_eos_gives_each_prompts_own_number(side: str) -> None:
    model = model_that_pads_with(EOS)
    texts = ["w5 w6 w7", "w11 w12 w13 w14 w15"]
    batch = model.to_tokens(texts, padding_side=side)
    by_text = lw.Session(model, texts, answers=PAIR)
    session = lw.Session(model, batch, answers=PAIR)
    assert session.prompt_set.rows() == by_text.prompt_set.rows()
    torch.testing.assert_close(session.baseline, by_text.baseline)


@pytest.mark.parametrize("side", ["left", "right"])
def test_one_bos_each_stays_where_bos_pads_too(side: str) -> None:
    model = model_that_pads_with(BOS, eos=BOS)
    short, long = [BOS, *SHORT], [BOS, *LONG]
    pads = [BOS, BOS]
    batch = torch.tensor([short + pads if side == "right" else pads + short, long])
    session = lw.Session(model, batch, answers=PAIR)
    assert session.prompt_set.rows() == [short, long]
    assert session.baseline.tolist() == pytest.approx(alone(model, short, long), abs=1e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_token_that_only_pads_is_padding_in_every_row(side: str) -> None:
    model = tiny("gpt2")
    rows = [[BOS, *SHORT], [BOS, *LONG]]
    pads = [[PAD] * 3, [PAD]]
    batch = [r + p if side == "right" else p + r for r, p in zip(rows, pads, strict=True)]
    session = lw.Session(model, torch.tensor(batch), answers=PAIR)
    assert session.prompt_set.rows() == rows
    assert "rows 0, 1 was taken as padding" in session.notes[0]


def test_a_row_by_itself_has_no_padding_and_says_so() -> None:
    model = tiny("gpt2")
    row = [BOS, 5, 6, PAD, PAD]
    session = lw.Session(model, torch.tensor([row]), answers=PAIR)
    assert session.prompt_set.rows() == [row]
    assert session.baseline.tolist() == pytest.approx(alone(model, row), abs=1e-5)
    assert any("was taken as part of the prompt" in note for note in session.notes)
    masked = lw.Session(model, torch.tensor([row]), answers=PAIR, attention_mask=[[1, 1, 1, 0, 0]])
    assert masked.prompt_set.rows() == [row[:3]]
    assert masked.notes == []


AMBIGUOUS = {
    # pad, eos, rows
    "pads at both ends": (PAD, BOS, [[PAD, 5, 6], [5, 6, PAD]]),
    "pads at both ends of one row": (PAD, BOS, [[PAD, 5, PAD], [5, 6, 7]]),
    "a row of padding alone": (PAD, BOS, [[PAD, PAD], [5, 6]]),
    "EOS, or padding, at every end": (EOS, EOS, [[5, EOS, EOS], [5, 6, EOS]]),
    "two EOS at every end": (EOS, EOS, [[5, EOS, EOS], [6, EOS, EOS]]),
    "BOS of some, or padding": (BOS, BOS, [[BOS, 5, 6], [5, 6, 7]]),
    "two BOS, or padding, before all": (BOS, BOS, [[BOS, BOS, BOS, 5], [BOS, BOS, 6, 7]]),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_may_be_padding_or_not_is_asked_for(case: str) -> None:
    pad, eos, rows = AMBIGUOUS[case]
    model = model_that_pads_with(pad, eos=eos)
    with pytest.raises(InputError) as caught:
        lw.Session(model, torch.tensor(rows), answers=PAIR)
    for part in ("prompts", f"token id {pad}", "attention_mask=", "1 at the prompts' own tokens"):
        assert part in str(caught.value)
    mask = torch.ones(len(rows), len(rows[0]), dtype=torch.long)
    session = lw.Session(model, torch.tensor(rows), answers=PAIR, attention_mask=mask)
    assert session.prompt_set.rows() == rows
    assert session.baseline.tolist() == pytest.approx(alone(model, *rows), abs=1e-5)


PLAIN = {
    "every row ends with its EOS": (EOS, EOS, [[5, 6, EOS], [7, 8, EOS]]),
    "every row begins with its BOS": (BOS, BOS, [[BOS, 5, 6], [BOS, 7, 8]]),
    "pads in the middle": (PAD, BOS, [[5, PAD, PAD, 6], [7, 8, 9, 10]]),
}


@pytest.mark.parametrize("case", PLAIN)
def test_tokens_of_the_prompts_stay_without_a_word(case: str) -> None:
    pad, eos, rows = PLAIN[case]
    session = lw.Session(model_that_pads_with(pad, eos=eos), torch.tensor(rows), answers=PAIR)
    assert session.prompt_set.rows() == rows
    assert session.notes == []


@pytest.mark.parametrize(
    "mask",
    [
        [[0, 0, 1, 1], [1, 1, 1, 1]],
        torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]]).bool(),
        np.array([[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]),
    ],
    ids=["lists", "tensor", "array"],
)
def test_a_mask_says_what_is_padding_whatever_the_ids_are(mask: Any) -> None:
    model = tiny("gpt2")
    rows = torch.tensor([[8, 9, 5, 6], [BOS, 11, 12, PAD]])
    session = lw.Session(
        model, rows, answers=PAIR, corrupted=rows.flip(0)[[1, 0]] + 0, attention_mask=mask
    )
    assert session.prompt_set.rows() == [[5, 6], [BOS, 11, 12, PAD]]
    assert session.prompt_set.rows(corrupted=True) == [[5, 6], [BOS, 11, 12, PAD]]
    assert session.notes == []
    session.set_prompts(rows, answers=PAIR, attention_mask=[[1, 1, 1, 0], [0, 1, 1, 1]])
    assert session.prompt_set.rows() == [[8, 9, 5], [11, 12, PAD]]


@pytest.mark.parametrize(
    ("prompts", "mask", "parts"),
    [
        (torch.tensor([[5, 6, 7]]), [[1, 1]], ["[1, 2]", "[1, 3]"]),
        (torch.tensor([[5, 6, 7]]), [[1, 2, 1]], ["something else than 0 and 1"]),
        (torch.tensor([[5, 6, 7]]), [[1, 0, 1]], ["attention_mask[0]", "middle"]),
        (torch.tensor([[5, 6, 7]]), [[0, 0, 0]], ["attention_mask[0] is 0 everywhere"]),
        (torch.tensor([[5, 6], [7, 8]]), [[1, 1], [1]], ["attention_mask", "single shape"]),
        (torch.tensor([[5, 6]]), "11", ["attention_mask"]),
        ("w5 w6", [[1, 1]], ["attention_mask", "prompts is text", "Leave it out"]),
        ([[5, 6], [7]], [[1, 1], [1, 0]], ["attention_mask", "different lengths"]),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(prompts: Any, mask: Any, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        lw.Session(tiny("gpt2"), prompts, attention_mask=mask)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "prompts",
    [
        [SHORT, LONG],
        [torch.tensor(SHORT), torch.tensor(LONG)],
        [np.array(SHORT), tuple(LONG)],
    ],
    ids=["lists", "tensors", "array and tuple"],
)
def test_lists_of_ids_are_prompts_of_their_own_lengths(prompts: Any) -> None:
    session = lw.Session(tiny("gpt2"), prompts, answers=PAIR)
    assert session.prompt_set.rows() == [SHORT, LONG]
    assert session.baseline.tolist() == pytest.approx(alone(tiny("gpt2"), SHORT, LONG), abs=1e-5)


def test_lists_of_one_length_are_a_batch_that_may_be_padded() -> None:
    session = lw.Session(tiny("gpt2"), [[5, 6, PAD], [7, 8, 9]])
    assert session.prompt_set.rows() == [[5, 6], [7, 8, 9]]
    assert lw.Session(tiny("gpt2"), np.array([[5, 6, 7]])).prompt_set.rows() == [[5, 6, 7]]


def test_without_a_tokenizer_nothing_is_taken_as_padding() -> None:
    model = native(attn_only=True, act_fn="gelu", normalization_type="LN")
    model.tokenizer = None
    rows = [[4, 5, 0], [4, 5, 6]]
    assert lw.Session(model, torch.tensor(rows), answers=(7, 8)).prompt_set.rows() == rows


def test_a_file_keeps_what_was_taken_as_padding(tmp_path: Path) -> None:
    model = model_that_pads_with(EOS)
    session = lw.Session(model, torch.tensor([[*SHORT, EOS, EOS], LONG]), answers=PAIR)
    session.save(tmp_path / "s")
    opened = lw.Session.open(tmp_path / "s", model)
    assert opened.notes == session.notes != []
    assert opened.prompt_set.rows() == session.prompt_set.rows()
