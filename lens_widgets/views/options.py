"""Options of views: declared once, as the trait, the constructor's argument and the page's type."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import traitlets


@dataclass(frozen=True)
class Option:
    """What is known of one option of a view."""

    name: str
    hint: Any
    default: Any
    help: str


def option(hint: Any, default: Any, help: str, **limits: Any) -> Any:
    """A synced trait that is an option of the view in whose class it stands.

    Args:
        hint: a Literal of strings, int, float, str, bool, a list of one of these, or one of them
            ``| None``.
        default: what it starts from.
        help: one sentence for the constructor's documentation.
        limits: ``min`` and ``max`` of a number, ``minlen`` and ``maxlen`` of a list, ``pattern``
            of a text together with ``form``, which says in words what it must look like.
    """
    made = _trait(hint, default_value=default, **limits)
    return made.tag(sync=True, option=Option("", hint, default, help))


def options_of(owner: type[traitlets.HasTraits]) -> dict[str, Option]:
    """The options of a view class, those of its bases included, in the order they were written."""
    found: dict[str, Option] = {}
    for base in reversed(owner.__mro__):
        for name, trait in vars(base).items():
            if isinstance(trait, traitlets.TraitType) and "option" in trait.metadata:
                known = trait.metadata["option"]
                found[name] = Option(name, known.hint, known.default, known.help)
    return found


def signature_of(owner: type[traitlets.HasTraits]) -> inspect.Signature:
    """What the constructor takes, for completion in notebooks."""
    parameters = [inspect.Parameter("session", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    for name, known in options_of(owner).items():
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=known.default, annotation=known.hint
            )
        )
    return inspect.Signature(parameters)


def documented(doc: str, options: dict[str, Option]) -> str:
    """A class's docstring with its options after it."""
    if not options:
        return inspect.cleandoc(doc)
    lines = [f"    {name}: {known.help}" for name, known in options.items()]
    return f"{inspect.cleandoc(doc)}\n\nArgs:\n" + "\n".join(lines) + "\n"


class _Text(traitlets.Unicode[str, str]):
    """Text that is wholly of one form, where ``pattern`` says of which."""

    def __init__(self, *args: Any, pattern: str = ".*", form: str = "text", **others: Any) -> None:
        super().__init__(*args, **others)  # type: ignore[misc]
        self._pattern, self._form = re.compile(pattern), form

    def validate(self, obj: Any, value: Any) -> str:
        text: str = super().validate(obj, value)
        if self._pattern.fullmatch(text) is None:
            raise traitlets.TraitError(f"Write {self._form}")
        return text


def _trait(hint: Any, **arguments: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        known = [arg for arg in args if arg is not NoneType]
        if len(known) != 1:
            raise TypeError(f"{hint!r} cannot be an option; it may be one type or None")
        return _trait(known[0], allow_none=True, **arguments)
    if origin is Literal:
        return traitlets.Enum(args, **arguments)
    if origin is list:
        return traitlets.List(_trait(args[0]), **arguments)
    if hint not in _TRAITS:
        raise TypeError(
            f"{hint!r} cannot be an option; use a Literal, int, float, str, bool, a list or | None"
        )
    return _TRAITS[hint](**arguments)


_TRAITS = {int: traitlets.Int, float: traitlets.Float, str: _Text, bool: traitlets.Bool}
