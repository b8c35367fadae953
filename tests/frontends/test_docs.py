"""The documentation: it builds without a warning, and every page works offline in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from playwright.sync_api import BrowserContext, Page

import lens_widgets as lw
from tests.browser.pages import ROOT

# The notebooks are run for it, one of them on a real model.
pytestmark = pytest.mark.timeout(900)

VIEWS = [name for name in lw.__all__ if hasattr(getattr(lw, name), "figure")]
# What a page links to and shows, its own anchors, and what its frames have in them.
PARTS = """() => ({
  links: [...document.querySelectorAll("a[href]")].map(a => a.href),
  sources: [...document.querySelectorAll("iframe, img, script, link")]
    .map(element => element.src || element.href).filter(Boolean),
  anchors: [...document.querySelectorAll("[id]")].map(element => element.id),
})"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `python tasks.py docs` builds it."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    # Strict: a warning is an error.
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(chromium: BrowserContext, url: str) -> Iterator[Page]:
    """A page that asks nobody else for anything, and complains of nothing."""
    page = chromium.new_page()
    page.set_viewport_size({"width": 1400, "height": 1000})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error.message}"))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((url, "data:", "blob:"))
            else problems.append(request.url)
        ),
    )
    yield page
    page.close()
    assert problems == []


def test_every_page_opens_and_no_link_is_dead(page: Page, site: Path, url: str) -> None:
    # mkdocs's own page for what is not found is for the root of a server alone.
    paths = [path for path in site.rglob("*.html") if path.name != "404.html"]
    pages = [path for path in paths if path.parent.name != "live"]
    assert len(pages) > 30
    anchors, wanted = {}, set()
    for path in pages:
        address = url + path.relative_to(site).as_posix()
        page.goto(address)
        parts = page.evaluate(PARTS)
        anchors[address] = {"", *parts["anchors"]}
        wanted |= {(address, urljoin(address, link)) for link in parts["links"] + parts["sources"]}
    dead = []
    for where, link in sorted(wanted):
        target, anchor = urldefrag(link)
        if not target.startswith(url):
            continue
        file = site / unquote(target.removeprefix(url)) if target != url else site / "index.html"
        known = anchors.get(target.replace(url, url + "index.html") if target == url else target)
        if not file.is_file() or (known is not None and unquote(anchor) not in known):
            dead.append(f"{where.removeprefix(url)} -> {link.removeprefix(url)}")
    assert dead == []


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in site.glob("reference/*.html"))
    shown = set(re.findall(r"lw(?:\.\w+)+", text))
    names = {
        f"lw.{name}" for name in lw.__all__ if name not in ("analysis", "prompts", "data", *VIEWS)
    }
    names |= {f"lw.analysis.{name}" for name in lw.analysis.__all__}
    names |= {f"lw.prompts.{name}" for name in lw.prompts.__all__}
    # The other two are names of the package itself.
    names |= {f"lw.data.{name}" for name in ("per_prompt", "Progress")}
    assert names - shown == set()
    assert {path.stem for path in site.glob("views/*.html")} == {"index", *VIEWS}


@pytest.mark.parametrize("name", VIEWS)
def test_view_is_alive_on_its_page(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}views/{name}.html")
    element = page.locator("iframe.live").first
    view = page.frame_locator("iframe.live").first.locator("[data-lw-view]").first
    view.wait_for()
    assert view.get_attribute("data-lw-status") == "snapshot"
    # The frame is as tall as what it shows.
    page.wait_for_function(
        """frame => {
          const shown = frame.contentDocument.body.getBoundingClientRect().height;
          return Math.abs(frame.getBoundingClientRect().height - shown) < 60;
        }""",
        arg=element.element_handle(),
    )


def test_saved_view_on_a_page_follows_the_mouse(page: Page, url: str) -> None:
    page.goto(f"{url}views/AttentionView.html")
    frame = page.frame_locator("iframe.live").first
    head = frame.locator('[role="gridcell"][data-head="L2H6"]').first
    assert head.get_attribute("aria-selected") == "false"
    head.click()
    frame.locator('[role="gridcell"][data-head="L2H6"][aria-selected="true"]').first.wait_for()


def test_notebook_shows_its_views_and_figures(page: Page, url: str) -> None:
    page.goto(f"{url}notebooks/01_quickstart.html")
    frames = page.locator("iframe.live")
    assert frames.count() == 4
    for index, shown in enumerate(("[data-lw-view=explorer]", "", "", ".js-plotly-plot svg")):
        frames.nth(index).scroll_into_view_if_needed()
        inner = page.frame_locator("iframe.live").nth(index)
        inner.locator(shown or "[data-lw-view]").first.wait_for()
    # What the cells printed is there, and no error among it.
    printed = page.locator("pre.output").all_inner_texts()
    assert any(text.startswith("without L1H4: -") for text in printed)
    assert not [text for text in printed if "Traceback" in text]


def test_search_finds_a_function(page: Page, url: str) -> None:
    page.goto(f"{url}index.html")
    page.keyboard.press("/")
    page.keyboard.type("patch_sweep")
    page.locator(".md-search-result__item").first.wait_for()
