"""Options of views: declared once, as the trait, the constructor's argument and the page's type."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
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


def option(*, default: Any, help: str, **limits: Any) -> Any:
    """An option of the view in whose class it stands, annotated with what it may be.

    ``k: int = option(default=5, help="...", min=1)`` is a synced trait, a keyword of the
    constructor and a type of the page. The annotation is a Literal of strings, int, float, str,
    bool, a list of one of these, or one of them ``| None``.

    Args:
        default: what it starts from.
        help: one sentence for the constructor's documentation.
        limits: ``min`` and ``max`` of a number, ``minlen`` and ``maxlen`` of a list, ``pattern``
            of a text together with ``form``, which says in words what it must look like.
    """
    return _Declared(default, help, limits)


def argument(*, default: Any = ..., kw_only: bool = True) -> Any:
    """What type checkers are told of an argument that is no option; never called."""
    raise NotImplementedError


@dataclass(frozen=True)
class _Declared:
    """What ``option`` was given, until ``make_traits`` knows its name and its annotation."""

    default: Any
    help: str
    limits: dict[str, Any]


def make_traits(owner: type[traitlets.HasTraits]) -> None:
    """Puts a trait in the place of every option that the class itself declares.

    Raises TypeError where one has no annotation, or one that cannot be an option.
    """
    declared = {n: found for n, found in vars(owner).items() if isinstance(found, _Declared)}
    hints = inspect.get_annotations(owner, eval_str=True) if declared else {}
    for name, found in declared.items():
        if name not in hints:
            raise TypeError(f"{owner.__name__}.{name} needs a type: write `{name}: int = option(`")
        made = _trait(hints[name], default_value=found.default, **found.limits)
        made.tag(sync=True, option=Option(name, hints[name], found.default, found.help))
        setattr(owner, name, made)
        # As traitlets does for those that stand in the class statement.
        made.class_init(owner, name)


def options_of(owner: type[traitlets.HasTraits]) -> dict[str, Option]:
    """The options of a view class, those of its bases included, in the order they were written."""
    found: dict[str, Option] = {}
    for base in reversed(owner.__mro__):
        for name, trait in vars(base).items():
            if isinstance(trait, traitlets.TraitType) and "option" in trait.metadata:
                found[name] = trait.metadata["option"]
    return found


def signature_of(
    owner: type[traitlets.HasTraits], constructor: Callable[..., None]
) -> inspect.Signature:
    """What the view is called with, for completion in notebooks: the options of its class in the
    place of the ``**options`` of ``constructor``, whose first parameter is ``self``."""
    _, *given, _ = inspect.signature(constructor, eval_str=True).parameters.values()
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=known.default, annotation=known.hint
        )
        for name, known in options_of(owner).items()
    ]
    first = [p for p in given if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    return inspect.Signature([*first, *options, *given[len(first) :]])


def documented(doc: str, options: dict[str, Option]) -> str:
    """A class's docstring with its options after it."""
    helps = {name: known.help for name, known in options.items()}
    helps["layout"] = "Width, margins and the like, as of every Jupyter widget."
    lines = [f"    {name}: {help}" for name, help in helps.items()]
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
