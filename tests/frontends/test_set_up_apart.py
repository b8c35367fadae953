"""Front ends that must be fetched first: ipykernel 6 and VS Code's widget manager."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anywidget
import pytest
from playwright.sync_api import BrowserContext

from tests.browser.pages import ROOT
from tests.frontends import packages
from tests.frontends.everywhere import SETUP, SHOW, Everything
from tests.frontends.jupyterlab import Lab, open_lab
from tests.frontends.kernel import Kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_jupyterlab_with_ipykernel_6(lab: Lab) -> None:
    folder = packages.ipykernel_6()
    spec = lab.home / "data" / "kernels" / "six"
    spec.mkdir(parents=True)
    # The folder comes first in the kernel alone: the server needs its own ipykernel.
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); "
        "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
    )
    argv = [sys.executable, "-c", code, "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "ipykernel 6", "language": "python"})
    )
    notebook = lab.open(lab.write(SETUP, SHOW, kernel="six"))
    for index in range(2):
        notebook.run_cell(index)
    assert notebook.kernel.value("__import__('ipykernel').__version__").startswith("6.")
    Everything(notebook.page, "JupyterLab, ipykernel 6").check()
    assert notebook.our_problems() == []
    assert notebook.kernel.value("traces(model) == pristine")
    notebook.close()


def test_vs_codes_widget_manager(chromium: BrowserContext, tmp_path: Path) -> None:
    site = _vscode_site(tmp_path / "site")
    flags = ("--ServerApp.allow_origin=*",)
    with open_lab(context=chromium, flags=flags) as lab, _served(site) as url:
        model = lab.api("POST", "kernels")
        page = chromium.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(f"{error.message}\n{error.stack}"))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.set_viewport_size({"width": 1600, "height": 1500})
        page.goto(url)
        page.wait_for_function("window.connect !== undefined")
        page.evaluate("([server, id]) => window.connect(server, id)", [lab.url, model["id"]])
        kernel = Kernel(lab.home / "runtime" / f"kernel-{model['id']}.json")
        kernel.run(SETUP)
        ids = kernel.value("[view.model_id for view in views]")
        page.evaluate("ids => window.show(ids)", ids)
        Everything(page, "VS Code's widget manager").check()
        assert page.evaluate("window.carriedBytes") > 10_000
        assert problems == []
        assert kernel.value("traces(model) == pristine")
        kernel.close()
        page.close()
        lab.api("DELETE", f"kernels/{model['id']}")


def _vscode_site(site: Path) -> Path:
    site.mkdir()
    manager = packages.published("@vscode/jupyter-ipywidgets8@1.0.9")
    shutil.copy(manager / "dist" / "ipywidgets.js", site)
    shutil.copy(ROOT / "js" / "node_modules" / "requirejs" / "require.js", site)
    shutil.copy(Path(anywidget.__file__).parent / "nbextension" / "index.js", site / "anywidget.js")
    source = packages.HERE / "vscode"
    shutil.copy(source / "index.html", site)
    subprocess.run(
        [
            ROOT / "js" / "node_modules" / ".bin" / "esbuild",
            source / "main.js",
            *("--bundle", "--format=esm", f"--outfile={site / 'main.js'}"),
            *("--log-level=warning", "--define:process.env.NODE_ENV='\"production\"'"),
            "--define:define=undefined",
        ],
        check=True,
        env={**os.environ, "NODE_PATH": str(packages.locked())},
    )
    return site


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    handler = partial(Quiet, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/index.html?{uuid.uuid4().hex}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
