"""Prompts as rows of token ids: text tokenized, ids checked, each with where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError, UnusableError, shown
from lens_widgets.prompts.padding import unpadded
from lens_widgets.prompts.token_text import token_text


@dataclass(frozen=True)
class Rows:
    """Prompts of one argument, without padding.

    ``added``: how many tokens in front of each were not in its text, BOS mostly. ``notes``: what a
    reader should know of how they were read. ``template``: the positions of the tokens that a chat
    template wrote, for each prompt that is a conversation; None for one that is not.
    """

    ids: list[list[int]]
    texts: tuple[str, ...]
    added: tuple[int, ...]
    notes: tuple[str, ...] = ()
    template: tuple[tuple[int, ...] | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.template:
            object.__setattr__(self, "template", (None,) * len(self.ids))


def prompt_rows(
    model: TransformerModel,
    prompts: Any,
    argument: str,
    prepend_bos: bool | None,
    mask: Any = None,
    *,
    first: int = 0,
) -> Rows:
    """Strings, token ids [prompt, pos] or lists of ids as rows; errors number them from ``first``.

    ``mask`` is the ``attention_mask`` of ids that come padded to one length.
    """
    ids = _given_ids(prompts, argument)
    if ids is None:
        rows = _text_rows(model, _strings(prompts, argument, first), argument, prepend_bos, first)
        if mask is not None:
            raise InputError(
                f"attention_mask belongs to padded token ids, and {argument} is text.",
                "Leave it out: text is tokenized one prompt at a time and has no padding.",
            )
    else:
        for index, row in enumerate(ids, start=first):
            check_ids(model, row, f"{argument}[{index}]")
        notes: tuple[str, ...] = ()
        if len({len(row) for row in ids}) == 1:
            ids, notes = unpadded(model, ids, argument, mask)
        elif mask is not None:
            raise InputError(
                f"attention_mask belongs to padded token ids, and the lists of {argument} have "
                "different lengths.",
                "Leave it out: lists of different lengths are not padded.",
            )
        rows = Rows(ids, tuple(decoded(model, row) for row in ids), (0,) * len(ids), notes)
    for index, row in enumerate(rows.ids, start=first):
        if len(row) > model.cfg.n_ctx:
            raise UnusableError(
                f"{argument}[{index}] is {len(row)} tokens long; the model's context is "
                f"{model.cfg.n_ctx}.",
                f"Shorten it by {len(row) - model.cfg.n_ctx} tokens.",
                reason="too long",
            )
    return rows


def check_ids(model: TransformerModel, row: Sequence[int], argument: str) -> None:
    """InputError for ids that the model has no embedding for."""
    for token in row:
        if not 0 <= token < model.cfg.d_vocab:
            raise InputError(
                f"{argument} has token id {token}; ids run from 0 to {model.cfg.d_vocab - 1}.",
                "Tokenise with this model's own tokenizer: model.to_tokens(text).",
            )


def check_text(text: str, argument: str) -> None:
    """InputError for text with a lone surrogate, which no tokenizer can encode."""
    for index, character in enumerate(text):
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise UnusableError(
                f"{argument} has the character U+{ord(character):04X} at {index}: half of a "
                "surrogate pair, which is no text.",
                "Take it out, or decode the text again from its bytes.",
                reason="not text",
            )


def text_ids(model: TransformerModel, text: str) -> list[int]:
    """The ids of a text by itself, nothing added."""
    return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])


def decoded(model: TransformerModel, row: list[int]) -> str:
    """The text of token ids, without BOS in front, as an editor begins with it."""
    if model.tokenizer is None:
        return " ".join(map(str, row))
    bos = model.tokenizer.bos_token_id
    body = row[1:] if row and row[0] == bos else row
    return str(model.tokenizer.decode(body, clean_up_tokenization_spaces=False))


# --- text ---------------------------------------------------------------------------------------


def _text_rows(
    model: TransformerModel,
    strings: list[str],
    argument: str,
    prepend_bos: bool | None,
    first: int,
) -> Rows:
    if model.tokenizer is None:
        raise InputError(
            f"{argument}: this model has no tokenizer, so text cannot be tokenised.",
            "Pass a tensor of token ids [prompt, pos], or boot the model with tokenizer=...",
        )
    ids: list[list[int]] = []
    added: list[int] = []
    for index, text in enumerate(strings, start=first):
        row, n_added = _tokenized(model, text, prepend_bos)
        if not row:
            raise UnusableError(
                f"{argument}[{index}] has no tokens.",
                "Write at least one token.",
                reason="no tokens",
            )
        unknown = [token for token in row if not 0 <= token < model.cfg.d_vocab]
        if unknown:
            raise UnusableError(
                f"{argument}[{index}] has token id {unknown[0]} "
                f"({token_text(model.tokenizer, unknown[0])}); ids run from 0 to "
                f"{model.cfg.d_vocab - 1}.",
                "The tokenizer knows it and the model has no embedding for it: leave it out.",
                reason="unknown token",
            )
        ids.append(row)
        added.append(n_added)
    return Rows(ids, tuple(strings), tuple(added))


def _tokenized(
    model: TransformerModel, text: str, prepend_bos: bool | None
) -> tuple[list[int], int]:
    """The ids of a prompt, and how many in front are not of its text.

    Text that begins with BOS, as chat templates write it, does not get another.
    """
    own = text_ids(model, text)
    begins = bool(own) and own[0] == model.tokenizer.bos_token_id
    row = model.to_tokens(text, False if begins else prepend_bos, truncate=False)[0].tolist()
    for n_added in range(len(row)):
        rest = row[n_added:]
        if rest[: len(own)] == own:
            return row, n_added
        # Of a tokenizer that ends texts with EOS, to_tokens takes off the text's own as well.
        if rest == own[: len(rest)] and set(own[len(rest) :]) == {model.tokenizer.eos_token_id}:
            return row[:n_added] + own, n_added
    # A tokenizer that joins what is put in front with the text.
    return row, 0


def _strings(prompts: Any, argument: str, first: int) -> list[str]:
    if isinstance(prompts, str):
        prompts = [prompts]
    if isinstance(prompts, np.ndarray):
        prompts = prompts.tolist()
    if not isinstance(prompts, Sequence) or not all(isinstance(text, str) for text in prompts):
        came = type(prompts).__name__
        if isinstance(prompts, Sequence):
            came = f"{came} of {', '.join(sorted({type(text).__name__ for text in prompts}))}"
        raise InputError(
            f"{argument} must be a string, a list of strings or a tensor of token ids; got {came}.",
            'For example ["When John and Mary went to the shops, John gave the bag to"].',
        )
    if not prompts:
        raise InputError(f"{argument} is an empty list.", "Pass at least one prompt.")
    for index, text in enumerate(prompts, start=first):
        if not text:
            raise UnusableError(
                f"{argument}[{index}] is an empty string.", "Write some text.", reason="no tokens"
            )
        check_text(text, f"{argument}[{index}]")
    return list(prompts)


# --- ids ----------------------------------------------------------------------------------------


def _given_ids(prompts: Any, argument: str) -> list[list[int]] | None:
    """Token ids as lists, of a tensor, an array or lists of ids; None for anything else."""
    if isinstance(prompts, np.ndarray) and prompts.dtype.kind in "biuf":
        prompts = torch.from_numpy(prompts)
    if isinstance(prompts, Tensor):
        return _tensor_rows(prompts, argument)
    if not isinstance(prompts, Sequence) or isinstance(prompts, (str, bytes)) or not prompts:
        return None
    if not all(_is_row(row) for row in prompts):
        return None
    rows = [row.tolist() if isinstance(row, (Tensor, np.ndarray)) else list(row) for row in prompts]
    for index, row in enumerate(rows):
        if not row:
            raise InputError(f"{argument}[{index}] has no tokens.", "Pass at least one token.")
        wrong = [token for token in row if not _is_int(token)]
        if wrong:
            raise InputError(
                f"{argument}[{index}] has {shown(wrong[0])}, which is no token id.",
                "Use model.to_tokens(text).",
            )
    return [[int(token) for token in row] for row in rows]


def _is_row(row: Any) -> bool:
    if isinstance(row, (Tensor, np.ndarray)):
        return row.ndim == 1
    return isinstance(row, Sequence) and not isinstance(row, (str, bytes))


def _is_int(token: Any) -> bool:
    return isinstance(token, (int, np.integer)) and not isinstance(token, bool)


def _tensor_rows(tokens: Tensor, argument: str) -> list[list[int]]:
    if tokens.dim() == 1:
        tokens = tokens[None]
    if tokens.dim() != 2 or tokens.is_floating_point() or tokens.dtype == torch.bool:
        raise InputError(
            f"{argument} must hold integer token ids of shape [prompt, pos]; got {tokens.dtype} "
            f"of shape {list(tokens.shape)}.",
            "Use model.to_tokens(text).",
        )
    if tokens.numel() == 0:
        raise InputError(
            f"{argument} is empty: shape {list(tokens.shape)}.", "Pass at least one token."
        )
    rows: list[list[int]] = tokens.tolist()
    return rows
