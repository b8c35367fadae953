"""WebKit's own window, which Playwright does not open: over the W3C's WebDriver, in HTTP.

WebKitGTK shares its engine with Safari. Debian has its driver (``webkit2gtk-driver``); the window
stands on a screen of its own (``xvfb``).
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.frontends.kernel import wait_until
from tests.frontends.server import free_port

BROWSERS = "/usr/lib/*/webkit2gtk-*/MiniBrowser"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The name that the standard gives to references of elements."""

PROBLEMS = """
window.problems = [];
addEventListener('error', ({ message }) => window.problems.push(message));
addEventListener('unhandledrejection', ({ reason }) => window.problems.push(String(reason)));
const { error } = console;
console.error = (...said) => { window.problems.push(said.join(' ')); error(...said); };
"""


class WebKit:
    """One page. Scripts are functions in JavaScript, called with the arguments that follow."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """A command of the standard, and its value; raises AssertionError with what it says."""
        request = urllib.request.Request(
            f"{self._url}{path}",
            method=method,
            data=json.dumps(body).encode() if method == "POST" else None,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()[:500]}") from None

    def goto(self, url: str) -> None:
        self.ask("POST", "/url", url=url)
        self.ask("POST", "/execute/sync", script=PROBLEMS, args=[])

    def run(self, script: str, *args: Any) -> Any:
        body = f"return ({script})(...arguments);"
        return self.ask("POST", "/execute/sync", script=body, args=list(args))

    def wait(self, script: str, *args: Any, timeout_s: float = 120) -> None:
        """Until the script is true."""
        wait_until(lambda: bool(self.run(script, *args)), f"{script} {args}", timeout_s)

    def click(self, script: str, *args: Any) -> None:
        """With the mouse, on the element that the script gives."""
        element = self.run(script, *args)
        assert element is not None, f"there is no {script} {args}"
        self.ask("POST", f"/element/{element[ELEMENT]}/click")

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextmanager
def webkit(width: int, height: int) -> Iterator[WebKit]:
    """A window of WebKitGTK; AssertionError where Debian's packages for it are missing."""
    browser = next(Path("/").glob(BROWSERS.lstrip("/")), None)
    tools = {name: shutil.which(name) for name in ("WebKitWebDriver", "Xvfb")}
    missing = [name for name, path in tools.items() if path is None]
    assert browser is not None, f"no {BROWSERS}: apt-get install webkit2gtk-driver xvfb"
    assert missing == [], f"no {missing}: apt-get install webkit2gtk-driver xvfb"
    port = free_port()
    with _screen(width, height) as display:
        driver = subprocess.Popen(
            ["WebKitWebDriver", f"--port={port}"],
            env={**os.environ, "DISPLAY": display, "NO_AT_BRIDGE": "1"},
            start_new_session=True,
        )
        page = WebKit(f"http://127.0.0.1:{port}")
        try:
            wait_until(lambda: _answers(page), "WebKitWebDriver answers")
            options = {"binary": str(browser), "args": ["--automation"]}
            wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
            session = page.ask("POST", "/session", capabilities=wanted)["sessionId"]
            page = WebKit(f"http://127.0.0.1:{port}/session/{session}")
            page.ask("POST", "/window/rect", width=width, height=height)
            yield page
            page.ask("DELETE", "")
        finally:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait()


def _answers(page: WebKit) -> bool:
    try:
        return bool(page.ask("GET", "/status")["ready"])
    except OSError:
        return False


@contextmanager
def _screen(width: int, height: int) -> Iterator[str]:
    """An X display that nobody sees; the server says which number was free."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as said:
            yield f":{said.readline().strip()}"
    finally:
        server.terminate()
        server.wait()
