"""Writes ``js/src/generated/protocol.ts`` from ``protocol.py``; ``--check`` only compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from typing_extensions import get_type_hints

from lens_widgets.wire import protocol
from lens_widgets.wire.options import option_types
from lens_widgets.wire.typescript import comment, ts_check, ts_type

TARGET = Path(__file__).parents[2] / "js" / "src" / "generated" / "protocol.ts"


def _interface(cls: type) -> str:
    hints = get_type_hints(cls, include_extras=True)
    if not hints:
        return f"{comment(cls)}export type {cls.__name__} = Record<string, never>;\n"
    optional = cls.__optional_keys__  # type: ignore[attr-defined]
    fields = "".join(
        f"  {name}{'?' if name in optional else ''}: {ts_type(hint)};\n"
        for name, hint in hints.items()
    )
    return f"{comment(cls)}export interface {cls.__name__} {{\n{fields}}}\n"


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
