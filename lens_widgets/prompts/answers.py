"""Answers of prompts: which next tokens are right, and which are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError, UnusableError, shown
from lens_widgets.prompts.rows import check_text, text_ids
from lens_widgets.prompts.token_text import token_text

_EXAMPLE = (
    'For example answers=[(" Mary", " John")]. Several go in lists: [([" Mary"], [" John"])].'
)


class SpaceQuestion(InputError):
    """An answer lacks the space in front that the model expects, or has one too many."""


@dataclass(frozen=True)
class Spacing:
    """An answer given as text that is one token with a space in front, and another without.

    Attributes:
        argument: what it is called in errors.
        prompt: whose answer it is.
        text: as it was given.
        token: its id.
        other: the same with the space, or without it, that it was not given with.
        other_token: the id of that.
    """

    argument: str
    prompt: int
    text: str
    token: int
    other: str
    other_token: int


@dataclass(frozen=True, eq=False)
class Answers:
    """The correct and the wrong next tokens of each prompt.

    Attributes:
        correct: token ids of each prompt's correct answers, at least one.
        wrong: those of the wrong ones; of all prompts or of none.
        tokens: both in one tensor, the correct ones first.
        weights: what the answer's logit counts in the logit difference: 1 over their number for
            correct answers, minus that for wrong ones, 0 where a row is filled up.
        spacings: those that may have been meant with a space in front, or without.
    """

    correct: tuple[tuple[int, ...], ...]
    wrong: tuple[tuple[int, ...], ...]
    tokens: Int[Tensor, "prompt answer"]
    weights: Float[Tensor, "prompt answer"]
    spacings: tuple[Spacing, ...] = ()

    @classmethod
    def of(cls, correct: Sequence[Sequence[int]], wrong: Sequence[Sequence[int]]) -> Answers:
        """Answers of these ids, on the host."""
        rows = [[*good, *bad] for good, bad in zip(correct, wrong, strict=True)]
        shares = [
            [*([1 / len(good)] * len(good)), *([-1 / len(bad)] * len(bad) if bad else ())]
            for good, bad in zip(correct, wrong, strict=True)
        ]
        longest = max(len(row) for row in rows)
        return cls(
            tuple(tuple(ids) for ids in correct),
            tuple(tuple(ids) for ids in wrong),
            torch.tensor([row + row[:1] * (longest - len(row)) for row in rows], device="cpu"),
            torch.tensor([row + [0.0] * (longest - len(row)) for row in shares], device="cpu"),
        )

    @property
    def have_wrong(self) -> bool:
        """Whether there are wrong answers to compare with."""
        return bool(self.wrong[0])

    @property
    def are_pairs(self) -> bool:
        """Whether each prompt has one correct and one wrong answer."""
        return all(len(ids) == 1 for ids in (*self.correct, *self.wrong))

    @property
    def correct_weights(self) -> Float[Tensor, "prompt answer"]:
        """The same weights without the wrong answers: a mean over the correct ones."""
        return self.weights.clamp(min=0)

    def to(self, device: torch.device) -> Answers:
        """The same answers on another device."""
        return replace(self, tokens=self.tokens.to(device), weights=self.weights.to(device))

    def of_prompts(self, rows: slice) -> Answers:
        """Those of some of the prompts."""
        return replace(
            self,
            correct=self.correct[rows],
            wrong=self.wrong[rows],
            tokens=self.tokens[rows],
            weights=self.weights[rows],
            spacings=(),
        )

    def replaced(self, prompt: int, correct: Any, wrong: Any) -> list[tuple[Any, Any]]:
        """Answers of all prompts, those of one replaced, as ``make_answers`` takes them."""
        entries: list[tuple[Any, Any]] = list(zip(self.correct, self.wrong, strict=True))
        entries[prompt] = (correct, wrong)
        return entries


def make_answers(model: TransformerModel, answers: Any, n_prompts: int) -> Answers:
    """Answers as ``Session`` takes them: one entry for each prompt, or one for all.

    An entry is ``(correct, wrong)``, of which each is a token (text or id) or a list of tokens, or
    a correct token alone. InputError for anything else, and for what is not one token.
    """
    entries = _entries(answers, n_prompts)
    if len(entries) == 1 and n_prompts > 1:
        entries = entries * n_prompts
    if len(entries) != n_prompts:
        raise InputError(
            f"answers has {len(entries)} entries for {n_prompts} prompts.",
            "Give one (correct, wrong) pair for each prompt, or one for all.",
        )
    correct, wrong = (
        [
            [
                answer_id(model, token, _named(i, j, k, len(entry[j])))
                for k, token in enumerate(entry[j])
            ]
            for i, entry in enumerate(entries)
        ]
        for j in (0, 1)
    )
    if len({bool(ids) for ids in wrong}) > 1:
        lacking = [bool(ids) for ids in wrong].index(False)
        raise InputError(
            f"answers[{lacking}] has no wrong answer, and others have.",
            "Give wrong answers for every prompt or for none.",
        )
    found = Answers.of(correct, wrong)
    return replace(found, spacings=_spacings(model, entries, found))


def _spacings(
    model: TransformerModel, entries: Sequence[Entry], answers: Answers
) -> tuple[Spacing, ...]:
    found = []
    for prompt, entry in enumerate(entries):
        for side, ids in enumerate((answers.correct[prompt], answers.wrong[prompt])):
            for index, (token, given) in enumerate(zip(ids, entry[side], strict=True)):
                if not isinstance(given, str):
                    continue
                text = given[1:] if given.startswith(" ") else f" {given}"
                other = text_ids(model, text) if text.strip() else []
                if len(other) == 1 and other[0] != token and other[0] < n_outputs(model):
                    name = _named(prompt, side, index, len(ids))
                    found.append(Spacing(name, prompt, given, token, text, other[0]))
    return tuple(found)


def answer_id(model: TransformerModel, answer: str | int, argument: str) -> int:
    """The token id of an answer; InputError when it is not exactly one token of the model."""
    highest = n_outputs(model) - 1
    if isinstance(answer, int):
        if 0 <= answer <= highest:
            return answer
        raise UnusableError(
            f"{argument} is token id {answer}; ids run from 0 to {highest}.",
            "Use an id of this model's tokenizer, or the token as a string.",
            reason="unknown token",
        )
    if model.tokenizer is None:
        raise InputError(
            f"{argument}={answer!r}: this model has no tokenizer.", "Give the answer as a token id."
        )
    check_text(answer, argument)
    ids = text_ids(model, answer)
    if len(ids) == 1 and 0 <= ids[0] <= highest:
        return ids[0]
    if len(ids) == 1:
        raise UnusableError(
            f"{argument}={answer!r} is token id {ids[0]}; ids run from 0 to {highest}.",
            "The tokenizer knows it and the model has no logit for it: choose another token.",
            reason="unknown token",
        )
    pieces = ", ".join(f"'{token_text(model.tokenizer, i)}'" for i in ids) or "none"
    bare = answer.strip(" ")
    hint = "Choose an answer that is a single token."
    if bare and f" {bare}" != answer and len(text_ids(model, f" {bare}")) == 1:
        hint = f"Write it with a leading space: {f' {bare}'!r} is a single token."
    elif bare and bare != answer and len(text_ids(model, bare)) == 1:
        # SentencePiece puts a space of its own before a text.
        hint = f"Write it without the space: {bare!r} is a single token."
    raise UnusableError(
        f"{argument}={answer!r} is {len(ids)} tokens ({pieces}), not one.",
        hint,
        reason="answer of several tokens" if ids else "no answers",
    )


def written(model: TransformerModel, token: int) -> str | None:
    """A token as text that is this one token again; None for one that cannot be written."""
    if model.tokenizer is None:
        return None
    text = str(model.tokenizer.decode([token], clean_up_tokenization_spaces=False))
    return text if text and text_ids(model, text) == [token] else None


def n_outputs(model: TransformerModel) -> int:
    """How many tokens the model has logits for: of some fewer than it has embeddings for."""
    return int(getattr(model.cfg, "d_vocab_out", 0) or model.cfg.d_vocab)


Token = Any
Entry = tuple[list[Token], list[Token]]
"""Correct and wrong answers of one prompt, as they were given."""


def _entries(answers: Any, n_prompts: int) -> list[Entry]:
    if _is_token(answers):
        return [_entry(answers, answers)]
    answers = _listed(answers)
    if isinstance(answers, tuple) and len(answers) == 2 and any(_is_token(x) for x in answers):
        return [_entry(answers, answers)]
    if not isinstance(answers, (list, tuple)) or not answers:
        raise _not_answers(answers)
    flat = all(_is_token(x) for x in answers)
    lists = isinstance(answers, tuple) and all(isinstance(x, list) for x in answers)
    if len(answers) == n_prompts == 2 and (flat or lists):
        # One pair for both prompts, or one entry for each: the numbers would differ, so it asks.
        raise InputError(
            f"answers={shown(answers)} can be one (correct, wrong) pair for both prompts, or one "
            "entry for each.",
            "Write [(correct, wrong)] for one pair, [(correct,), (correct,)] for single answers, "
            "[(correct, wrong), (correct, wrong)] for a pair each.",
        )
    return [_entry(x, answers) for x in answers]


def _entry(entry: Any, answers: Any) -> Entry:
    if _is_token(entry):
        return [_plain(entry)], []
    parts = _listed(entry)
    if not isinstance(parts, (list, tuple)) or not 1 <= len(parts) <= 2:
        raise _not_answers(answers)
    sets = [[part] if _is_token(part) else _listed(part) for part in parts]
    for tokens in sets:
        if not isinstance(tokens, (list, tuple)) or not all(_is_token(x) for x in tokens):
            raise _not_answers(answers)
    correct, wrong = [[_plain(x) for x in tokens] for tokens in (*sets, [])[:2]]
    if not correct:
        raise _not_answers(answers)
    return correct, wrong


def _not_answers(answers: Any) -> InputError:
    return InputError(
        f"answers={shown(answers)} is not a list of (correct, wrong) pairs.", _EXAMPLE
    )


def _listed(value: Any) -> Any:
    """Tensors and arrays as lists."""
    return value.tolist() if isinstance(value, (Tensor, np.ndarray)) else value


def _is_token(value: Any) -> bool:
    if isinstance(value, (Tensor, np.ndarray)):
        return value.ndim == 0 and _is_token(value.item())
    return isinstance(value, (str, int, np.integer)) and not isinstance(value, bool)


def _plain(value: Any) -> str | int:
    if isinstance(value, str):
        return str(value)
    return int(value)


def _named(prompt: int, side: int, index: int, count: int) -> str:
    """How an answer is called in errors."""
    return f"answers[{prompt}][{side}]" + (f"[{index}]" if count > 1 else "")
