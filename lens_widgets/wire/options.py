"""The type and default of every view option, read from ``protocol.Options``."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typing_extensions import get_type_hints

from lens_widgets.wire import protocol

_ZEROS: dict[Any, Any] = {int: 0, float: 0.0, str: "", bool: False}


@cache
def option_types() -> dict[str, tuple[Any, Any]]:
    """Every option's annotation, without its default, and its default."""
    hints = get_type_hints(protocol.Options, include_extras=True)
    return {name: _split(hint) for name, hint in hints.items()}


def _split(hint: Any) -> tuple[Any, Any]:
    if get_origin(hint) is Annotated:
        inner, default = get_args(hint)
        return inner, default
    return hint, _default(hint)


def _default(hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType) and NoneType in args:
        return None
    if origin is Literal:
        return args[0]
    if origin is list:
        return []
    if hint in _ZEROS:
        return _ZEROS[hint]
    raise TypeError(
        f"{hint!r} cannot be an option; use a Literal, int, float, str, bool, a list or | None"
    )
