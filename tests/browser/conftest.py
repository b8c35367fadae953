"""Views in Chromium, over a mock comm. A missing browser is a failure, never a skip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import xarray as xr
from playwright.sync_api import BrowserContext, Locator, Page

from . import answers
from .pages import STATIC, browser, serve, start


class Lab:
    """One page with views on it: what tests click, wait for and read."""

    def __init__(self, page: Page, view: str) -> None:
        self.page = page
        self.view = view
        self.root: Locator = page.locator(f'[data-lw-view="{view}"]').first

    def find(self, selector: str) -> Locator:
        return self.root.locator(selector)

    def head(self, label: str) -> Locator:
        return self.find(f'[role="gridcell"][data-head="{label}"]').first

    def open_tab(self, tab: str) -> None:
        """Shows one of the explorer's tabs, from the list of others where it has no place."""
        name = self.find(f'[role="tab"][data-tab="{tab}"]')
        if name.count():
            name.click()
        else:
            self.find('select[aria-label="other views"]').select_option(tab)

    def attribute(self, name: str) -> str:
        return self.root.get_attribute(name) or ""

    def wait(self, condition: str, arg: Any = None) -> None:
        """Waits for a JS condition on ``root`` (the view's element) and ``arg``."""
        self.page.wait_for_function(
            f"([view, arg]) => {{ const root = window.find(view); return {condition}; }}",
            arg=[self.view, arg],
            timeout=30_000,
        )

    def wait_status(self, status: str) -> None:
        self.wait("root.dataset.lwStatus === arg", status)

    def idle(self) -> None:
        self.wait_status("idle")

    def js(self, script: str, arg: Any = None) -> Any:
        """Runs a script with ``root``, ``kernel``, ``mounts`` and ``arg`` in scope."""
        return self.page.evaluate(
            "([view, arg]) => { const root = window.find(view);"
            f" const {{ kernel, mounts }} = window.lab; {script} }}",
            [self.view, arg],
        )

    def answer(self, method: str, **args: Any) -> xr.Dataset:
        """What the real question answers for the page's session as it is."""
        return answers.ask(self.js("return kernel.described;"), method, args)


@pytest.fixture(scope="package")
def harness_url() -> Iterator[str]:
    if not (STATIC / "style.css").exists():
        pytest.fail(f"the front end is not built ({STATIC} has no style.css): run `make js`")
    with serve() as url:
        yield url


@pytest.fixture(scope="package")
def chromium() -> Iterator[BrowserContext]:
    try:
        opened = browser()
        context = opened.__enter__()
    except RuntimeError as error:
        pytest.fail(str(error))
    yield context
    opened.__exit__(None, None, None)


@pytest.fixture
def mount(chromium: BrowserContext, harness_url: str) -> Iterator[Callable[..., Lab]]:
    """``mount("attention", n_heads=12, width=480)`` gives a view at rest; ``rest=None`` at once.

    After the test, errors in the page and requests to anywhere else fail it.
    """
    pages: list[Page] = []
    problems: list[str] = []

    # The code of the explorer's tabs comes by message, and is imported as hosts import widgets.
    at_home = (harness_url, "data:", f"blob:{harness_url}")

    def note(kind: str, text: str) -> None:
        problems.append(f"{kind}: {text}")

    def open_page(
        *views: str, width: int = 1200, height: int = 900, rest: str | None = "idle", **options: Any
    ) -> Lab:
        page = chromium.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.on("pageerror", lambda error: note("page error", str(error)))
        page.on("console", lambda m: note("console", m.text) if m.type == "error" else None)
        page.on(
            "request",
            lambda r: None if r.url.startswith(at_home) else note("request", r.url),
        )
        start(page, harness_url, *views, **options)
        lab = Lab(page, views[0])
        if rest is not None:
            lab.wait_status(rest)
        return lab

    yield open_page
    for page in pages:
        page.close()
    assert problems == []
