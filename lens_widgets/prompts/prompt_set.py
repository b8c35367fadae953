"""Prompts as the model sees them: checked, tokenised, padded on the right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lens_widgets.engine.model import TransformerModel, home
from lens_widgets.errors import InputError, UnusableError, shown
from lens_widgets.prompts.answers import Answers, make_answers, n_outputs
from lens_widgets.prompts.chat import are_messages, chat_rows
from lens_widgets.prompts.padding import fill_id, padded
from lens_widgets.prompts.pairs import PromptPairs
from lens_widgets.prompts.rows import Rows, check_ids, prompt_rows
from lens_widgets.prompts.span import Span


@dataclass(frozen=True, eq=False)
class PromptSet:
    """One session's prompts. Immutable: changing a prompt makes a new set.

    Prompts of different lengths are padded on the right, where causal attention never looks, so
    padding changes no number at a real position. ``added`` counts the tokens in front of each
    prompt that are not in its text; ``template`` has the positions of those that a chat template
    wrote, None for a prompt that is no conversation; ``n_logits`` the tokens that the model can
    predict, the first ones; ``notes`` say what was taken as padding; ``spans`` are the names that
    positions have.
    """

    tokens: Int[Tensor, "prompt pos"]
    lengths: Int[Tensor, "prompt"]
    answers: Answers | None
    corrupted_tokens: Int[Tensor, "prompt pos"] | None
    texts: tuple[str, ...]
    corrupted_texts: tuple[str, ...] | None
    added: tuple[int, ...]
    template: tuple[tuple[int, ...] | None, ...]
    n_logits: int
    notes: tuple[str, ...]
    spans: tuple[Span, ...] = ()

    @property
    def n_prompts(self) -> int:
        return int(self.tokens.shape[0])

    @cached_property
    def positions(self) -> Int[Tensor, "prompt"]:
        """The last real position of each prompt: where the answer is read."""
        return self.lengths - 1

    @property
    def answer_tokens(self) -> Int[Tensor, "prompt answer"] | None:
        """Token ids of each prompt's answers, (correct, wrong) where they are pairs; or None."""
        return None if self.answers is None else self.answers.tokens

    @property
    def attention_mask(self) -> Int[Tensor, "prompt pos"] | None:
        """1 at real positions; None when nothing is padded."""
        if bool((self.lengths == self.tokens.shape[1]).all()):
            return None
        positions = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        return (positions[None, :] < self.lengths[:, None]).long()

    @property
    def predicted(self) -> Bool[Tensor, "prompt pos"]:
        """Where a prompt has a next token, and the model a logit for it."""
        positions = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        following = self.tokens.roll(-1, dims=1)
        return (positions < self.positions[:, None]) & (following < self.n_logits)

    def rows(self, *, corrupted: bool = False) -> list[list[int]]:
        """The token ids of each prompt, or of each corrupted one, without padding."""
        tokens = self.corrupted_tokens if corrupted else self.tokens
        assert tokens is not None
        lengths = self.lengths.tolist()
        return [row[:length] for row, length in zip(tokens.tolist(), lengths, strict=True)]

    def to(self, device: torch.device) -> PromptSet:
        """The same prompts on another device."""
        answers, corrupted = self.answers, self.corrupted_tokens
        return replace(
            self,
            tokens=self.tokens.to(device),
            lengths=self.lengths.to(device),
            answers=None if answers is None else answers.to(device),
            corrupted_tokens=None if corrupted is None else corrupted.to(device),
        )

    def check_span(self, span: Span) -> None:
        """InputError for a span of other prompts."""
        lengths = self.lengths.tolist()
        if len(span.places) != len(lengths) or any(
            place >= length
            for row, length in zip(span.places, lengths, strict=True)
            for place in row
        ):
            raise InputError(
                f"positions: the span {span.name} is one of other prompts.",
                "Make lw.Spans of the session's prompts.",
            )

    def real(self, activation: Float[Tensor, "prompt pos *axes"]) -> Float[Tensor, "n *axes"]:
        """What is no padding."""
        mask = self.attention_mask
        return activation.flatten(0, 1) if mask is None else activation[mask.bool()]

    def of_prompts(self, rows: slice) -> PromptSet:
        """Some of the prompts as a set of their own, as wide as this one."""
        answers, tokens, texts = self.answers, self.corrupted_tokens, self.corrupted_texts
        return replace(
            self,
            tokens=self.tokens[rows],
            lengths=self.lengths[rows],
            answers=None if answers is None else answers.of_prompts(rows),
            corrupted_tokens=None if tokens is None else tokens[rows],
            texts=self.texts[rows],
            corrupted_texts=None if texts is None else texts[rows],
            added=self.added[rows],
            template=self.template[rows],
            spans=tuple(span.of_prompts(rows) for span in self.spans),
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
    prompts: Any = None,
    *,
    messages: Any = None,
    answers: Any = None,
    corrupted: Any = None,
    prepend_bos: bool | None = None,
    attention_mask: Any = None,
) -> PromptSet:
    """Checks and tokenises everything at once; raises InputError and changes nothing otherwise.

    Prompts are ``prompts`` or ``messages``; ``corrupted`` can be either. ``attention_mask`` is that
    of ``prompts`` and, where they are token ids too, of ``corrupted``.
    """
    _check_one_given(prompts, messages, attention_mask)
    if isinstance(prompts, PromptPairs):
        answers = prompts.answers if answers is None else answers
        corrupted = prompts.corrupted if corrupted is None else corrupted
        prompts = prompts.prompts
    if messages is not None:
        rows = chat_rows(model, messages, "messages", prepend_bos)
    else:
        rows = prompt_rows(model, prompts, "prompts", prepend_bos, attention_mask)
    others: Rows | None = None
    if are_messages(corrupted):
        others = chat_rows(model, corrupted, "corrupted", prepend_bos)
    elif corrupted is not None:
        bos = prepend_bos if messages is None else bool(prepend_bos)
        others = prompt_rows(model, corrupted, "corrupted", bos, attention_mask)
    if others is not None:
        _check_same_shape(rows.ids, others.ids)
    return _assembled(model, rows, answers, others)


def saved_prompt_set(
    model: TransformerModel,
    rows: Rows,
    *,
    answers: Any,
    corrupted: Rows | None,
    spans: tuple[Span, ...] = (),
) -> PromptSet:
    """A set from its parts; InputError when they do not belong together or to this model."""
    for argument, group in (("prompts", rows), ("corrupted", corrupted)):
        if group is None:
            continue
        for index, row in enumerate(group.ids):
            check_ids(model, row, f"{argument}[{index}]")
        if not group.ids or not len(group.ids) == len(group.texts) == len(group.added):
            raise InputError(f"{argument}: tokens and texts do not belong together.")
        if len(group.template) != len(group.ids) or not all(
            0 <= pos < len(row)
            for row, positions in zip(group.ids, group.template, strict=True)
            for pos in positions or ()
        ):
            raise InputError(f"{argument}: the chat template's tokens are not among the prompt's.")
        if not all(group.ids) or not all(
            0 <= n < len(row) for n, row in zip(group.added, group.ids, strict=True)
        ):
            raise InputError(f"{argument}: a prompt has no tokens of its own.")
    if corrupted is not None:
        _check_same_shape(rows.ids, corrupted.ids)
    found = _assembled(model, rows, answers, corrupted)
    for span in spans:
        found.check_span(span)
    return replace(found, spans=spans)


@dataclass(frozen=True)
class Edit:
    """What one prompt becomes: text or token ids (``prompt``) or a conversation (``messages``).

    ``corrupted`` can be either; None keeps the corrupted prompt. ``answers`` are those of all
    prompts.
    """

    index: int
    prompt: Any = None
    messages: Any = None
    answers: Any = None
    corrupted: Any = None

    def __post_init__(self) -> None:
        if (self.prompt is None) == (self.messages is None):
            raise InputError(
                "edit_prompt takes a prompt or messages: one of them.",
                'For example session.edit_prompt(0, "When John and Mary went to").',
            )
        if self.messages is not None and not are_messages(self.messages):
            raise InputError(
                f"messages={shown(self.messages)} is no conversation.",
                'For example messages=[{"role": "user", "content": "Who wrote Emma?"}].',
            )


def edited_prompt_set(
    model: TransformerModel, prompts: PromptSet, given: Edit, prepend_bos: bool | None
) -> PromptSet:
    """``prompts`` with one of them replaced; the tokens of the others stay what they are."""
    index = given.index
    was_chat = prompts.template[index] is not None

    def edited(argument: str, before: Rows, value: Any) -> Rows:
        if value is None:
            return before
        new = _one_row(model, value, argument, index, was_chat, prepend_bos)

        def replaced(values: Any, value: Any) -> list[Any]:
            return [value if i == index else old for i, old in enumerate(values)]

        return Rows(
            replaced(before.ids, new.ids[0]),
            tuple(replaced(before.texts, new.texts[0])),
            tuple(replaced(before.added, new.added[0])),
            before.notes,
            tuple(replaced(before.template, new.template[0])),
        )

    rows = Rows(prompts.rows(), prompts.texts, prompts.added, prompts.notes, prompts.template)
    rows = edited("prompts", rows, given.messages if given.prompt is None else given.prompt)
    others = None
    if prompts.corrupted_tokens is not None and prompts.corrupted_texts is not None:
        # The notes of both are in the set's.
        others = Rows(prompts.rows(corrupted=True), prompts.corrupted_texts, prompts.added)
        others = edited("corrupted", others, given.corrupted)
        _check_same_shape(rows.ids, others.ids)
    made = _assembled(model, rows, given.answers, others)
    before, after = prompts.rows()[index], rows.ids[index]
    spans = tuple(span.edited(index, before, after) for span in prompts.spans)
    lost = [
        f"Span {new.name} is nowhere in prompt {index + 1} since it was edited."
        for old, new in zip(prompts.spans, spans, strict=True)
        if old.places[index] and not new.places[index]
    ]
    return replace(made, spans=spans, notes=(*made.notes, *lost))


def _one_row(
    model: TransformerModel,
    value: Any,
    argument: str,
    index: int,
    was_chat: bool,
    prepend_bos: bool | None,
) -> Rows:
    """One new prompt, of whichever kind."""
    if are_messages(value):
        return chat_rows(model, value, "messages", prepend_bos)
    # What a chat template wrote is whole: nothing is put before it unless that was asked for.
    bos = bool(prepend_bos) if was_chat and isinstance(value, str) else prepend_bos
    ids = value.tolist() if isinstance(value, Tensor) else value
    row = prompt_rows(model, [ids], argument, bos, first=index)
    # Edited text stays a conversation, of which nobody knows any more who wrote what.
    return replace(row, template=((),)) if was_chat and isinstance(value, str) else row


def _assembled(
    model: TransformerModel, rows: Rows, answers: Any, corrupted: Rows | None
) -> PromptSet:
    found = None if answers is None else make_answers(model, answers, len(rows.ids))
    device = home(model)
    fill = fill_id(model)
    return PromptSet(
        tokens=padded(rows.ids, fill, device),
        lengths=torch.tensor([len(row) for row in rows.ids], device=device),
        answers=None if found is None else found.to(device),
        corrupted_tokens=None if corrupted is None else padded(corrupted.ids, fill, device),
        texts=rows.texts,
        corrupted_texts=None if corrupted is None else corrupted.texts,
        added=rows.added,
        template=rows.template,
        n_logits=n_outputs(model),
        notes=(*rows.notes, *(() if corrupted is None else corrupted.notes)),
    )


def _check_one_given(prompts: Any, messages: Any, mask: Any) -> None:
    if messages is None and prompts is None:
        raise InputError(
            "prompts is missing.",
            'Pass text, as ["When John and Mary went to the shops, John gave the bag to"], or a '
            "conversation in messages=.",
        )
    if messages is not None and prompts is not None:
        raise InputError(
            "prompts and messages were both given.",
            "Pass text in prompts, or conversations in messages.",
        )
    if messages is None and are_messages(prompts):
        raise InputError(
            "prompts holds messages.", "Pass them by name: Session(model, messages=[...])."
        )
    if messages is not None and mask is not None:
        raise InputError(
            "attention_mask belongs to padded token ids, and messages are text.", "Leave it out."
        )


def _check_same_shape(rows: list[list[int]], corrupted: list[list[int]]) -> None:
    if len(rows) != len(corrupted):
        raise InputError(
            f"corrupted has {len(corrupted)} prompts, prompts has {len(rows)}.",
            "Give one corrupted prompt for each prompt.",
        )
    for index, (row, other) in enumerate(zip(rows, corrupted, strict=True)):
        if len(row) != len(other):
            raise UnusableError(
                f"corrupted[{index}] is {len(other)} tokens long, prompts[{index}] is {len(row)}.",
                "Patching moves activations position by position: make both the same length.",
                reason="pair of unequal lengths",
            )
