"""Writes ``js/src/generated/protocol.ts`` from ``protocol.py``; ``--check`` only compares."""

from __future__ import annotations

import inspect
import json
import sys
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typing_extensions import NotRequired, get_type_hints, is_typeddict

from lens_widgets.wire import protocol
from lens_widgets.wire.options import option_types

TARGET = Path(__file__).parents[2] / "js" / "src" / "generated" / "protocol.ts"
_PRIMITIVES = {int: "number", float: "number", str: "string", bool: "boolean", Any: "unknown"}


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
    raise TypeError(f"{hint!r} cannot cross the wire; use the types protocol.py already uses")


def _comment(cls: type) -> str:
    doc = cls.__dict__.get("__doc__")
    if not doc:
        return ""
    lines = inspect.cleandoc(doc).splitlines()
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


def _interface(cls: type) -> str:
    hints = get_type_hints(cls, include_extras=True)
    if not hints:
        return f"{_comment(cls)}export type {cls.__name__} = Record<string, never>;\n"
    optional = cls.__optional_keys__  # type: ignore[attr-defined]
    fields = "".join(
        f"  {name}{'?' if name in optional else ''}: {ts_type(hint)};\n"
        for name, hint in hints.items()
    )
    return f"{_comment(cls)}export interface {cls.__name__} {{\n{fields}}}\n"


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


_CHECKS = {
    int: 'typeof {0} === "number" && Number.isInteger({0})',
    float: 'typeof {0} === "number" && Number.isFinite({0})',
    str: 'typeof {0} === "string"',
    bool: 'typeof {0} === "boolean"',
}


def _options() -> str:
    entries = "".join(
        f"  {name}: {{\n"
        f"    initial: {json.dumps(default)},\n"
        f'    is: (value): value is Options["{name}"] => {ts_check(hint, "value")},\n'
        "  },\n"
        for name, (hint, default) in option_types().items()
    )
    reads = "".join(f'    {name}: read("{name}"),\n' for name in option_types())
    return (
        "/** What an option starts from where a widget has no such trait, and its values. */\n"
        "export const OPTIONS: {\n"
        "  readonly [K in keyof Options]: {\n"
        "    readonly initial: Options[K];\n"
        "    readonly is: (value: unknown) => value is Options[K];\n"
        "  };\n"
        f"}} = {{\n{entries}}};\n\n"
        "export type OptionSignals = { [K in keyof Options]: Signal<Options[K]> };\n\n"
        "/** Every option as a signal, each made by `read`. */\n"
        "export function readOptions(\n"
        "  read: <K extends keyof Options>(name: K) => Signal<Options[K]>,\n"
        "): OptionSignals {\n"
        f"  return {{\n{reads}  }};\n}}\n"
    )


def generate() -> str:
    """The whole of ``protocol.ts``."""
    limits = "".join(
        f"export const {name} = {getattr(protocol, name)};\n"
        for name in ("MAX_REPLY_BYTES", "MAX_REQUEST_BYTES", "MAX_PROGRESS_PER_SECOND")
    )
    methods = "".join(
        f"  {name}: {{ args: {args.__name__}; result: {result.__name__} }};\n"
        for name, (args, result) in protocol.METHODS.items()
    )
    parts = [
        "// Written by `python -m lens_widgets.wire.generate` from wire/protocol.py.\n",
        'import type { Signal } from "@preact/signals";\n',
        limits,
        *(_interface(cls) for cls in protocol.TYPES),
        _options(),
        f"export interface Methods {{\n{methods}}}\n",
    ]
    return "\n".join(parts)


def main(argv: list[str]) -> int:
    """Writes the file, or with ``--check`` returns 1 when it differs."""
    text = generate()
    if "--check" in argv:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{TARGET} is out of date: run python -m lens_widgets.wire.generate\n")
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
