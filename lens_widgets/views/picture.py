"""A still picture of a view for places that run no widgets: plain HTML of what is known already.

It stands in where a notebook is shown without its widgets' state, so it is made at display time and
must cost next to nothing: no run of the model, and no style sheet, which such places take out.

It holds no image of the view. An output is stored as the kernel sends it, before the page has drawn
anything. A kernel could send it anew with what the page has drawn since, but front ends answer that
by making the view a second time, which forgets what was open in it. What draws Plotly's figures
without a page is a browser of its own, which nobody should need for a notebook. So the words say
where an image is to be had.
"""

from __future__ import annotations

import logging
from html import escape
from typing import Any, Protocol

from lens_widgets.prompts.token_text import token_text
from lens_widgets.session.session import Session

log = logging.getLogger(__name__)

MAX_ROWS = 6
MAX_CHARS = 160


class Shown(Protocol):
    """A view, as far as a picture of it needs to know it."""

    @property
    def session(self) -> Session:
        """What it shows."""


_NOTE = (
    "The session as it was when this cell ran, in words: a notebook's output keeps no image of the "
    "view. Run the notebook to work with it; its menu ⤓ saves a PNG, and lens_widgets.export_html "
    "writes a page on which the view stays alive."
)


def picture(view: Shown) -> str:
    """HTML of the session behind ``view``; an empty string when even that is not to be had."""
    try:
        return _html(type(view).__name__, view.session)
    except Exception:
        # Called by the notebook as it shows a cell's result: that must never fail.
        log.debug("no still picture of %s", type(view).__name__, exc_info=True)
        return ""


def text(view: Shown) -> str:
    """The same in one line."""
    try:
        session = view.session
        return f"{type(view).__name__}({session.facts.name}, {_metric(session)})"
    except Exception:
        log.debug("no text for %s", type(view).__name__, exc_info=True)
        return f"{type(view).__name__}()"


def _html(name: str, session: Session) -> str:
    facts, prompts = session.facts, session.prompt_set
    rows = [
        ("model", f"{facts.name}, {facts.n_layers} layers of {facts.n_heads} heads"),
        ("runs on", f"{facts.device}, {facts.dtype}, {facts.weights} weights"),
        ("metric", _metric(session)),
    ]
    rows += [
        (f"prompt {index}", _cut(prompt)) for index, prompt in enumerate(prompts.texts[:MAX_ROWS])
    ]
    if prompts.answers is not None:
        tokenizer = session.model.tokenizer
        pairs = zip(prompts.answers.correct, prompts.answers.wrong, strict=True)
        for index, pair in enumerate(list(pairs)[:MAX_ROWS]):
            sets = [" or ".join(token_text(tokenizer, i) for i in ids) for ids in pair if ids]
            rows.append((f"answer {index}", " rather than ".join(sets)))
    rows += [
        (
            "intervention" if entry.enabled else "switched off",
            f"{entry.intervention.label} {entry.intervention.kind}, {entry.intervention.detail}",
        )
        for entry in session.interventions.entries[:MAX_ROWS]
    ]
    lines = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in rows
    )
    return (
        f"<table><caption>{escape(name)}</caption><tbody>{lines}</tbody></table>"
        f"<p>{escape(_NOTE)}</p>"
    )


def _metric(session: Session) -> str:
    """Only runs that were made are read: this may not compute anything."""
    baseline = session.known_metric(())
    current = session.known_metric(session.interventions.active)
    known = [f"{float(v.mean()):.4g}" for v in (baseline, current) if v is not None]
    if len(known) == 2 and known[0] == known[1]:
        known = known[:1]
    values = " → ".join(known) or "not computed"
    n_prompts = session.prompt_set.n_prompts
    mean = f", mean of {n_prompts} prompts" if n_prompts > 1 else ""
    return f"{session.metric.label} {values} ({session.metric.units}{mean})"


def _cut(value: Any) -> str:
    shown = str(value)
    return shown if len(shown) <= MAX_CHARS else f"{shown[:MAX_CHARS]}…"
