"""Prompts as the model sees them: checked, tokenised, padded on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError
from lens_widgets.prompts.pairs import PromptPairs
from lens_widgets.prompts.token_text import token_text


@dataclass(frozen=True)
class PromptSet:
    """One session's prompts. Immutable: changing a prompt makes a new set.

    Prompts of different lengths are padded on the right, where causal attention never looks, so
    padding changes no number at a real position.
    """

    tokens: Int[Tensor, "prompt pos"]
    lengths: Int[Tensor, "prompt"]
    answer_tokens: Int[Tensor, "prompt 2"] | None
    corrupted_tokens: Int[Tensor, "prompt pos"] | None
    texts: tuple[str, ...]
    corrupted_texts: tuple[str, ...] | None

    @property
    def n_prompts(self) -> int:
        return int(self.tokens.shape[0])

    @property
    def positions(self) -> Int[Tensor, "prompt"]:
        """The last real position of each prompt: where the answer is read."""
        return self.lengths - 1

    @property
    def attention_mask(self) -> Int[Tensor, "prompt pos"] | None:
        """1 at real positions; None when nothing is padded."""
        if bool((self.lengths == self.tokens.shape[1]).all()):
            return None
        positions = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        return (positions[None, :] < self.lengths[:, None]).long()

    def to(self, device: torch.device) -> PromptSet:
        """The same prompts on another device."""
        answers, corrupted = self.answer_tokens, self.corrupted_tokens
        return replace(
            self,
            tokens=self.tokens.to(device),
            lengths=self.lengths.to(device),
            answer_tokens=None if answers is None else answers.to(device),
            corrupted_tokens=None if corrupted is None else corrupted.to(device),
        )

    def corrupted(self) -> PromptSet:
        """The corrupted prompts as a set of their own, with the same answers."""
        if self.corrupted_tokens is None or self.corrupted_texts is None:
            raise InputError(
                "This session has no corrupted prompts.",
                "Give Session(..., corrupted=[...]), one for each prompt and of the same length.",
            )
        return replace(
            self,
            tokens=self.corrupted_tokens,
            texts=self.corrupted_texts,
            corrupted_tokens=None,
            corrupted_texts=None,
        )


def make_prompt_set(
    model: TransformerModel,
    prompts: Any,
    *,
    answers: Any = None,
    corrupted: Any = None,
    prepend_bos: bool | None = None,
) -> PromptSet:
    """Checks and tokenises everything at once; raises InputError and changes nothing otherwise."""
    if isinstance(prompts, PromptPairs):
        answers = prompts.answers if answers is None else answers
        corrupted = prompts.corrupted if corrupted is None else corrupted
        prompts = prompts.prompts
    rows, texts = _rows(model, prompts, "prompts", prepend_bos)
    corrupted_rows: list[list[int]] | None = None
    corrupted_texts: tuple[str, ...] | None = None
    if corrupted is not None:
        corrupted_rows, corrupted_texts = _rows(model, corrupted, "corrupted", prepend_bos)
        _check_same_shape(rows, corrupted_rows)
    return _assembled(model, rows, texts, answers, corrupted_rows, corrupted_texts)


def saved_prompt_set(
    model: TransformerModel,
    rows: list[list[int]],
    texts: tuple[str, ...],
    *,
    answers: list[list[int]] | None,
    corrupted_rows: list[list[int]] | None,
    corrupted_texts: tuple[str, ...] | None,
) -> PromptSet:
    """A set from its parts; InputError when they do not belong together or to this model."""
    for argument, group, names in (
        ("prompts", rows, texts),
        ("corrupted", corrupted_rows, corrupted_texts),
    ):
        if group is None:
            continue
        for index, row in enumerate(group):
            _tensor_rows(
                model, torch.tensor([row], dtype=torch.long, device="cpu"), f"{argument}[{index}]"
            )
        if names is None or len(names) != len(group) or not group:
            raise InputError(f"{argument}: tokens and texts do not belong together.")
    if corrupted_rows is not None:
        _check_same_shape(rows, corrupted_rows)
    return _assembled(model, rows, texts, answers, corrupted_rows, corrupted_texts)


def edited_prompt_set(
    model: TransformerModel,
    prompts: PromptSet,
    index: int,
    text: str,
    *,
    answers: Any = None,
    corrupted: str | None = None,
    prepend_bos: bool | None = None,
) -> PromptSet:
    """``prompts`` with one of them replaced; the tokens of the others stay what they are.

    ``answers`` are those of all prompts. ``corrupted=None`` keeps the corrupted prompt.
    """

    def edited(
        argument: str, tokens: Tensor, texts: tuple[str, ...], text: str | None
    ) -> tuple[list[list[int]], tuple[str, ...]]:
        lengths = prompts.lengths.tolist()
        rows = [row[:length] for row, length in zip(tokens.tolist(), lengths, strict=True)]
        shown = list(texts)
        if text is not None:
            (rows[index],), (shown[index],) = _rows(model, [text], argument, prepend_bos, index)
        return rows, tuple(shown)

    rows, texts = edited("prompts", prompts.tokens, prompts.texts, text)
    if prompts.corrupted_tokens is None or prompts.corrupted_texts is None:
        return _assembled(model, rows, texts, answers, None, None)
    others, other_texts = edited(
        "corrupted", prompts.corrupted_tokens, prompts.corrupted_texts, corrupted
    )
    _check_same_shape(rows, others)
    return _assembled(model, rows, texts, answers, others, other_texts)


def _assembled(
    model: TransformerModel,
    rows: list[list[int]],
    texts: tuple[str, ...],
    answers: Any,
    corrupted_rows: list[list[int]] | None,
    corrupted_texts: tuple[str, ...] | None,
) -> PromptSet:
    answer_tokens = None if answers is None else _answers(model, answers, len(rows))
    device = _device(model)
    pad = _pad_id(model)
    return PromptSet(
        tokens=_padded(rows, pad, device),
        lengths=torch.tensor([len(row) for row in rows], device=device),
        answer_tokens=None if answer_tokens is None else answer_tokens.to(device),
        corrupted_tokens=None if corrupted_rows is None else _padded(corrupted_rows, pad, device),
        texts=texts,
        corrupted_texts=corrupted_texts,
    )


def _device(model: TransformerModel) -> torch.device:
    return next(iter(model.parameters())).device


def _pad_id(model: TransformerModel) -> int:
    pad = getattr(model.tokenizer, "pad_token_id", None) if model.tokenizer is not None else None
    return pad if isinstance(pad, int) and 0 <= pad < model.cfg.d_vocab else 0


def _padded(rows: list[list[int]], pad: int, device: torch.device) -> Tensor:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)


def _rows(
    model: TransformerModel, prompts: Any, argument: str, prepend_bos: bool | None, first: int = 0
) -> tuple[list[list[int]], tuple[str, ...]]:
    """Token ids and texts; errors number the prompts from ``first``."""
    if isinstance(prompts, Tensor):
        rows = _tensor_rows(model, prompts, argument)
        texts = tuple(_decode(model, row) for row in rows)
    else:
        strings = _strings(prompts, argument, first)
        if model.tokenizer is None:
            raise InputError(
                f"{argument}: this model has no tokenizer, so text cannot be tokenised.",
                "Pass a tensor of token ids [prompt, pos], or boot the model with tokenizer=...",
            )
        rows = [model.to_tokens(text, prepend_bos, truncate=False)[0].tolist() for text in strings]
        texts = tuple(strings)
    for index, row in enumerate(rows, start=first):
        if not row:
            raise InputError(f"{argument}[{index}] has no tokens.", "Write at least one token.")
        if len(row) > model.cfg.n_ctx:
            raise InputError(
                f"{argument}[{index}] is {len(row)} tokens long; the model's context is "
                f"{model.cfg.n_ctx}.",
                f"Shorten it by {len(row) - model.cfg.n_ctx} tokens.",
            )
    return rows, texts


def _strings(prompts: Any, argument: str, first: int) -> list[str]:
    if isinstance(prompts, str):
        prompts = [prompts]
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
            raise InputError(f"{argument}[{index}] is an empty string.", "Write some text.")
    return list(prompts)


def _tensor_rows(model: TransformerModel, tokens: Tensor, argument: str) -> list[list[int]]:
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
    for index, row in enumerate(rows):
        for token in row:
            if not 0 <= token < model.cfg.d_vocab:
                raise InputError(
                    f"{argument}[{index}] has token id {token}; ids run from 0 to "
                    f"{model.cfg.d_vocab - 1}.",
                    "Tokenise with this model's own tokenizer: model.to_tokens(text).",
                )
    return [_without_padding(model, row) for row in rows]


def _without_padding(model: TransformerModel, row: list[int]) -> list[int]:
    """Drops padding that is recognisable as such, so that it is put back on the right."""
    tokenizer = model.tokenizer
    pad = getattr(tokenizer, "pad_token_id", None)
    if pad is None or pad in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        return row
    start, end = 0, len(row)
    while start < end - 1 and row[start] == pad:
        start += 1
    while end > start + 1 and row[end - 1] == pad:
        end -= 1
    return row[start:end]


def _decode(model: TransformerModel, row: list[int]) -> str:
    if model.tokenizer is None:
        return " ".join(map(str, row))
    bos = model.tokenizer.bos_token_id
    body = row[1:] if row and row[0] == bos else row
    return str(model.tokenizer.decode(body, clean_up_tokenization_spaces=False))


def _check_same_shape(rows: list[list[int]], corrupted: list[list[int]]) -> None:
    if len(rows) != len(corrupted):
        raise InputError(
            f"corrupted has {len(corrupted)} prompts, prompts has {len(rows)}.",
            "Give one corrupted prompt for each prompt.",
        )
    for index, (row, other) in enumerate(zip(rows, corrupted, strict=True)):
        if len(row) != len(other):
            raise InputError(
                f"corrupted[{index}] is {len(other)} tokens long, prompts[{index}] is {len(row)}.",
                "Patching moves activations position by position: make both the same length.",
            )


def _answers(model: TransformerModel, answers: Any, n_prompts: int) -> Tensor:
    pairs = _pairs(answers)
    if len(pairs) == 1 and n_prompts > 1:
        pairs = pairs * n_prompts
    if len(pairs) != n_prompts:
        raise InputError(
            f"answers has {len(pairs)} pairs for {n_prompts} prompts.",
            "Give one (correct, wrong) pair for each prompt, or one for all.",
        )
    ids = [
        [answer_id(model, token, f"answers[{i}][{j}]") for j, token in enumerate(pair)]
        for i, pair in enumerate(pairs)
    ]
    return torch.tensor(ids, device="cpu")


def _pairs(answers: Any) -> list[tuple[Any, Any]]:
    if isinstance(answers, Tensor):
        answers = answers.tolist()
    if isinstance(answers, tuple) and len(answers) == 2 and _is_answer(answers[0]):
        answers = [answers]
    pairs = list(answers) if isinstance(answers, Sequence) and not isinstance(answers, str) else []
    good = pairs and all(
        isinstance(p, Sequence)
        and not isinstance(p, str)
        and len(p) == 2
        and all(_is_answer(x) for x in p)
        for p in pairs
    )
    if not good:
        raise InputError(
            f"answers={answers!r} is not a list of (correct, wrong) pairs.",
            'For example answers=[(" Mary", " John")].',
        )
    return [(p[0], p[1]) for p in pairs]


def _is_answer(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def answer_id(model: TransformerModel, answer: str | int, argument: str) -> int:
    """The token id of an answer; InputError when it is not exactly one token of the model."""
    if isinstance(answer, int):
        if 0 <= answer < model.cfg.d_vocab:
            return answer
        raise InputError(
            f"{argument} is token id {answer}; ids run from 0 to {model.cfg.d_vocab - 1}.",
            "Use an id of this model's tokenizer, or the token as a string.",
        )
    if model.tokenizer is None:
        raise InputError(
            f"{argument}={answer!r}: this model has no tokenizer.", "Give the answer as a token id."
        )
    ids = _ids(model, answer)
    if len(ids) == 1:
        return ids[0]
    pieces = ", ".join(f"'{token_text(model.tokenizer, i)}'" for i in ids) or "none"
    spaced = " " + answer.lstrip(" ")
    hint = "Choose an answer that is a single token."
    if spaced != answer and len(_ids(model, spaced)) == 1:
        hint = f"Write it with a leading space: {spaced!r} is a single token."
    raise InputError(f"{argument}={answer!r} is {len(ids)} tokens ({pieces}), not one.", hint)


def _ids(model: TransformerModel, text: str) -> list[int]:
    return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])
