"""A page a view: the view itself, exported on a demo model, and its reference."""

from __future__ import annotations

import inspect
import tempfile
from pathlib import Path

from described import described

import lens_widgets as lw

# These say more about a sequence that is repeated than about a sentence.
ON_REPEATED_TOKENS = ("HeadScoresView", "LossView")

PAGE = """\
# {name}

{summary}

{frame}

{model}

```python
{code}
```

{reference}
"""

IOI = """\
import lens_widgets as lw

model = lw.load_demo("ioi")
session = lw.Session(model, lw.prompts.IOI)
session.selection.update(layer=1, head=4)
lw.{name}(session)"""

REPEATED = """\
import lens_widgets as lw

model = lw.load_demo("induction")
pairs = lw.prompts.repeated_tokens(model, seq_len=20, batch=4, corrupted="BB")
session = lw.Session(model, pairs, metric=pairs.metric)
lw.{name}(session)"""

ABOUT = """\
This is the view itself, as [`lw.export_html`](../reference/files.md) saves it: hover, select and
page through what is saved. Whatever must be computed needs the notebook and its kernel. It comes
from:"""


def pages() -> dict[str, str | bytes]:
    """``views/<name>.md`` and ``live/<name>.html`` for every view among the public names."""
    names = view_names()
    made: dict[str, str | bytes] = {"views/index.md": _index(names)}
    sessions = {"ioi": _session(IOI), "repeated": _session(REPEATED)}
    for name in names:
        repeated = name in ON_REPEATED_TOKENS
        view = getattr(lw, name)(sessions["repeated" if repeated else "ioi"])
        made[f"live/{name}.html"] = exported(view, name)
        made[f"views/{name}.md"] = PAGE.format(
            name=name,
            summary=summary(name),
            frame=frame(f"../live/{name}.html", f"{name} on a demo model"),
            model=ABOUT,
            reference=described(getattr(lw, name)),
            code=(REPEATED if repeated else IOI).format(name=name),
        )
    return made


def view_names() -> list[str]:
    return [name for name in lw.__all__ if hasattr(getattr(lw, name), "figure")]


def summary(name: str) -> str:
    """The first paragraph of a public object's docstring."""
    text = inspect.getdoc(getattr(lw, name)) or ""
    return text.split("\n\n")[0]


def exported(view: object, title: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "view.html")
        lw.export_html(view, path, title=title)
        return path.read_bytes()


def frame(url: str, title: str) -> str:
    """An inner page, as tall as what it shows (see assets/docs.js)."""
    return f'<iframe class="live" loading="lazy" src="{url}" title="{title}"></iframe>'


def _session(code: str) -> lw.Session:
    """The session of the code that the page shows."""
    scope: dict[str, lw.Session] = {}
    exec("\n".join(code.splitlines()[:-1]), scope)
    return scope["session"]


def _index(names: list[str]) -> str:
    rows = "\n".join(f"| [`{name}`]({name}.md) | {_row(summary(name))} |" for name in names)
    return f"""\
# Views

Each view takes a session first, is linked through it with every other view of that session, and
has `.data()` (what it shows, as a labelled dataset) and `.figure()` (the same as a Plotly figure).
`session.explore()` shows several under one header.

| View | Shows |
| --- | --- |
{rows}
"""


def _row(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
