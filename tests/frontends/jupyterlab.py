"""A real JupyterLab in a real browser, with nothing of the person's own set-up."""

from __future__ import annotations

import json
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

from lens_widgets.jupyter.lab import NO_DELAY
from tests.browser.pages import browser
from tests.frontends.kernel import CellError, Kernel, plain
from tests.frontends.server import run_server

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
CELLS_TIMEOUT_MS = 180_000


class Lab:
    """A running JupyterLab server and the browser that talks to it."""

    def __init__(
        self, url: str, home: Path, context: BrowserContext, place: str = "lab/tree"
    ) -> None:
        self.url = url
        self.place = place
        self.home = home
        self.notebooks = home / "notebooks"
        self.context = context
        self._outside: list[str] = []
        self._notebooks: list[Notebook] = []

    def _note(self, url: str) -> None:
        if not url.startswith((self.url, "ws:" + self.url.split(":", 1)[1], "data:", "blob:")):
            self._outside.append(url)

    def check_offline(self) -> None:
        """Fails when any page asked for anything outside this machine."""
        assert not self._outside, f"asked for outside this machine: {self._outside}"

    def write(self, *cells: str, kernel: str = "python3") -> Path:
        """A new notebook with these code cells; its path."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": kernel, "display_name": "Python 3"}},
        )
        path = self.notebooks / f"{uuid.uuid4().hex[:8]}.ipynb"
        nbformat.write(notebook, path)
        return path

    def open(self, path: Path) -> Notebook:
        """Opens a notebook in a page of its own and waits for its kernel."""
        page = self.context.new_page()
        page.set_default_timeout(30_000)
        page.on("request", lambda request: self._note(request.url))
        notebook = Notebook(self, page, path)
        self._notebooks.append(notebook)
        page.goto(f"{self.url}{self.place}/{path.name}?reset")
        notebook.wait_for_kernel()
        return notebook

    def run(self, *cells: str) -> Notebook:
        """Opens a new notebook with these cells and runs them all."""
        notebook = self.open(self.write(*cells))
        notebook.run_all()
        return notebook

    def api(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def close(self) -> None:
        for notebook in self._notebooks:
            notebook.close()


class Notebook:
    """One notebook in one page. ``problems`` are what the browser complained about."""

    def __init__(self, lab: Lab, page: Page, path: Path) -> None:
        self.lab = lab
        self.page = page
        self.path = path
        self.problems: list[str] = []
        self._kernel: Kernel | None = None
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"{error.message}\n{error.stack}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            where = message.location.get("url", "")
            self.problems.append(f"{message.type}: {message.text} ({where})")

    def our_problems(self) -> list[str]:
        """The complaints that are not JupyterLab's own: a widget's module is a blob to the page."""
        ours = ("blob:", "lens", "lw-", "anywidget", "widget")
        return [text for text in self.problems if any(mark in text.lower() for mark in ours)]

    @property
    def kernel(self) -> Kernel:
        """A client of this notebook's kernel."""
        if self._kernel is None:
            runtime = self.lab.home / "runtime"
            self._kernel = Kernel(runtime / f"kernel-{self.kernel_id()}.json")
        return self._kernel

    def kernel_id(self) -> str:
        found: str = self.page.evaluate(f"{_PANEL}.sessionContext.session.kernel.id")
        return found

    def wait_for_kernel(self) -> None:
        # The notebook's own indicator says idle before there is a kernel.
        self.page.wait_for_function(
            f"window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel != null"
            f" && {_PANEL}.content?.widgets?.length > 0",
            timeout=60_000,
        )
        self.page.evaluate(
            f"async () => {{ await {_PANEL}.sessionContext.ready;"
            f" await {_PANEL}.sessionContext.session.kernel.info; }}"
        )

    def forget_kernel(self) -> None:
        """After its end: the next use makes a new client."""
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def change_kernel(self, identity: str) -> None:
        """Uses a kernel that runs already."""
        self.page.evaluate(
            f"async id => {{ await {_PANEL}.sessionContext.changeKernel({{ id }});"
            f" await {_PANEL}.sessionContext.session.kernel.info; }}",
            identity,
        )

    def use_comms_on_the_main_thread(self) -> None:
        """As front ends do that know no subshells; before the first widget is made."""
        self.page.evaluate(
            f"() => {{ {_PANEL}.sessionContext.session.kernel.commsOverSubshells = 'disabled'; }}"
        )

    def run_all(self, timeout_ms: int = CELLS_TIMEOUT_MS) -> None:
        """Run > Run All Cells, until the last has run; raises CellError when one raises."""
        self.page.click("#jp-MainMenu >> text=Run")
        self.page.click(".lm-Menu-item[data-command='runmenu:run-all']")
        self.wait_for_cells(timeout_ms=timeout_ms)

    def show(self, *cells: str) -> None:
        """Puts these cells in place of all but the first, and runs them one after the other."""
        self.page.evaluate(
            f"""() => {{
              const {{ sharedModel }} = {_PANEL}.content.model;
              sharedModel.deleteCellRange(1, sharedModel.cells.length);
            }}"""
        )
        for index, source in enumerate(cells, start=1):
            self.start_cell(index, source)
            self.wait_for_cells(index)

    def start_cell(self, index: int, source: str | None = None) -> None:
        """Runs one cell, given here or already there, and does not wait for it."""
        self.page.evaluate(
            f"""([index, source]) => {{
              const {{ content }} = {_PANEL};
              const {{ sharedModel }} = content.model;
              if (source !== null) {{
                if (index < sharedModel.cells.length) sharedModel.deleteCell(index);
                sharedModel.insertCell(index, {{ cell_type: 'code', source, metadata: {{}} }});
              }}
              content.activeCellIndex = index;
              void jupyterapp.commands.execute('notebook:run-cell');
            }}""",
            [index, source],
        )

    def run_cell(self, index: int) -> None:
        self.start_cell(index)
        self.wait_for_cells(index)

    def wait_for_cells(self, index: int | None = None, timeout_ms: int = CELLS_TIMEOUT_MS) -> None:
        """Until every cell (or one) has run and shows its output."""
        only = "true" if index is None else f"i === {index}"
        self.page.wait_for_function(
            f"""() => {_PANEL}.content.widgets
              .filter((cell, i) => cell.model.type === 'code' && {only})
              .every(cell => cell.model.executionCount !== null
                && cell.model.executionState !== 'running')""",
            timeout=timeout_ms,
        )
        errors = self.page.evaluate(
            f"""() => {_PANEL}.content.widgets
              .filter((cell, i) => cell.model.type === 'code' && {only})
              .flatMap(cell => cell.model.outputs.toJSON())
              .filter(output => output.output_type === 'error')
              .map(output => output.traceback.join('\\n'))"""
        )
        if errors:
            raise CellError(plain("\n".join(errors)))

    def error_of(self, index: int) -> str:
        """The exception that ended a cell, once it has."""
        cell = f"{_PANEL}.content.widgets[{index}].model"
        found = self.page.wait_for_function(
            f"""() => {cell}.executionState === 'idle' && {cell}.outputs.toJSON()
              .find(output => output.output_type === 'error')?.ename""",
            timeout=CELLS_TIMEOUT_MS,
        )
        return str(found.json_value())

    def set_theme(self, name: str) -> None:
        """``light`` or ``dark``."""
        self.page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })",
            THEMES[name],
        )
        light = "true" if name == "light" else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")

    def hide_side_bars(self) -> None:
        """Leaves the page to the notebook, for pictures."""
        self.page.evaluate(
            """() => { for (const side of ['left', 'right']) {
              if (!jupyterapp.shell[`${side}Collapsed`]) {
                void jupyterapp.commands.execute(`application:toggle-${side}-area`);
              }
            } }"""
        )

    def save(self) -> None:
        """Saves the notebook with the state of its widgets."""
        self.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function(f"() => !{_PANEL}.context.model.dirty")

    def close(self) -> None:
        """Closes the page and ends the kernel."""
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None
        if not self.page.is_closed():
            self.page.close()
        for session in self.lab.api("GET", "sessions"):
            if session["path"].endswith(self.path.name):
                self.lab.api("DELETE", f"sessions/{session['id']}")


_PANEL = "jupyterapp.shell.currentWidget"


@contextmanager
def open_lab(
    width: int = 1600,
    height: int = 1500,
    scale: float = 1,
    *,
    flags: Sequence[str] = (NO_DELAY,),
    context: BrowserContext | None = None,
    application: str = "jupyterlab",
    place: str = "lab/tree",
) -> Iterator[Lab]:
    """JupyterLab on a free port with an empty home, in its own process group, and a browser.

    Started as `lens-widgets demo` does, unless told other ``flags``; Notebook 7 is another
    ``application`` of the same kind, with notebooks in another ``place``.
    """
    with tempfile.TemporaryDirectory(prefix="lens_widgets-") as folder:
        home = Path(folder)
        server = run_server(home, *flags, application=application)
        # Playwright runs once in a process: who has a browser already lends it.
        own = browser(width, height, scale) if context is None else nullcontext(context)
        with server as url, own as pages:
            lab = Lab(url, home, pages, place)
            try:
                yield lab
            finally:
                lab.close()
