"""Byte-level BPE tokenizers in which chosen words are one token each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD = "<bos>", "<eos>", "<pad>"
SPECIAL_TOKENS: tuple[str, ...] = (BOS, EOS, PAD)


def build_tokenizer(words: Iterable[str], starts: Iterable[str]) -> Tokenizer:
    """Byte-level BPE trained until every given word is a single token.

    Any text can be encoded (the 256 bytes are in the vocabulary) and decodes to itself.

    Args:
        words: single tokens with a leading space.
        starts: single tokens without a leading space.

    Raises:
        RuntimeError: a word did not become one token.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    words, starts = list(words), list(starts)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        # Larger than needed: training ends by itself once every word is merged.
        vocab_size=8192,
        min_frequency=1,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_text(words, starts), trainer)
    bos_id = tokenizer.token_to_id(BOS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, bos_id)]
    )
    for text in [f" {word}" for word in words] + starts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        if len(ids) != 1:
            raise RuntimeError(f"{text!r} should be one token and is {len(ids)}; add it to starts")
    return tokenizer


def _training_text(words: list[str], starts: list[str]) -> Iterator[str]:
    # Without the bare words first, BPE would learn " W", " Wh", " Whe" and never "When".
    for word in starts:
        yield from [word] * 4
    for word in words:
        yield f" {word}"


def load_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """The tokenizer saved at ``path``, ready for TransformerBridge: it prepends ``<bos>``."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(path)),
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="right",
        clean_up_tokenization_spaces=False,
    )
    # TransformerBridge reads both; without them it looks the tokenizer up by name on the Hub.
    tokenizer.init_kwargs.setdefault("name_or_path", "")
    tokenizer.add_bos_token = True  # type: ignore[misc]
    return tokenizer
