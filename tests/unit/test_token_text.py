"""Tokens are shown so that nothing is hidden and nothing is markup."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

import lens_widgets as lw
from lens_widgets.prompts.token_text import token_text, visible
from tests.models import BOS, byte_tokenizer, tiny
from tests.unit.page import Page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("word", "word"),
        (" word", "·word"),
        ("   ", "···"),
        ("\n", r"\n"),
        ("\r\n", r"\r\n"),
        ("\t", r"\t"),
        ("\u00a0", "⍽"),
        ("", "∅"),
        ("\x00", r"\u0000"),
        ("\u200b", r"\u200b"),
        ("\u202e", r"\u202e"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("&amp;", "&amp;"),
        ("é中🙂", "é中🙂"),
    ],
)
def test_white_space_and_control_characters_are_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_special_tokens_and_markup_show_as_themselves() -> None:
    tokenizer = tiny("gpt2").tokenizer
    assert token_text(tokenizer, BOS) == "<bos>"
    page = Page(lw.Session(tiny("gpt2"), "<script> w5"))
    told = page.dataset("session/tokens", prompt=0)
    assert told["token"].values.tolist() == ["<bos>", "<script>", "w5"]


def _shown(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    return [token_text(tokenizer, i) for i in tokenizer(text, add_special_tokens=False).input_ids]


def test_bytes_of_a_split_character_show_as_bytes() -> None:
    tokenizer = byte_tokenizer("Mary")
    assert _shown(tokenizer, " Mary") == ["·Mary"]
    assert _shown(tokenizer, "é") == [r"\xC3", r"\xA9"]
    assert _shown(tokenizer, "🙂") == [r"\xF0", r"\x9F", r"\x99", r"\x82"]
    assert _shown(tokenizer, "\n") == [r"\n"]


def test_whole_characters_beside_half_ones_stay_readable() -> None:
    # One token that ends in the middle of a character: "a" and the first byte of "é".
    vocabulary = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary["aÃ"] = len(vocabulary)
    bpe = Tokenizer(BPE(vocabulary, merges=[("a", "Ã")]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe)
    assert _shown(tokenizer, "aé") == [r"a\xC3", r"\xA9"]


def test_a_character_that_is_itself_the_replacement_character_is_not_taken_for_bytes() -> None:
    tokenizer = byte_tokenizer("\ufffd")
    (identity,) = tokenizer(" \ufffd", add_special_tokens=False).input_ids
    assert token_text(tokenizer, identity) == "·\ufffd"


class FallbackTokenizer:
    """The part of a SentencePiece tokenizer that is asked for."""

    pieces = ("<0xC3>", "▁Paris", "Paris", "▁")

    def decode(self, ids: list[int], **options: object) -> str:
        # As SentencePiece does: a lone byte is a replacement character, a leading space is lost.
        return {"<0xC3>": "\ufffd"}.get(self.pieces[ids[0]], self.pieces[ids[0]].lstrip("▁"))

    def convert_ids_to_tokens(self, identity: int) -> str:
        return self.pieces[identity]


def test_sentencepiece_tokens_keep_their_space_and_their_bytes() -> None:
    shown = [token_text(FallbackTokenizer(), i) for i in range(4)]
    assert shown == [r"\xC3", "·Paris", "Paris", "·"]


def test_without_a_tokenizer_the_id_is_shown() -> None:
    assert token_text(None, 7) == "7"


def test_every_byte_of_the_alphabet_has_a_readable_text() -> None:
    tokenizer = byte_tokenizer()
    for identity in range(len(tokenizer)):
        text = token_text(tokenizer, identity)
        assert text
        assert text.isprintable()
        assert "\ufffd" not in text
