"""Text that becomes prompts and answers passes the checks that token ids pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, normalizers
from tokenizers.models import Unigram
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import BOS, D_VOCAB, hugging_face, tiny, word_tokenizer
from tests.unit import reference
from tests.unit.cases import ANSWERS, PROMPTS, rows
from tests.unit.page import Page


@pytest.mark.parametrize("name", ["gpt2", "neox"])
@pytest.mark.parametrize("prepend_bos", [None, True, False])
def test_text_that_begins_with_bos_does_not_get_another(
    name: str, prepend_bos: bool | None
) -> None:
    session = lw.Session(tiny(name), "<bos> w5 w6 w7", answers=ANSWERS[0], prepend_bos=prepend_bos)
    assert session.tokens.tolist() == [[BOS, 5, 6, 7]]
    expected = reference.logits(tiny(name), torch.tensor([[BOS, 5, 6, 7]]))
    assert session.baseline.item() == pytest.approx(
        reference.logit_diff(expected, (30, 31)), abs=1e-5
    )


def test_a_chat_template_that_writes_bos_gives_one() -> None:
    model = hugging_face("GPT2Config", word_tokenizer(), n_layer=1, n_head=2, n_embd=16)
    model.tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %} {{ m['content'] }}{% endfor %}"
    )
    chat = [{"role": "user", "content": "w5 w6"}]
    text = model.tokenizer.apply_chat_template(chat, tokenize=False)
    session = lw.Session(model, text, answers=ANSWERS[0])
    own = model.tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=False)
    assert session.tokens.tolist() == own.tolist() == [[BOS, 5, 6]]


def test_a_text_keeps_the_eos_that_it_ends_with() -> None:
    tokenizer = word_tokenizer()
    tokenizer.eos_token = "w50"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A w50", special_tokens=[("<bos>", BOS), ("w50", 50)]
    )
    model = hugging_face("GPT2Config", tokenizer, n_layer=1, n_head=2, n_embd=16)
    assert model.cfg.tokenizer_appends_eos
    rows = [lw.Session(model, text).tokens.tolist() for text in ("w5 w6", "w5 w6 w50")]
    assert rows == [[[BOS, 5, 6]], [[BOS, 5, 6, 50]]]
    assert lw.Session(model, "w5 w6 w50").prompt_set.added == (1,)


def test_the_tokens_tell_what_was_put_in_front() -> None:
    session = lw.Session(tiny("gpt2"), ["w5 w6", "<bos> w7"], answers=("w30", "w31"))
    assert session.prompt_set.added == (1, 0)
    page = Page(session)
    added = [page.dataset("session/tokens", prompt=i).attrs["added"] for i in (0, 1)]
    assert added == [[{"id": BOS, "text": "<bos>"}], []]
    assert lw.Session(tiny("gpt2"), "w5 w6", prepend_bos=False).prompt_set.added == (0,)
    assert lw.Session(tiny("gpt2"), torch.tensor([[BOS, 5]])).prompt_set.added == (0,)


def test_a_file_keeps_what_was_put_in_front(tmp_path: Path) -> None:
    model = tiny("gpt2")
    session = lw.Session(model, ["w5 w6", "<bos> w7"], answers=("w30", "w31"))
    session.save(tmp_path / "s")
    assert lw.Session.open(tmp_path / "s", model).prompt_set.added == (1, 0)


def test_an_edited_prompt_tells_what_was_put_in_front_of_it(session: lw.Session) -> None:
    session.edit_prompt(1, "<bos> w11 w12 w13 w14", answers=ANSWERS)
    assert session.prompt_set.added == (1, 0)


def model_with_a_token_too_many() -> Any:
    tokenizer = word_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    assert tokenizer.convert_tokens_to_ids("[PAD]") == D_VOCAB
    return hugging_face("GPT2Config", tokenizer, n_layer=1, n_head=2, n_embd=16)


@pytest.mark.parametrize(
    ("prompts", "answers", "named"),
    [
        ("w5 [PAD]", None, "prompts[0] has token id 60 ([PAD]); ids run from 0 to 59."),
        (["w5", "w6 [PAD]"], None, "prompts[1] has token id 60"),
        ("w5", ("[PAD]", "w6"), "answers[0][0]='[PAD]' is token id 60; ids run from 0 to 59."),
        ("w5", ("w6", 60), "answers[0][1] is token id 60; ids run from 0 to 59."),
        (torch.tensor([[5, 60]]), None, "prompts[0] has token id 60; ids run from 0 to 59."),
        ([[5, 60], [6]], None, "prompts[0] has token id 60; ids run from 0 to 59."),
    ],
)
def test_a_token_beyond_the_embedding_is_refused(prompts: Any, answers: Any, named: str) -> None:
    with pytest.raises(InputError) as caught:
        lw.Session(model_with_a_token_too_many(), prompts, answers=answers)
    assert named in str(caught.value)
    assert caught.value.hint


def test_a_token_beyond_the_embedding_is_refused_in_the_page() -> None:
    session = lw.Session(model_with_a_token_too_many(), "w5 w6", answers=("w7", "w8"))
    page = Page(session)
    for change, named in (
        ({"text": "w5 [PAD]"}, "Prompt has token id 60"),
        ({"correct": "[PAD]"}, "Correct answer '[PAD]' is token id 60"),
    ):
        edit = {"prompt": 0, "text": "w5", "correct": "w7", "wrong": "w8", **change}
        assert named in page.error("session/edit_prompt", **edit)["message"]
    with pytest.raises(InputError, match="token id 60"):
        lw.analysis.lens_path(session, ["[PAD]"])


def test_padding_beyond_the_embedding_is_never_run(tmp_path: Path) -> None:
    session = lw.Session(model_with_a_token_too_many(), PROMPTS, answers=ANSWERS)
    for row, got, answer in zip(rows(session), session.baseline, ((30, 31), (32, 33)), strict=True):
        expected = reference.logit_diff(reference.logits(session.model, row), answer)
        assert got.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("prompts", "answers", "named"),
    [
        ("w5 \ud83d", None, "prompts[0] has the character U+D83D at 3"),
        (["w5", "\udc00w6"], None, "prompts[1] has the character U+DC00 at 0"),
        ("w5", ("w6", "\udfff"), "answers[0][1] has the character U+DFFF at 0"),
    ],
)
def test_half_a_character_is_named(prompts: Any, answers: Any, named: str) -> None:
    with pytest.raises(InputError) as caught:
        lw.Session(tiny("gpt2"), prompts, answers=answers)
    assert named in str(caught.value)
    assert "surrogate" in str(caught.value)


def sentence_piece(*words: str) -> PreTrainedTokenizerFast:
    """A tokenizer that puts a space of its own before a text, as SentencePiece's do."""
    pieces = ["<bos>", "<unk>", "<pad>", "▁", *(f"▁{word}" for word in words)]
    letters = sorted({letter for word in words for letter in word})
    vocabulary = [(piece, -1.0) for piece in pieces] + [(letter, -9.0) for letter in letters]
    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=1))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Metaspace()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<bos>", pad_token="<pad>"
    )
    wrapped.init_kwargs.setdefault("name_or_path", "")
    wrapped.add_bos_token = True  # type: ignore[misc]  # It has a setter, of another name.
    return wrapped


def test_an_answer_with_a_space_too_many_is_told_so() -> None:
    tokenizer = sentence_piece("Mary", "John")
    assert len(tokenizer(" Mary", add_special_tokens=False)["input_ids"]) == 2
    model = hugging_face("LlamaConfig", tokenizer, len(tokenizer), num_hidden_layers=1,
                         num_attention_heads=2, hidden_size=16, intermediate_size=24)  # fmt: skip
    with pytest.raises(InputError) as caught:
        lw.Session(model, "Mary John", answers=[(" Mary", "John")])
    assert "answers[0][0]=' Mary' is 2 tokens" in str(caught.value)
    assert "Write it without the space: 'Mary' is a single token." in str(caught.value)
    assert lw.Session(model, "Mary John", answers=[("Mary", "John")]).answer_tokens is not None
