"""One look at everything: no view of any model is cut, crowded, faint or out of reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import real_sessions
from .conftest import Lab
from .test_contract import VIEWS
from .test_explorer import TABS

Mount = Callable[..., Lab]

MARGINS = 32
"""What the harness's page leaves free beside a view."""

WIDTHS = (970, 900, 600)
THEMES = ("light", "dark")
IN_TABS = ((970, "light"), (900, "dark"), (600, "light"))
"""Of the explorer's tabs: each width once, and both themes, as colours do not move anything."""

WAIT_MS = 120_000
"""Exact patches of all heads of a large model are some thousand runs."""

MOST_SHIFT = 0.1
"""What people do not notice, of https://web.dev/articles/cls."""


def wrong(lab: Lab, view: str) -> list[str]:
    """What the audit finds now."""
    found: list[str] = lab.page.evaluate("view => window.audit(view)", view)
    return found


def open_view(mount: Mount, view: str, model: str, width: int) -> Lab:
    lab = mount(
        view,
        width=width + MARGINS,
        rest=None,
        audited=True,
        real={"name": model, "traits": real_sessions.traits(model)},
        options=real_sessions.options(model, view),
        delay_ms=40,
    )
    rest(lab)
    return lab


def rest(lab: Lab) -> None:
    state = '[data-lw-status="idle"]'
    lab.page.wait_for_selector(f'[data-lw-view="{lab.view}"]{state}', timeout=WAIT_MS)
    lab.page.evaluate("window.settled()")
    lab.page.wait_for_selector(f'[data-lw-view="{lab.view}"]{state}', timeout=WAIT_MS)


def say(found: dict[str, list[str]]) -> str:
    return "\n".join(f"{line}  [{', '.join(where)}]" for line, where in found.items())


@pytest.mark.parametrize("model", real_sessions.REAL)
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wrong_on_screen(mount: Mount, view: str, model: str) -> None:
    lab = open_view(mount, view, model, WIDTHS[0])
    found: dict[str, list[str]] = {}
    shifts = lab.js("return window.shifts")
    if shifts["total"] >= MOST_SHIFT:
        moved = "".join(f"\n    {line}" for line in shifts["lines"])
        found[f"layout shift {shifts['total']:.2f}{moved}\n"] = ["opening"]
    for width in WIDTHS:
        lab.page.set_viewport_size({"width": width + MARGINS, "height": 900})
        rest(lab)
        for theme in THEMES:
            lab.page.evaluate("theme => window.lab.setTheme(theme)", theme)
            rest(lab)
            for line in wrong(lab, view):
                found.setdefault(line, []).append(f"{width} {theme}")
    lab.js("kernel.select({ layer: 0, head: 0 })")
    rest(lab)
    for line in wrong(lab, view):
        found.setdefault(line, []).append("another head")
    assert not found, say(found)


@pytest.mark.parametrize("model", real_sessions.REAL)
def test_nothing_is_wrong_in_the_explorers_tabs(mount: Mount, model: str) -> None:
    lab = open_view(mount, "explorer", model, WIDTHS[0])
    found: dict[str, list[str]] = {}
    for tab in TABS:
        lab.open_tab(tab)
        lab.wait("root.querySelector('[data-lw-view=' + arg + ']') !== null", tab)
        for width, theme in IN_TABS:
            lab.page.set_viewport_size({"width": width + MARGINS, "height": 900})
            lab.page.evaluate("theme => window.lab.setTheme(theme)", theme)
            rest(lab)
            for line in wrong(lab, "explorer"):
                found.setdefault(line, []).append(f"{tab} {width} {theme}")
    assert not found, say(found)
