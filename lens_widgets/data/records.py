"""One record of a data set: a prompt with its answers, its corrupted partner and its group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lens_widgets.errors import InputError, UnusableError, check_choice, listed, shown

FIELDS = ("prompt", "answers", "correct", "wrong", "corrupted", "group")
"""What a column can be; ``correct`` and ``wrong`` are the two halves of ``answers``."""

Token = str | int


@dataclass(frozen=True)
class Record:
    """What a session is given of one prompt.

    Attributes:
        prompt: its text.
        correct: its correct answers, text of one token each or token ids; none where it has none.
        wrong: its wrong answers.
        corrupted: the text of its partner, or None.
        group: the name of its group, "" without one.
    """

    prompt: str
    correct: tuple[Token, ...] = ()
    wrong: tuple[Token, ...] = ()
    corrupted: str | None = None
    group: str = ""

    @property
    def answers_json(self) -> str:
        """``[[correct, ...], [wrong, ...]]`` or ``null``, as stored values have it."""
        return json.dumps([self.correct, self.wrong] if self.correct else None, ensure_ascii=False)

    @classmethod
    def stored(cls, prompt: str, answers: str, corrupted: str, group: str) -> Record:
        """The record of the four texts that are stored of it."""
        correct, wrong = json.loads(answers) or ((), ())
        return cls(prompt, tuple(correct), tuple(wrong), corrupted or None, group)


@dataclass(frozen=True)
class Unusable:
    """A record that is set aside.

    Attributes:
        record: its index in the data set, from 0.
        reason: why, in words that are the same for all of its kind.
        message: why this one, in a sentence.
    """

    record: int
    reason: str
    message: str


def check_columns(columns: Any) -> dict[str, str]:
    """The mapping from names of columns to fields of a record; InputError for what is none."""
    if columns is None:
        return {}
    example = 'For example columns={"sentence": "prompt", "label": "answers"}.'
    if not isinstance(columns, Mapping):
        raise InputError(f"columns={shown(columns)} is no mapping from names to fields.", example)
    for name, field in columns.items():
        if not isinstance(name, str):
            raise InputError(f"columns has the name {shown(name)}, which is no text.", example)
        check_choice(f"columns[{name!r}]", field, FIELDS)
    fields = list(columns.values())
    twice = [field for field in FIELDS if fields.count(field) > 1]
    if twice:
        raise InputError(f"columns names {listed(twice)} twice.", example)
    if "answers" in fields and {"correct", "wrong"} & set(fields):
        raise InputError(
            "columns names answers, and correct or wrong as well.",
            "Give answers as one column of pairs, or as two columns.",
        )
    return dict(columns)


def read_record(row: Any, columns: Mapping[str, str]) -> Record:
    """A record of what a data set gives for it; UnusableError for what cannot be one."""
    if isinstance(row, Record):
        return row
    if not isinstance(row, Mapping):
        raise UnusableError(
            f"It is {shown(row)}, not a mapping with a prompt.",
            'A record is, for example, {"prompt": "...", "answers": [" Mary", " John"]}.',
            reason="broken record",
        )
    given = {field: row[name] for name, field in columns.items() if name in row}
    for field in FIELDS:
        if field not in columns.values() and field in row:
            given[field] = row[field]
    prompt = _text(given, "prompt")
    if not prompt:
        wanted = next((name for name, field in columns.items() if field == "prompt"), "prompt")
        raise UnusableError(
            f"It has no {wanted!r}; it has {listed(map(str, row)) if row else 'nothing'}.",
            'Say in columns= which column is the prompt: columns={"sentence": "prompt"}.',
            reason="no prompt",
        )
    correct, wrong = _answers(given)
    return Record(
        prompt, correct, wrong, _text(given, "corrupted") or None, _group(given.get("group"))
    )


def _text(given: Mapping[str, Any], field: str) -> str:
    value = given.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnusableError(
            f"{field}={shown(value)} is no text.", "Give prompts as text.", reason="not text"
        )
    return value


def _group(value: object) -> str:
    # Half of a surrogate pair is no text and cannot be stored.
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


def _answers(given: Mapping[str, Any]) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    answers = given.get("answers")
    if answers is None:
        correct, wrong = _tokens(given.get("correct")), _tokens(given.get("wrong"))
        if wrong and not correct:
            raise _not_answers(given.get("wrong"))
        return correct, wrong
    if isinstance(answers, (str, int)):
        return _tokens(answers), ()
    parts = list(answers) if isinstance(answers, Sequence) else []
    if len(parts) not in (1, 2):
        raise _not_answers(answers)
    correct, wrong = (_tokens(part) for part in (*parts, None)[:2])
    if not correct:
        raise _not_answers(answers)
    return correct, wrong


def _tokens(value: Any) -> tuple[Token, ...]:
    if value is None:
        return ()
    values = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(x, (str, int)) and not isinstance(x, bool) for x in values):
        raise _not_answers(value)
    return tuple(values)


def _not_answers(value: object) -> UnusableError:
    return UnusableError(
        f"answers={shown(value)} is no pair of correct and wrong answers.",
        'For example [" Mary", " John"]; several go in lists: [[" Mary"], [" John", " Tom"]].',
        reason="no answers",
    )
