"""``export_html``: views as they are now, in one page that needs neither kernel nor network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
import tempfile
import warnings
from collections.abc import Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import STATIC, bundle
from lens_widgets.views.explorer import Explorer
from lens_widgets.views.picture import picture
from lens_widgets.views.registry import VIEWS
from lens_widgets.views.snapshot import snapshot_of

_LOADER = Path(__file__).with_name("export.js")
_EXPORT = re.compile(r"export\s*\{\s*([\w$]+)\s+as\s+default\s*\};?\s*$")
_TAB = re.compile(r"^export default\s*")
_NEED_A_KERNEL = ("explorer_tour", "token_editor")
"""Parts that ask the kernel for something, or change something there."""

MAX_PROMPT = 200
"""Characters of a prompt that a page names at its top."""

_NOTE = (
    "Saved views of a model: look, hover and select; anything that must be computed needs the "
    "notebook and its kernel."
)
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 16px; max-width: 1600px; background: Canvas; color: CanvasText;
  font: 14px/1.5 system-ui, sans-serif; }
.lw-page-note { margin: 0 0 16px; opacity: 0.75; }
[data-lw-widget] { margin: 0 0 16px; }
"""


def export_html(
    widgets: View | Sequence[View], path: str | os.PathLike[str], *, title: str = "lens_widgets"
) -> None:
    """Writes views to one HTML file that works offline, without Jupyter and without a kernel.

    Each view shows the session's present numbers, marked as a snapshot; hovering and selecting work
    on what is saved, and views of one session stay linked. Views that were on screen are saved as
    they were shown there, an explorer with the views that were opened in its tabs. At the top stand
    the day, the model and the prompts. An existing file is replaced at the end.

    Args:
        widgets: a view, or a list of views in the order of the page.
        path: the file to write.
        title: the page's title.

    Raises:
        InputError: anything that is not a view.

    Examples:
        >>> lw.export_html([lw.TokenView(session), lw.AttentionView(session)], "page.html")
    """
    views = [widgets] if isinstance(widgets, View) else widgets
    if not isinstance(views, (list, tuple)) or not views:
        raise InputError(
            f"widgets={widgets!r} is neither a view nor a list of views.",
            "Pass a view such as lw.AttentionView(session), or a list of them.",
        )
    for index, view in enumerate(views):
        if not isinstance(view, View):
            raise InputError(
                f"widgets[{index}] is a {type(view).__name__}, not a view.",
                "Pass views such as lw.AttentionView(session).",
            )
    _write(Path(path), page(views, title))


def page(views: Sequence[View], title: str) -> str:
    """The page's HTML. Its content security policy lets its own scripts run and nothing else."""
    sessions: list[Any] = []
    saved = []
    for view in views:
        if view.session not in sessions:
            sessions.append(view.session)
        saved.append(
            {
                "view": type(view).__name__,
                "session": sessions.index(view.session),
                "traits": _traits(view),
            }
        )
    scripts = ["globalThis.lwViews = new Map();"]
    # anywidget makes a class of its own for every view: they are told apart by name.
    for view in {type(view).__name__: view for view in views}.values():
        scripts.append(_registered(view))
    scripts += _parts(saved)
    scripts.append(_LOADER.read_text(encoding="utf-8"))
    scripts = [_in_script(text) for text in scripts]
    style = bundle("style.css").replace("</", "<\\/") + _STYLE
    places = "\n".join(
        f'<div data-lw-widget="{index}">{picture(view)}</div>' for index, view in enumerate(views)
    )
    about = "\n".join(f'<p class="lw-page-note">{escape(_about(one))}</p>' for one in sessions)
    # A browser hashes what it reads, in which every line ends with a plain newline.
    policy = (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes([style])}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    modules = "\n".join(f'<script type="module">{text}</script>' for text in scripts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
{about}
<p class="lw-page-note">{escape(_NOTE)}</p>
{places}
<script type="application/json" id="lw-state">{_json({"widgets": saved})}</script>
{modules}
</body>
</html>
"""


def _about(session: Session) -> str:
    """What a page is of: the day, the model and the prompts."""
    facts, prompts = session.facts, session.prompt_set
    first = prompts.texts[0]
    shown = first if len(first) <= MAX_PROMPT else f"{first[:MAX_PROMPT]}…"
    others = prompts.n_prompts - 1
    more = f" and {others} more prompt{'s' * (others > 1)}" if others else ""
    return (
        f"{date.today().isoformat()} · {facts.name}, {facts.n_layers} layers of {facts.n_heads} "
        f"heads, {facts.weights} weights · “{shown}”{more}"
    )


def _parts(saved: Sequence[dict[str, Any]]) -> list[str]:
    """The code of the views that were opened in an explorer's tabs, and of what its own views load
    when it is wanted: in ``lwTabs``, since nobody can be asked for it."""
    explorers = [one for one in saved if one["view"] == Explorer.__name__]
    if not explorers:
        return []
    opened = {
        slot.split("/")[0] for one in explorers for slot in one["traits"]["snapshot"]["slots"]
    }
    scripts = ["globalThis.lwTabs = new Map();"]
    for path in sorted((STATIC / "tabs").glob("*.js")):
        if path.stem in opened or (path.stem not in VIEWS and path.stem not in _NEED_A_KERNEL):
            maker = _TAB.sub("", bundle(f"tabs/{path.name}")).rstrip().removesuffix(";")
            scripts.append(f"globalThis.lwTabs.set({json.dumps(path.stem)}, {maker});")
    return scripts


def _traits(view: View) -> dict[str, Any]:
    names = [name for name in view.keys if not name.startswith("_")]
    hidden = ("layout", "tabbable", "tooltip", "snapshot")
    traits = {name: getattr(view, name) for name in names if name not in hidden}
    snapshot = snapshot_of(view)
    if not snapshot["slots"]:
        warnings.warn(
            f"{type(view).__name__} was not shown yet, so the page has nothing to show of it: "
            "display it, wait until it is idle, then export.",
            stacklevel=4,
        )
    return {**traits, "snapshot": snapshot}


def _registered(view: View) -> str:
    """A bundle that puts its view into ``lwViews`` instead of exporting it."""
    source, name = str(view._esm), type(view).__name__
    match = _EXPORT.search(source)
    if match is None:
        raise RuntimeError(f"the bundle of {name} does not end with its default export")
    return f"{source[: match.start()]}globalThis.lwViews.set({json.dumps(name)}, {match[1]});"


def _in_script(source: str) -> str:
    """Source that cannot end its script element: these can only be parts of strings."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"<(?=/script)", r"\\x3C", text, flags=re.IGNORECASE)
    text = re.sub(r"<(?=script)", r"\\x3C", text, flags=re.IGNORECASE)
    return text.replace("<!--", "\\x3C!--")


def _json(value: Any) -> str:
    """JSON that is the same text inside an element; what JSON has no word for becomes null."""
    text = json.dumps(_finite(value), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _hashes(texts: Sequence[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _write(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
