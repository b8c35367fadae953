"""Writes ``js/src/generated/protocol.ts`` from ``protocol.py``; ``--check`` only compares."""

from __future__ import annotations

import inspect
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from typing_extensions import NotRequired, get_type_hints, is_typeddict

from lens_widgets.wire import protocol

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
    if origin is NotRequired:
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
        limits,
        *(_interface(cls) for cls in protocol.TYPES),
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
