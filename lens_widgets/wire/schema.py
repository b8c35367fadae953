"""Checks values against the ``TypedDict`` classes of ``protocol.py``."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

from lens_widgets.errors import shown
from lens_widgets.wire.messages import FieldError

MAX_INTEGER = 2**53 - 1


def check(schema: Any, value: Any, path: str = "message") -> None:
    """Raises FieldError at the first place where ``value`` does not fit ``schema``."""
    if is_typeddict(schema):
        _check_fields(schema, value, path)
        return
    origin, args = get_origin(schema), get_args(schema)
    if schema is Any:
        return
    if origin is Annotated:
        check(args[0], value, path)
        return
    if origin in (Union, types.UnionType):
        _check_union(args, value, path)
    elif origin is Literal:
        if value not in args or not isinstance(value, str):
            raise FieldError(f"{path}={shown(value)} is not one of {', '.join(map(repr, args))}.")
    elif origin is list:
        _expect(isinstance(value, list), path, "a list", value)
        for index, item in enumerate(value):
            check(args[0], item, f"{path}[{index}]")
    elif origin is dict:
        _expect(isinstance(value, dict), path, "an object", value)
        for key, item in value.items():
            check(args[1], item, f"{path}.{key}")
    else:
        _check_plain(schema, value, path)


def _check_fields(schema: Any, value: Any, path: str) -> None:
    _expect(isinstance(value, dict), path, "an object", value)
    hints = get_type_hints(schema)
    for name, hint in hints.items():
        optional = name in schema.__optional_keys__
        if name not in value:
            if optional:
                continue
            raise FieldError(f"{path}.{name} is missing.")
        check(hint, value[name], f"{path}.{name}")
    for name in value:
        if name not in hints:
            raise FieldError(
                f"{path}.{str(name)[:80]} is not a field; it takes {', '.join(hints) or 'none'}."
            )


def _check_union(options: tuple[Any, ...], value: Any, path: str) -> None:
    if value is None and type(None) in options:
        return
    errors: list[FieldError] = []
    for option in options:
        if option is type(None):
            continue
        try:
            check(option, value, path)
        except FieldError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


def _check_plain(schema: Any, value: Any, path: str) -> None:
    if schema is type(None):
        _expect(value is None, path, "null", value)
    elif schema is float:
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        _expect(
            good and value == value and abs(value) != float("inf"), path, "a finite number", value
        )
    elif schema is int:
        good = isinstance(value, int) and not isinstance(value, bool)
        # JavaScript knows no larger ones.
        _expect(good and abs(value) <= MAX_INTEGER, path, "an integer", value)
    elif schema is bool:
        _expect(isinstance(value, bool), path, "true or false", value)
    else:
        _expect(isinstance(value, str), path, "a string", value)


def _expect(good: bool, path: str, wanted: str, came: Any) -> None:
    if not good:
        raise FieldError(f"{path} must be {wanted}; got {shown(came)}.")
