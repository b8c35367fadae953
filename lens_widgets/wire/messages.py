"""The messages between a page and the kernel, and how what comes is checked.

A page sends a ``Request`` and gets any number of ``progress`` messages, then exactly one ``reply``
or ``error``; ``Cancel`` stops the running request of a slot. What belongs to one click comes as one
``Batch``, and its answers leave in one message of kind ``batch`` or in few.
"""

# Annotations must be real here: of strings, TypedDict cannot tell what is NotRequired.

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

import msgspec
from typing_extensions import NotRequired, TypedDict

from lens_widgets.errors import InputError, shown

MAX_REPLY_BYTES = 1_000_000
MAX_REQUEST_BYTES = 64_000
MAX_BATCH = 100
"""Requests in one message."""
MAX_PROGRESS_PER_SECOND = 10
MAX_INTEGER = 2**53 - 1
"""JavaScript knows no larger ones."""

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_SURPLUS = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_EXPECTED = re.compile(r"Expected `(?P<kinds>[\w |]*)`, got `.*`$")
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")


class FieldError(InputError):
    """A message with a missing, unknown or wrong field; the message names it."""


class Request(msgspec.Struct, tag="request", tag_field="kind", forbid_unknown_fields=True):
    """``method`` is ``view/question``; ``slot`` is where only the newest request counts."""

    id: str
    slot: str
    seq: int
    method: str
    args: dict[str, Any]


class Cancel(msgspec.Struct, tag="cancel", tag_field="kind", forbid_unknown_fields=True):
    """Stops the running request of a slot; its answer is an error of type ``Cancelled``."""

    slot: str


class Batch(msgspec.Struct, tag="batch", tag_field="kind", forbid_unknown_fields=True):
    """Messages that a page sends at once, handled in their order."""

    messages: list[dict[str, Any]]


class ArrayRef(TypedDict):
    """A buffer's meaning: value = raw * scale + offset, row-major; int8 -128 is no value (NaN).
    ``pool``: each is the largest of a block of so many rows and columns of the last two axes."""

    buffer: int
    dtype: Literal["uint8", "int8", "int32", "float32"]
    shape: list[int]
    scale: float
    offset: float
    pool: NotRequired[list[int]]


class Reply(TypedDict):
    """``revision``: that of the session whose numbers these are."""

    kind: Literal["reply"]
    id: str
    slot: str
    seq: int
    revision: int
    result: dict[str, Any]


class Progress(TypedDict):
    """``waiting``: a cell is running. ``partial`` is the answer as far as it is known."""

    kind: Literal["progress"]
    id: str
    slot: str
    seq: int
    state: Literal["computing", "waiting"]
    done: int
    total: int
    label: str
    partial: NotRequired[dict[str, Any]]


class ErrorInfo(TypedDict):
    """``type`` is ``Superseded`` (a newer request won) or ``Cancelled``, or the exception's
    name."""

    type: str
    message: str
    hint: str


class ErrorMessage(TypedDict):
    kind: Literal["error"]
    id: str
    slot: str
    seq: int
    error: ErrorInfo


class BatchMessage(TypedDict):
    """``buffers``: how many of the message's buffers belong to each of its messages, in order."""

    kind: Literal["batch"]
    messages: list[dict[str, Any]]
    buffers: list[int]


@dataclass(frozen=True)
class Step:
    """What long work yields between its parts; ``partial`` is the answer as far as it is known."""

    done: int
    total: int
    label: str
    partial: Any = None


def checked(schema: Any, value: Any, path: str) -> Any:
    """``value`` as ``schema``, nothing converted; FieldError names the field that does not fit."""
    try:
        found = msgspec.convert(value, schema, strict=True)
        _check_finite(found, value, path)
        return found
    except msgspec.ValidationError as error:
        raise _named(str(error), schema, value, path) from None
    except RecursionError:
        raise FieldError(f"{path} is nested too deeply.") from None


def _check_finite(found: Any, value: Any, path: str) -> None:
    """JSON knows no NaN and no infinity; Python's parser of it does."""
    items = value.items() if isinstance(found, msgspec.Struct) else [("", value)]
    for name, item in items:
        if isinstance(item, float) and not math.isfinite(item):
            field = f"{path}.{name}" if name else path
            raise FieldError(f"{field} must be a finite number; got {shown(item)}.")


def _named(message: str, schema: Any, value: Any, path: str) -> FieldError:
    where = _AT.search(message)
    inside = where["path"] if where else ""
    dot = "" if not inside or inside.startswith("[") else "."
    field = f"{path}{dot}{inside}"
    text = message[: where.start()] if where else message
    if surplus := _SURPLUS.match(text):
        known = ", ".join(getattr(schema, "__struct_fields__", ())) or "none"
        return FieldError(f"{field}.{surplus['name'][:80]} is not a field; it takes {known}.")
    if missing := _MISSING.match(text):
        return FieldError(f"{field}.{missing['name']} is missing.")
    came = _at(value, inside)
    choices = get_args(_hint_at(schema, inside))
    if choices and all(isinstance(choice, str) for choice in choices):
        allowed = ", ".join(map(repr, choices))
        return FieldError(f"{field}={shown(came)} is not one of {allowed}.")
    if expected := _EXPECTED.match(text):
        kinds = [_WORDS.get(k, k) for k in expected["kinds"].split(" | ") if k != "null"]
        return FieldError(f"{field} must be {' or '.join(kinds)}; got {shown(came)}.")
    return FieldError(f"{field}: {text[0].lower()}{text[1:]}; got {shown(came)}.")


def _hint_at(schema: Any, path: str) -> Any:
    """The type of a field such as ``choice.circuit``; None inside of lists."""
    for part in path.split(".") if path else ():
        schema = get_type_hints(schema).get(part) if hasattr(schema, "__annotations__") else None
    return schema


def _at(value: Any, path: str) -> Any:
    """What came at a path such as ``cells[0].layer``."""
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
    return value
