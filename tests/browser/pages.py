"""A browser, the pages it loads and how views are mounted on them: shared by tests and ``shot``."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright

from tests.browser import answers

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
STATIC = ROOT / "lens_widgets" / "static"
ARTIFACTS = ROOT / "tests" / "artifacts"

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


FIREFOXES = ("firefox-esr", "firefox")
QUIET_FIREFOX: dict[str, str | float | bool] = {
    "app.normandy.enabled": False,
    "services.settings.server": "data:,nothing",
    "toolkit.telemetry.server": "",
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "extensions.systemAddon.update.enabled": False,
}


def find_browser() -> str:
    """Chromium's path, or an error that says what to install."""
    return _found("CHROMIUM", BROWSERS, "chromium")


def _found(variable: str, names: tuple[str, ...], package: str) -> str:
    named = os.environ.get(variable)
    for name in [named] if named else names:
        path = shutil.which(name)
        if path:
            return path
    looked = f"{variable}={named}" if named else ", ".join(names)
    raise RuntimeError(
        f"no browser found (looked for {looked}): install one, for example with"
        f" `apt-get install {package}`, or set {variable} to its path"
    )


STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""No inline script or style, no eval, no blob, no connection: what the strictest hosts allow."""


class _Handler(SimpleHTTPRequestHandler):
    """Serves /harness/ and /static/; nothing is cached, so a rebuilt bundle is seen at once."""

    def __init__(self, *args: Any, static: Path, **kwargs: Any) -> None:
        self._static = static
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        path = path.partition("?")[0].lstrip("/")
        if path.startswith("static/"):
            return str(self._static / path.removeprefix("static/"))
        return str(HERE / (path or "harness/index.html"))

    def end_headers(self) -> None:
        if self.path.endswith("?strict"):
            self.send_header("Content-Security-Policy", STRICT_POLICY)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serve(static: Path = STATIC) -> Iterator[str]:
    """The harness's URL, on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, static=static))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def browser(
    width: int = 1200, height: int = 900, scale: float = 1, *, lent: Playwright | None = None
) -> Iterator[BrowserContext]:
    """A fresh Chromium that reaches nothing outside this machine.

    ``lent``: Playwright itself, of which a process can have only one.
    """
    path = find_browser()
    own = sync_playwright() if lent is None else nullcontext(lent)
    with tempfile.TemporaryDirectory() as profile, own as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=path,
            headless=True,
            args=FLAGS,
            viewport={"width": width, "height": height},
            device_scale_factor=scale,
        )
        try:
            yield context
        finally:
            context.close()


@contextmanager
def firefox(playwright: Playwright, width: int, height: int) -> Iterator[BrowserContext]:
    """The Firefox that people have, over WebDriver BiDi; not one of Playwright's own make."""
    path = _found("FIREFOX", FIREFOXES, "firefox-esr")
    opened = playwright.firefox.launch(
        executable_path=path,
        channel="moz-firefox",
        headless=True,
        firefox_user_prefs=QUIET_FIREFOX,
    )
    try:
        yield opened.new_context(viewport={"width": width, "height": height})
    finally:
        opened.close()


def start(page: Page, url: str, *views: str, **options: Any) -> None:
    """Loads the harness and mounts the views; ``options`` are those of harness/main.js."""
    page.expose_function("lwAnswer", answers.answer)
    page.goto(url)
    page.wait_for_function("window.ready === true")
    shown = {"views": list(views), "defaults": {view: answers.defaults(view) for view in views}}
    page.evaluate("options => window.start(options)", {**shown, **options})


def wait_idle(page: Page, view: str) -> None:
    page.wait_for_selector(f'[data-lw-view="{view}"][data-lw-status="idle"]', timeout=30_000)
