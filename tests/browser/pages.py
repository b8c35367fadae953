"""A browser, the pages it loads and how views are mounted on them: shared by tests and ``shot``."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

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


def find_browser() -> str:
    """The browser's path, or an error that says what to install."""
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    looked = f"CHROMIUM={named}" if named else ", ".join(BROWSERS)
    raise RuntimeError(
        f"no browser found (looked for {looked}): install one, for example with"
        " `apt-get install chromium`, or set CHROMIUM to its path"
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
def browser(width: int = 1200, height: int = 900, scale: float = 1) -> Iterator[BrowserContext]:
    """A fresh Chromium that reaches nothing outside this machine."""
    path = find_browser()
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
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


def start(page: Page, url: str, *views: str, **options: Any) -> None:
    """Loads the harness and mounts the views; ``options`` are those of harness/main.js."""
    page.expose_function("lwAnswer", answers.answer)
    page.goto(url)
    page.wait_for_function("window.ready === true")
    shown = {"views": list(views), "defaults": {view: answers.defaults(view) for view in views}}
    page.evaluate("options => window.start(options)", {**shown, **options})


def wait_idle(page: Page, view: str) -> None:
    page.wait_for_selector(f'[data-lw-view="{view}"][data-lw-status="idle"]', timeout=10_000)
