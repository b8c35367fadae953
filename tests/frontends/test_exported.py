"""Views without a kernel: exported pages show, hover and select, and say what they cannot do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import anywidget
import pytest
from ipywidgets.embed import dependency_state, embed_minimal_html
from playwright.sync_api import BrowserContext, Page

import lens_widgets as lw
from lens_widgets.views.snapshot import snapshot_of
from tests.browser.pages import ROOT
from tests.frontends import packages
from tests.frontends.conftest import ANSWERS, PROMPTS
from tests.frontends.everywhere import (
    ABLATED,
    CORRUPTED,
    HEAD,
    NAMES,
    Everything,
    assert_pattern,
    truth,
)

WITHOUT_KERNEL = "shows, hovers, selects; says that computing needs a kernel"


@pytest.fixture
def views() -> list[Any]:
    """One of each widget of a session with one head ablated and one selected."""
    model = lw.load_demo("ioi")
    session = lw.Session(model, list(PROMPTS), answers=list(ANSWERS), corrupted=list(CORRUPTED))
    session.interventions.toggle(ABLATED)
    session.selection.update(layer=int(HEAD[1]), head=int(HEAD[3]))
    return [getattr(lw, name)(session) for name in NAMES]


@pytest.fixture
def page(chromium: BrowserContext) -> Iterator[Page]:
    """A page that asks for no address outside its own file, and complains of nothing."""
    page = chromium.new_page()
    page.set_viewport_size({"width": 1600, "height": 1500})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"{error.message}\n{error.stack}"))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("file:", "data:", "blob:"))
            else problems.append(request.url)
        ),
    )
    yield page
    page.close()
    assert problems == []


def test_an_exported_page(views: list[Any], page: Page, tmp_path: Path) -> None:
    path = tmp_path / "views.html"
    lw.export_html(views, path, title="what L1H4 does")
    page.goto(path.as_uri())
    assert page.title() == "what L1H4 does"
    check_snapshot(page, "Exported HTML")
    # Sessions stay linked: a row that is picked in the table moves every other view.
    screen = Everything(page, "")
    table = screen.of("AttributionTable").view("attribution")
    table.locator('[role="row"][data-component="L0H5"] [data-column="part"]').click()
    assert screen.of("AttentionView").shown_pattern() == "L0H5"
    assert screen.of("Explorer").shown_pattern() == "L0H5"


def test_an_exported_explorer_keeps_the_views_that_were_opened(page: Page, tmp_path: Path) -> None:
    session = lw.Session(lw.load_demo("ioi"), list(PROMPTS), answers=list(ANSWERS))
    session.selection.update(stripe="induction")
    explorer = session.explore()
    # What the page keeps of a tab that somebody opened.
    other = lw.LogitLensView(session)
    slots = {
        name: one for name, one in snapshot_of(other)["slots"].items() if "logit_lens/" in name
    }
    explorer.snapshot = {"version": 1, "slots": slots}
    path = tmp_path / "explorer.html"
    lw.export_html(explorer, path)
    page.goto(path.as_uri())
    head = page.locator(".lw-page-note").first.inner_text()
    assert all(part in head for part in (str(date.today()), "ioi demo", PROMPTS[0], "2 more"))
    screen = Everything(page, "")
    screen.wait_status("snapshot")
    root = page.locator(".lw-root")
    assert root.locator(".lw-pattern-foot .lw-colorbar").is_visible()
    # Parts that are loaded when they are wanted are there, too.
    root.locator("[data-lw-stripe=induction]").wait_for()
    tabs = root.get_by_role("tab")
    alive = [tab.inner_text() for tab in tabs.all() if tab.is_enabled()]
    assert alive == ["Pattern", "Lens"]
    root.locator("[data-tab=logit_lens]").click()
    lens = root.locator('[data-lw-view="logit_lens"]')
    lens.locator("canvas").first.wait_for()
    assert lens.get_attribute("data-lw-status") == "snapshot"
    assert root.get_by_role("alert").count() == 0


@pytest.mark.slow
def test_a_page_of_jupyters_own_export(views: list[Any], page: Page, tmp_path: Path) -> None:
    """What nbconvert and ``embed_minimal_html`` write, with the libraries that it asks CDNs for."""
    for view in views:
        view.snapshot = snapshot_of(view)
    state = dependency_state(views, drop_defaults=False)
    path = tmp_path / "embedded.html"
    embed_minimal_html(path, views, title="embedded", drop_defaults=False, state=state)
    html = path.read_text(encoding="utf-8")
    shutil.copy(ROOT / "js" / "node_modules" / "requirejs" / "require.js", tmp_path)
    manager = packages.published("@jupyter-widgets/html-manager@1.0.15")
    shutil.copy(manager / "dist" / "embed-amd.js", tmp_path)
    source = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    named = source.read_text(encoding="utf-8").replace("define([", 'define("anywidget", [', 1)
    (tmp_path / "anywidget.js").write_text(named, encoding="utf-8")
    local = "".join(
        f'<script src="{name}"></script>' for name in ("require.js", "embed-amd.js", "anywidget.js")
    )
    html, asked = re.subn(r'<script[^>]*src="https://[^>]*></script>', "", html)
    assert asked == 2
    path.write_text(html.replace("<body>", f"<body>{local}", 1), encoding="utf-8")
    page.goto(path.as_uri())
    check_snapshot(page, "nbconvert, embed_minimal_html")


def check_snapshot(page: Page, host: str) -> None:
    """Every widget shows what was saved, says snapshot, and reacts to the mouse."""
    screen = Everything(page, host)
    page.locator(f".lw-root >> nth={len(NAMES) - 1}").wait_for()
    screen.wait_status("snapshot")
    assert {state["status"] for state in screen.states()} == {"snapshot"}
    screen.assert_shown()
    screen.assert_metric(truth().metric(), truth(ABLATED).metric())
    screen.assert_rows()
    attention = screen.of("AttentionView")
    attention.wait_pattern(HEAD)
    assert_pattern(attention, truth(ABLATED))
    q, k, value = attention.hover_pattern(0.2, 0.8)
    layer, head = int(HEAD[1]), int(HEAD[3])
    assert value == pytest.approx(truth(ABLATED).pattern(0, layer, head)[q][k], abs=2e-6)
    screen.assert_followed()
    screen.picture()

    attention.head("L0H3").click()
    assert attention.shown_pattern() == "L0H3"
    panel = screen.of("AblationPanel")
    assert panel.alert().count() == 0
    dead = [panel.switch("L3H3"), *panel.page.get_by_role("button", name="undo").all()]
    assert all(control.is_disabled() for control in dead)
    # What is chosen can be asked for, and is refused in words.
    panel.pick("ablation", "values in the cells", "effect")
    panel.alert().wait_for()
    assert "needs a running kernel" in (panel.alert().text_content() or "")
    assert screen.of("AblationPanel").metric()["current"] == pytest.approx(
        truth(ABLATED).metric(), abs=1e-4
    )
    screen.record(dict.fromkeys(NAMES, WITHOUT_KERNEL))
