"""Writes ``js/src/generated/<view>.ts`` from the views; ``--check`` only compares.

``python -m lens_widgets.views.generate [--check]`` does it for the views of the package.
``python -m lens_widgets.views.generate my_module:MyView my_view_types.ts`` does it for a view that
lives outside of the package.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from lens_widgets.views import bundle
from lens_widgets.views.options import Option, options_of
from lens_widgets.views.question import Question
from lens_widgets.views.registry import package_views
from lens_widgets.wire.typescript import (
    answer_interface,
    arguments_type,
    camel,
    comment,
    interface,
    ts_check,
    ts_type,
    typed_dicts,
)

TARGET = Path(__file__).parents[2] / "js" / "src" / "generated"
_HEAD = "// Written by `python -m lens_widgets.views.generate`.\n"


def typescript_of(view: type, *, types: str = "../wire/question") -> str:
    """The questions and options of a view, as its front end imports them.

    ``types``: where ``Question`` and ``OptionSpec`` come from; ``"lens-widgets"`` for a view that
    lives outside of the package.
    """
    name = vars(view)["view"]
    own = {n: q for n, q in vars(view).items() if isinstance(q, Question)}
    options = {n: o for n, o in options_of(view).items() if n in vars(view)}
    return _module(name, own, options, types)


def _module(
    view: str, questions: dict[str, Question], options: dict[str, Option], types: str
) -> str:
    kinds = sorted(
        {"Question" if q.answer_type else "Command" for q in questions.values()}
        | ({"OptionSpec"} if options else set())
    )
    parts = [_HEAD, f'import type {{ {", ".join(kinds)} }} from "{types}";\n']
    answers = list(dict.fromkeys(q.answer_type for q in questions.values() if q.answer_type))
    hints: list[Any] = [h for q in questions.values() for h in _fields(q).values()]
    for answer in answers:
        hints += get_type_hints(answer).values()
    parts += [interface(typed) for typed in typed_dicts(*hints)]
    parts += [answer_interface(answer) for answer in answers]
    parts += [_question(view, found) for found in questions.values()]
    if options:
        parts.append(_options(options))
    return "\n".join(parts)


def _fields(question: Question) -> dict[str, Any]:
    return get_type_hints(question.arguments)


def _question(view: str, question: Question) -> str:
    defaults = {
        field.name for field in msgspec.structs.fields(question.arguments) if not field.required
    }
    args = arguments_type(_fields(question), defaults)
    answer = question.answer_type
    kind = f"Question<{args}, {answer.__name__}>" if answer else f"Command<{args}>"
    shared = ", shared: true" if question.shared else ""
    return (
        f"{comment(question.function)}export const {camel(question.name)}: {kind} = "
        f'{{ method: "{view}/{question.name}"{shared} }};\n'
    )


def _options(options: dict[str, Option]) -> str:
    lines = "".join(
        f"  /** {known.help} */\n"
        f"  {name}: {{\n"
        f'    name: "{name}",\n'
        f"    initial: {json.dumps(known.default)},\n"
        f"    is: (value: unknown): value is {ts_type(known.hint)} => "
        f"{ts_check(known.hint, 'value')},\n"
        "  },\n"
        for name, known in options.items()
    )
    types = "".join(
        f"  {name}: OptionSpec<{ts_type(known.hint)}>;\n" for name, known in options.items()
    )
    return f"export const OPTIONS: {{\n{types}}} = {{\n{lines}}};\n"


def _messages() -> str:
    """The synced state, and the parts of messages that the page reads."""
    from lens_widgets.views import state
    from lens_widgets.wire import messages

    synced = (state.SessionInfo, state.SessionState, state.Selection, state.Settings)
    sent = (messages.ArrayRef, messages.Progress, messages.ErrorInfo)
    limit = "".join(
        f"export const {name} = {getattr(messages, name)};\n"
        for name in ("MAX_REQUEST_BYTES", "MAX_REPLY_BYTES")
    )
    return "\n".join([_HEAD, limit, *(interface(typed) for typed in typed_dicts(*synced, *sent))])


def modules() -> dict[str, str]:
    """The text of every generated file by its name."""
    from lens_widgets.views.session_data import QUESTIONS

    made = {
        "messages.ts": _messages(),
        "session.ts": _module("session", QUESTIONS, {}, "../wire/question"),
    }
    for name, view in package_views().items():
        # One that only puts others together declares nothing of its own.
        if any(isinstance(value, Question) for value in vars(view).values()):
            made[f"{name}.ts"] = typescript_of(view)
    return made


def main(argv: list[str]) -> int:
    """Writes the files, or with ``--check`` returns 1 when one differs."""
    if len(argv) == 2 and ":" in argv[0]:
        module, _, name = argv[0].partition(":")
        view = getattr(import_module(module), name)
        Path(argv[1]).write_text(typescript_of(view, types="lens-widgets"), encoding="utf-8")
        return 0
    bundle.unbuilt_is_fine = True
    stale = [
        name
        for name, text in modules().items()
        if not (TARGET / name).exists() or (TARGET / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in argv:
        for name in stale:
            sys.stderr.write(f"{name} is out of date: run python -m lens_widgets.views.generate\n")
        return 1 if stale else 0
    for name in stale:
        (TARGET / name).write_text(modules()[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
