"""After *Run All* in JupyterLab, every view on screen is about what the text beside it says.

Unit tests hold that no session changes after the cell that shows it (test_notebooks.py); this holds
that its views show that session, and not what it was on the way.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser.pages import ROOT
from tests.frontends.jupyterlab import Lab
from tests.frontends.screen import Screen

NOTEBOOKS = sorted((ROOT / "example_notebooks").glob("*.ipynb"))
REAL_MODELS = ("05_real_model", "06_circuits")
# The sessions' own numbers, in the order of the cells, of the views that have them in their header.
KEPT = """[
    [float(view._session.baseline.mean()), float(view._session.current.mean())]
    for view in Out.values() if "metric" in getattr(view, "of_session", ())
]"""
SHOWN = "all => all.map(one => [Number(one.dataset.baseline), Number(one.dataset.current)])"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.stem in REAL_MODELS else [])
        for path in NOTEBOOKS
    ],
    ids=lambda path: path.stem,
)
@pytest.mark.timeout(900)
def test_every_view_on_screen_is_about_its_session(lab: Lab, path: Path) -> None:
    copy = lab.notebooks / path.name
    shutil.copy(path, copy)
    notebook = lab.open(copy)
    notebook.run_all(timeout_ms=600_000)
    Screen(notebook.page).wait_idle(timeout_ms=120_000)
    kept = notebook.kernel.value(KEPT)
    shown = notebook.page.locator("[data-lw-metric]").evaluate_all(SHOWN)
    assert len(kept) > 1
    assert shown == [pytest.approx(values, abs=1e-4) for values in kept]
    assert notebook.our_problems() == []
    lab.check_offline()
    notebook.close()
