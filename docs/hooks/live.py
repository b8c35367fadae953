"""A page a view: the view itself, exported on a demo model, and its reference."""

from __future__ import annotations

import inspect
import os
import tempfile
from functools import cache
from pathlib import Path

from described import described

import lens_widgets as lw

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

STORED = """\
from functools import partial

import lens_widgets as lw

load = partial(lw.load_demo, "ioi")
prompts, answers = lw.prompts.ioi_prompts(60)
records = [
    {{"prompt": text, "answers": pair, "group": text.split()[0]}}
    for text, pair in zip(prompts, answers)
]
quantities = {{"ablation": lw.analysis.ablation_sweep}}
run = lw.DataRun(load, lw.Dataset.from_records(records), quantities, path="ioi_run")
run.run()
session = lw.Session(load(), lw.prompts.IOI)
session.selection.update(layer=1, head=4)
lw.{name}(session, path="ioi_run")"""

CODE = {
    # These say more about a sequence that is repeated than about a sentence.
    "HeadScoresView": REPEATED,
    "LossView": REPEATED,
    "DataView": STORED,
}

ABOUT = """\
This is the view itself, as [`lw.export_html`](../reference/files.md) saves it: hover, select and
page through what is saved. Whatever must be computed needs the notebook and its kernel. It comes
from:"""


def pages() -> dict[str, str | bytes]:
    """``views/<name>.md`` and ``live/<name>.html`` for every view among the public names."""
    names = view_names()
    made: dict[str, str | bytes] = {"views/index.md": _index(names)}
    for name in names:
        code = CODE.get(name, IOI)
        made[f"live/{name}.html"] = _live(name, code)
        made[f"views/{name}.md"] = PAGE.format(
            name=name,
            summary=summary(name),
            frame=frame(f"../live/{name}.html", f"{name} on a demo model"),
            model=ABOUT,
            reference=described(getattr(lw, name)),
            code=code.format(name=name),
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


def _live(name: str, code: str) -> bytes:
    """The view of the code that the page shows, exported; what it stores is thrown away."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            session = _session(code)
            path = {"path": "ioi_run"} if code is STORED else {}
            return exported(getattr(lw, name)(session, **path), name)
        finally:
            os.chdir(here)


@cache
def _session(code: str) -> lw.Session:
    """The session of the code that the page shows."""
    scope: dict[str, lw.Session] = {}
    exec("\n".join(code.format(name="").splitlines()[:-1]), scope)
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
