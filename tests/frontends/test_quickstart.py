"""The quickstart notebook as a new user meets it: opened in JupyterLab, all cells run, offline."""

from __future__ import annotations

import shutil

from tests.browser.pages import ROOT
from tests.frontends.jupyterlab import Lab
from tests.frontends.screen import Screen

QUICKSTART = ROOT / "example_notebooks" / "01_quickstart.ipynb"


def test_quickstart_runs_in_jupyterlab(lab: Lab) -> None:
    path = lab.notebooks / QUICKSTART.name
    shutil.copy(QUICKSTART, path)
    notebook = lab.open(path)
    notebook.run_all()
    screen = Screen(notebook.page)
    screen.wait_idle()
    shown = {state["view"] for state in screen.states()}
    assert shown == {"explorer", "token", "attention", "attribution", "ablation"}
    notebook.page.locator(".js-plotly-plot").first.wait_for(state="attached")
    assert notebook.our_problems() == []
    lab.check_offline()
    notebook.close()
