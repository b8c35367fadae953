"""Python declarations as TypeScript: types of arguments, answers and options."""

from __future__ import annotations

import inspect
import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typing_extensions import NotRequired, get_type_hints, is_typeddict

from lens_widgets.wire.dataset import COUNTED, Answer

_PRIMITIVES = {int: "number", float: "number", str: "string", bool: "boolean", Any: "unknown"}
_CHECKS = {
    int: 'typeof {0} === "number" && Number.isInteger({0})',
    float: 'typeof {0} === "number" && Number.isFinite({0})',
    str: 'typeof {0} === "string"',
    bool: 'typeof {0} === "boolean"',
}


def ts_type(hint: Any) -> str:
    """The TypeScript spelling of one annotation; TypeError for one the wire does not allow."""
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    if hint is type(None):
        return "null"
    if is_typeddict(hint):
        return str(hint.__name__)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (NotRequired, Annotated):
        return ts_type(args[0])
    if origin is Literal:
        return " | ".join(f'"{value}"' for value in args)
    if origin in (Union, types.UnionType):
        return " | ".join(ts_type(arg) for arg in args)
    if origin is list:
        inner = ts_type(args[0])
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if origin is dict:
        return f"Record<string, {ts_type(args[1])}>"
    raise TypeError(f"{hint!r} cannot cross the wire; use JSON's types, Literal or a TypedDict")


def ts_check(hint: Any, value: str) -> str:
    """A TypeScript condition that holds when ``value`` is of an option's type."""
    if hint is type(None):
        return f"{value} === null"
    if hint in _CHECKS:
        return _CHECKS[hint].format(value)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " || ".join(f"{value} === {json.dumps(choice)}" for choice in args)
    if origin in (Union, types.UnionType):
        return " || ".join(ts_check(arg, value) for arg in args)
    if origin is list:
        inner = ts_check(args[0], "item")
        return f"(Array.isArray({value}) && {value}.every((item: unknown) => {inner}))"
    raise TypeError(f"{hint!r} cannot be an option")


def typed_dicts(*hints: Any) -> list[Any]:
    """The TypedDicts that annotations name, those inside them first."""
    found: list[Any] = []
    for hint in hints:
        inside = get_type_hints(hint).values() if is_typeddict(hint) else get_args(hint)
        for other in typed_dicts(*inside):
            if other not in found:
                found.append(other)
        if is_typeddict(hint) and hint not in found:
            found.append(hint)
    return found


def interface(typed: Any) -> str:
    """A TypedDict as an interface."""
    optional = typed.__optional_keys__
    hints = get_type_hints(typed, include_extras=True)
    fields = "".join(
        f"  {name}{'?' if name in optional else ''}: {ts_type(hint)};\n"
        for name, hint in hints.items()
    )
    return f"{comment(typed)}export interface {typed.__name__} {{\n{fields}}}\n"


def answer_interface(answer: type[Answer]) -> str:
    """An answer's declaration: names of its numbers and texts, and types of its attributes."""
    shape = answer.declaration()
    dims = {dim for variable in shape.variables.values() for dim in variable.dims}
    numbers = [name for name, variable in shape.variables.items() if not variable.text]
    numbers += [dim for dim in COUNTED if dim in dims and dim not in shape.variables]
    texts = [name for name, variable in shape.variables.items() if variable.text]
    attrs = "".join(f"    {name}: {ts_type(hint)};\n" for name, hint in shape.attrs.items())
    return (
        f"{comment(answer)}export interface {answer.__name__} {{\n"
        f"  numbers: {_names(numbers)};\n"
        f"  texts: {_names(texts)};\n"
        f"  attrs: {{\n{attrs}  }};\n}}\n"
    )


def arguments_type(fields: dict[str, Any], defaults: set[str]) -> str:
    """The object that a question's arguments are."""
    if not fields:
        return "Record<string, never>"
    inside = "; ".join(
        f"{name}{'?' if name in defaults else ''}: {ts_type(hint)}" for name, hint in fields.items()
    )
    return f"{{ {inside} }}"


def camel(name: str) -> str:
    """``loss_effects`` as ``lossEffects``."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def comment(documented: Any) -> str:
    """A docstring as a comment."""
    doc = vars(documented).get("__doc__") if isinstance(documented, type) else documented.__doc__
    if not doc:
        return ""
    lines = inspect.cleandoc(doc).splitlines()
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _names(names: list[str]) -> str:
    return " | ".join(f'"{name}"' for name in names) or "never"
