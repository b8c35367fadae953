"""Every view under a strict content security policy: no inline code, no eval, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from .pages import STATIC, start, wait_idle

VIEWS = sorted(path.stem for path in STATIC.glob("*.js"))


@pytest.fixture
def strict(chromium: BrowserContext, harness_url: str) -> Iterator[Page]:
    page = chromium.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    yield page
    page.close()
    assert problems == []


@pytest.mark.parametrize("view", VIEWS)
def test_view_works_under_a_strict_policy(strict: Page, harness_url: str, view: str) -> None:
    start(strict, f"{harness_url}?strict", view)
    wait_idle(strict, view)
    root = strict.locator(f'[data-lw-view="{view}"]').first
    assert root.locator('[role="alert"]').all_text_contents() == []
    assert root.evaluate("root => getComputedStyle(root.parentElement).display") == "block"
    heads = root.locator("[data-head]")
    if heads.count():
        heads.last.click()
    switches = root.locator('[role="switch"]')
    if switches.count():
        switches.last.click()
    wait_idle(strict, view)


def test_the_policy_is_in_force(chromium: BrowserContext, harness_url: str) -> None:
    page = chromium.new_page()
    page.goto(f"{harness_url}?strict")
    page.wait_for_selector("#views", state="attached")
    refused = page.evaluate(
        """() => {
          const refused = [];
          document.addEventListener('securitypolicyviolation',
            event => refused.push(event.violatedDirective));
          const script = document.createElement('script');
          script.textContent = 'window.hit = 1';
          document.body.append(script);
          return new Promise(done => setTimeout(() => done([window.hit ?? null, ...refused])));
        }"""
    )
    page.close()
    assert refused == [None, "script-src-elem"]
