"""Every widget in every front end: drawn, clicked, and with torch's numbers.

JupyterLab's own tests go deeper; here the same few minutes of work are done in each place.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright

from tests.browser.pages import firefox
from tests.frontends.everywhere import SETUP, SHOW, Everything
from tests.frontends.jupyterlab import Lab, Notebook, open_lab
from tests.frontends.server import free_port, make_home, serve

MARIMO = f"""
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
{"".join(f"    {line}" for line in SETUP.strip().splitlines(keepends=True))}
    mo.vstack([mo.ui.anywidget(view) for view in views])
    return


if __name__ == "__main__":
    app.run()
"""


@pytest.mark.parametrize(
    "comms", ["subshells", pytest.param("main thread", marks=pytest.mark.slow)]
)
def test_jupyterlab(lab: Lab, comms: str) -> None:
    notebook = lab.open(lab.write(SETUP, SHOW))
    if comms == "main thread":
        notebook.use_comms_on_the_main_thread()
    host = "JupyterLab, ipykernel 7" + (", no subshells" if comms == "main thread" else "")
    _check_notebook(notebook, host)


def test_jupyterlab_in_firefox(lab: Lab, playwright: Playwright) -> None:
    with firefox(playwright, 1600, 1500) as context:
        other = Lab(lab.url, lab.home, context)
        _check_notebook(other.open(other.write(SETUP, SHOW)), "JupyterLab in Firefox")
        other.check_offline()


@pytest.mark.slow
def test_notebook_7(chromium: BrowserContext) -> None:
    with open_lab(context=chromium, application="notebook", place="notebooks", flags=()) as lab:
        _check_notebook(lab.open(lab.write(SETUP, SHOW)), "Notebook 7")
        lab.check_offline()


def _check_notebook(notebook: Notebook, host: str) -> None:
    for index in range(2):
        notebook.run_cell(index)
    Everything(notebook.page, host).check()
    assert notebook.our_problems() == []
    assert notebook.kernel.value("traces(model) == pristine"), "hooks of ours are on the model"
    notebook.close()


def test_voila(chromium: BrowserContext) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in (SETUP, SHOW)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    with _home() as home:
        path = home / "notebooks" / "views.ipynb"
        nbformat.write(notebook, path)
        port = free_port()
        command = [
            *(sys.executable, "-m", "voila", str(path), "--no-browser", f"--port={port}"),
            *("--Voila.ip=127.0.0.1", "--show_tracebacks=True"),
        ]
        # Its first answer is the whole notebook, run.
        url = f"http://127.0.0.1:{port}/"
        with _page(chromium, command, home, url, "voila/static/voila.js") as page:
            Everything(page, "Voila").check()


def test_marimo(chromium: BrowserContext) -> None:
    with _home() as home:
        path = home / "notebooks" / "views.py"
        path.write_text(MARIMO)
        port = free_port()
        command = [
            *(sys.executable, "-m", "marimo", "-q", "-y", "run", str(path), "--headless"),
            *("--host", "127.0.0.1", "--port", str(port), "--no-token"),
        ]
        with _page(chromium, command, home, f"http://127.0.0.1:{port}/", "health") as page:
            Everything(page, "marimo").check()


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lens_widgets-") as folder:
        home = Path(folder)
        make_home(home)
        yield home


@contextmanager
def _page(
    chromium: BrowserContext, command: list[str], home: Path, url: str, path: str
) -> Iterator[Page]:
    """A page of a server, which may log nothing that concerns a widget."""
    problems: list[str] = []
    with serve(command, home, url, path):
        page = chromium.new_page()
        page.set_viewport_size({"width": 1600, "height": 1500})
        page.on("pageerror", lambda error: problems.append(f"{error.message}\n{error.stack}"))
        page.goto(url, wait_until="commit", timeout=120_000)
        yield page
        page.close()
    ours = [text for text in problems if "lens" in text.lower() or "blob:" in text]
    assert ours == []
