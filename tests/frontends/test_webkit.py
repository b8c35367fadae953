"""The main job in WebKit, Safari's engine: views drawn, clicked, and with torch's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.frontends.everywhere import ABLATED, HEAD, SETUP, truth
from tests.frontends.jupyterlab import Lab
from tests.frontends.records import RECORDS, record
from tests.frontends.screen import READ_COLUMNS, READ_PATTERN
from tests.frontends.webkit import WebKit, webkit

HOST = "JupyterLab in WebKit"
NAMES = ("TokenView", "AttentionView", "AttributionTable", "AblationPanel", "Explorer")
"""Those of the main job. With all fifteen on one page WebKitGTK, which draws in software here, can
take longer than the two seconds that anywidget gives each to begin."""

SHOW = f"from IPython.display import display\ndisplay(*(getattr(lw, n)(session) for n in {NAMES}))"
PANEL = "window.jupyterapp?.shell?.currentWidget"
CONTEXT = f"{PANEL}?.sessionContext"
ROOT = "document.querySelectorAll('.lw-root')[view]"
IDLE = """revision => {
  const views = [...document.querySelectorAll('[data-lw-view]')];
  return document.querySelectorAll('.lw-root').length === COUNT && views.every(({ dataset }) =>
    dataset.lwStatus === 'offscreen'
    || dataset.lwStatus === 'idle' && Number(dataset.lwRevision) >= revision);
}""".replace("COUNT", str(len(NAMES)))


@pytest.fixture
def page(lab: Lab) -> Iterator[WebKit]:
    """A notebook with the views, in which all cells have run."""
    path = lab.write(SETUP, SHOW)
    with webkit(1600, 1500) as page:
        page.goto(f"{lab.url}lab/tree/{path.name}?reset")
        page.wait(f"() => {CONTEXT}?.session?.kernel != null && {PANEL}.content.widgets.length > 1")
        page.run(f"async () => {{ await {CONTEXT}.ready; await {CONTEXT}.session.kernel.info; }}")
        page.run("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait(IDLE, 0)
        yield page
    for session in lab.api("GET", "sessions"):
        if session["path"].endswith(path.name):
            lab.api("DELETE", f"sessions/{session['id']}")


def test_the_main_job_has_torchs_numbers(page: WebKit) -> None:
    for name in NAMES:
        size = page.run(f"view => {{ const box = {ROOT}.getBoundingClientRect();"
                        " return [box.width, box.height]; }", NAMES.index(name))  # fmt: skip
        assert size[0] > 200, name
        assert size[1] > 40, name
    assert page.run("() => [...document.querySelectorAll('.lw-root [role=alert]')].length") == 0
    _metric_is(page, truth().metric(), truth().metric())

    attention, ablation = NAMES.index("AttentionView"), NAMES.index("AblationPanel")
    page.click(f"(view, head) => {ROOT}.querySelector("
               '`[role="gridcell"][data-head="${head}"]`)', attention, HEAD)  # fmt: skip
    _pattern_is(page, attention, truth().pattern(0, int(HEAD[1]), int(HEAD[3])))

    page.click(f"(view, part) => {ROOT}.querySelector("
               '`[role="switch"][aria-label="ablate ${part}"]`)', ablation, ABLATED)  # fmt: skip
    page.wait(IDLE, 1)
    _metric_is(page, truth().metric(), truth(ABLATED).metric())
    _pattern_is(page, attention, truth(ABLATED).pattern(0, int(HEAD[1]), int(HEAD[3])))
    _rows_are(page)

    RECORDS.mkdir(parents=True, exist_ok=True)
    page.run(f"view => {ROOT}.scrollIntoView()", attention)
    page.picture(RECORDS / f"{HOST}.png")
    ours = [text for text in page.run("() => window.problems") if "lw-" in text or "blob:" in text]
    assert ours == []
    record("host", HOST, widgets=dict.fromkeys(NAMES, "works"))


def _metric_is(page: WebKit, baseline: float, current: float) -> None:
    shown = page.run("""() => [...document.querySelectorAll('[data-lw-metric][data-current]')]
      .map(({ dataset }) => [Number(dataset.baseline), Number(dataset.current)])""")
    assert len(shown) == len(NAMES)
    for before, after in shown:
        assert before == pytest.approx(baseline, abs=1e-4)
        assert after == pytest.approx(current, abs=1e-4)


def _pattern_is(page: WebKit, view: int, expected: list[list[float]]) -> None:
    pattern = f'{ROOT}.querySelector(\'[data-lw-pattern="{HEAD}"][data-exact="true"]\')'
    page.wait(f"view => {pattern} !== null", view)
    cells = page.run(f"(view, every) => ({READ_PATTERN})({pattern}, every)", view, 4)
    assert len(cells) >= len(expected)
    for q, k, value in cells:
        assert value == pytest.approx(expected[int(q)][int(k)], abs=2e-6), (q, k)


def _rows_are(page: WebKit) -> None:
    view = NAMES.index("AttributionTable")
    read = f"(view, asked) => ({READ_COLUMNS})({ROOT}, asked)"
    rows: dict[str, dict[str, Any]] = page.run(read, view, ["[data-component]", "component"])
    with torch.no_grad():
        before, after = truth().direct_effects(), truth(ABLATED).direct_effects()
    heads = [part for part in rows if "H" in part]
    assert len(heads) == 32
    for part in heads:
        assert float(rows[part]["baseline"]) == pytest.approx(before[part], abs=1e-4), part
        assert float(rows[part]["current"]) == pytest.approx(after[part], abs=1e-4), part
