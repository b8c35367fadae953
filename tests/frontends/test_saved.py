"""A saved notebook, opened again without its kernel, shows what it last showed."""

from __future__ import annotations

import json
import shutil
from typing import Any

from tests.frontends.conftest import Dashboard
from tests.frontends.jupyterlab import Lab
from tests.frontends.screen import Screen

# The bundle and the style sheet are in it once; JupyterLab adds its own state of the notebook.
MAX_BYTES = 400_000


def test_reopened_notebook_shows_its_snapshot(dashboard: Dashboard, lab: Lab) -> None:
    dashboard.toggle("L1H3")
    dashboard.click_head("L2H4")
    shown = _shown(dashboard)
    assert shown["metric"]["change"] != 0
    # The snapshot is written a while after the views came to rest.
    dashboard.kernel.run("kept = lambda: (explorer.snapshot or {}).get('slots', {})")
    dashboard.kernel.wait_until(
        "kept().get('attention/pattern', {}).get('args', {}).get('head') == 4"
        " and kept()['attention/pattern']['revision'] == 1"
    )
    dashboard.notebook.save()
    copy = lab.notebooks / "copy.ipynb"
    shutil.copy(dashboard.notebook.path, copy)
    saved = json.loads(copy.read_text())
    assert "application/vnd.jupyter.widget-state+json" in saved["metadata"]["widgets"]
    assert copy.stat().st_size < MAX_BYTES

    # The new kernel knows nothing of the widget, as if the notebook came from someone else.
    again = lab.open(copy)
    screen = Screen(again.page)
    screen.wait_status("snapshot")
    screen.wait_pattern("L2H4")
    assert _shown(screen) == shown
    root = screen.view("explorer")
    assert root.get_by_role("status").first.is_visible()
    assert "snapshot" in (root.get_by_role("status").first.text_content() or "")
    # Clicks have nobody to ask, and break nothing.
    screen.head("L0H1").click()
    assert screen.switch("L3H3").is_disabled()
    # It is not taken for a kernel that was there and has gone.
    assert again.page.get_by_text("run the cells again").count() == 0
    assert again.our_problems() == []
    assert screen.view("explorer").get_attribute("data-lw-status") == "snapshot"
    again.close()


def _shown(screen: Screen) -> dict[str, Any]:
    return {
        "metric": screen.metric(),
        "tokens": screen.token_ids(),
        "rows": screen.rows(),
        "predictions": screen.predictions(),
        "pattern": screen.whole_pattern(),
        "ablated": screen.switch("L1H3").get_attribute("aria-checked"),
    }
