"""Sessions of real models, by name: what pages show where made-up sizes would hide what is wrong.

Each is made once. Three are small, or known to everybody; the fourth is as large as a map gets.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import lens_widgets as lw
from lens_widgets.views.registry import package_views
from lens_widgets.views.starting import start_selection
from lens_widgets.views.state import session_info, session_state
from tests.browser import answers


@cache
def real_session(name: str) -> lw.Session:
    """One of ``REAL``, its selection where views of it open."""
    session = REAL[name]()
    start_selection(session)
    return session


def traits(name: str) -> dict[str, Any]:
    """What a widget's model has of the session, for the harness: see harness/kernel.js."""
    session = real_session(name)
    return {
        "info": session_info(session),
        "state": session_state(session),
        "selection": session.selection.as_dict(),
        "settings": session.settings.as_dict(),
    }


def options(name: str, view: str) -> dict[str, Any]:
    """What a view of the session starts with, beside what every view of its kind does."""
    view_class: Any = package_views()[view]
    return dict(view_class.starting(real_session(name), answers.CHOSEN.get(view, {})))


def _ioi() -> lw.Session:
    pairs = lw.prompts.ioi(4)
    session = lw.Session(lw.load_demo("ioi"), pairs)
    right, wrong = zip(*(pairs.answers or ()), strict=True)
    session.spans = lw.Spans(
        session,
        IO=list(right),
        S1=[(name, 0) for name in wrong],
        S2=[(name, 1) for name in wrong],
        end=-1,
    )
    return session


def _induction() -> lw.Session:
    model = lw.load_demo("induction")
    pairs = lw.prompts.repeated_tokens(model, seq_len=12, batch=2, corrupted="AB")
    return lw.Session(model, pairs, metric=pairs.metric)


def _smollm2() -> lw.Session:
    model = lw.load_demo("smollm2")
    return lw.Session(model, lw.prompts.ioi(2, seed=0, model=model))


def _wide() -> lw.Session:
    """32 layers of 32 heads with random weights, a head of the last rows and columns chosen."""
    described = {
        "n_layers": 32,
        "n_heads": 32,
        "prompts": [["<bos>", "·Mary", "·and", "·John", "·gave", "·to"]],
        "answers": [["·Mary", "·John"]],
        "vocabulary": ["<bos>", "·Mary", "·and", "·John", "·gave", "·to"],
    }
    session = answers.made_session(json.dumps(described))
    session.selection.update(layer=30, head=29)
    return session


REAL: dict[str, Callable[[], lw.Session]] = {
    "ioi": _ioi,
    "induction": _induction,
    "smollm2": _smollm2,
    "32 x 32": _wide,
}
