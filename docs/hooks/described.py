"""A view's reference as Markdown: what its constructor takes, and its methods.

Options of views are declared once, and the constructor's signature and documentation are made of
them when the class is; so they are read from the class here, not from its source.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, Literal, get_args, get_origin

from griffe import Docstring, DocstringSectionKind


def described(view: type) -> str:
    """Signature, docstring with a table of the options, and the methods that a user calls."""
    parts = [f"```python\n{_call(view)}\n```", _text(view, inspect.getdoc(view) or "")]
    for name in ("data", "figure", "close"):
        text = inspect.getdoc(getattr(view, name)) or ""
        parts.append(f"### {name}()\n\n{_text(None, text)}")
    return "\n\n".join(parts)


def _call(view: type) -> str:
    """``View(session, *, option=default, ...)``, an option a line where there are many."""
    lines = ["session", "*", *(f"{name}={default!r}" for name, default, _ in _options(view))]
    short = f"{view.__name__}({', '.join(lines)})"
    if len(short) < 80:
        return short
    return f"{view.__name__}(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _options(view: type) -> list[tuple[str, Any, str]]:
    """Name, default and values of each option."""
    parameters = inspect.signature(view).parameters.values()
    return [
        (p.name, p.default, _values(p.annotation))
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def _values(annotation: Any) -> str:
    """The choices of a Literal, else the type, without the modules of its parts."""
    if get_origin(annotation) is Literal:
        return ", ".join(map(repr, get_args(annotation)))
    return re.sub(r"\w+\.", "", inspect.formatannotation(annotation))


def _text(view: type | None, text: str) -> str:
    parts = []
    for section in Docstring(text, parser="google").parse(warnings=False):
        if section.kind is DocstringSectionKind.text:
            parts.append(section.value)
        elif section.kind is DocstringSectionKind.parameters and view is not None:
            values = {name: what for name, _, what in _options(view)}
            rows = [
                f"| `{item.name}` | {_cell(item.description)} | `{values.get(item.name, '')}` |"
                for item in section.value
            ]
            parts.append("| option | | values |\n| --- | --- | --- |\n" + "\n".join(rows))
        elif section.kind is DocstringSectionKind.admonition:
            parts.append(f"**{section.title}**: {section.value.contents}")
        else:
            said = [_cell(getattr(item, "description", str(item))) for item in section.value]
            parts.append(f"**{section.kind.value.capitalize()}**: " + "; ".join(said))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
