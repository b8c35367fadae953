"""What every front end must do with every widget, and the record of what it did.

The widgets are those that the package offers, whatever they are; the numbers are plain hooked
forwards made in the test's own process, so a front end needs no second way to its kernel.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Page

import lens_widgets as lw
from tests.every_view import EVERY_VIEW
from tests.frontends.conftest import ANSWERS, PROMPTS
from tests.frontends.records import RECORDS, record
from tests.frontends.screen import Screen
from tests.frontends.truth import Truth

NAMES: tuple[str, ...] = tuple(EVERY_VIEW)
CORRUPTED = tuple(
    text.replace(f" {subject} gave", f" {other} gave", 1)
    for text, subject, other in zip(
        PROMPTS, ("John", "James", "Amy"), ("Mary", "Tom", "Martin"), strict=True
    )
)
HEAD, ABLATED = "L2H1", "L1H4"
OPEN_TIMEOUT_MS = 120_000

SETUP = f"""
import torch
torch.set_num_threads(1)
import lens_widgets as lw
from tests.every_view import EVERY_VIEW
from tests.models import traces

model = lw.load_demo("ioi")
model.run_with_cache(torch.tensor([[4, 5]]))
pristine = traces(model)
session = lw.Session(
    model, {list(PROMPTS)!r}, answers={list(ANSWERS)!r}, corrupted={list(CORRUPTED)!r}
)
views = [getattr(lw, name)(session) for name in EVERY_VIEW]
"""
SHOW = "from IPython.display import display\ndisplay(*views)"


@cache
def _model() -> Any:
    return lw.load_demo("ioi")


def truth(*ablations: str) -> Truth:
    """Plain hooked forwards of the same model, in this process."""
    return Truth(_model(), PROMPTS, ANSWERS, ablations)


class Everything(Screen):
    """One of each widget, in the order of ``NAMES``, on one page."""

    def __init__(self, page: Page, host: str) -> None:
        super().__init__(page)
        self.host = host

    def of(self, name: str) -> Screen:
        """The widget of one class alone."""
        return Screen(self.page, f".lw-root >> nth={NAMES.index(name)}")

    def check(self) -> None:
        """All that a front end with a kernel must do."""
        self.wait_open()
        self.assert_shown()
        baseline = truth().metric()
        self.assert_metric(baseline, baseline)
        attention = self.of("AttentionView")
        attention.click_head(HEAD)
        assert_pattern(attention, truth())
        self.of("AblationPanel").switch(ABLATED).click()
        self.wait_idle(1, OPEN_TIMEOUT_MS)
        self.assert_metric(baseline, truth(ABLATED).metric())
        attention.wait_pattern(HEAD)
        assert_pattern(attention, truth(ABLATED))
        self.assert_rows()
        self.assert_followed()
        self.picture()
        self.record(dict.fromkeys(NAMES, "works"))

    def wait_open(self) -> None:
        self.page.locator(f".lw-root >> nth={len(NAMES) - 1}").wait_for(timeout=OPEN_TIMEOUT_MS)
        self.wait_idle(timeout_ms=OPEN_TIMEOUT_MS)

    def assert_shown(self) -> None:
        """Every widget is there, drawn, styled and without complaint."""
        assert self.page.locator(".lw-root").count() == len(NAMES)
        for name in NAMES:
            view = self.of(name)
            root = view.scope.locator("[data-lw-view]").first
            box = root.bounding_box()
            assert box is not None, name
            assert box["width"] > 200, f"{name}: {box}"
            assert box["height"] > 40, f"{name}: {box}"
            display = root.evaluate("root => getComputedStyle(root.parentElement).display")
            assert display == "block", f"{name} has no style sheet"
            alerts = view.alert().all_text_contents()
            assert alerts == [], f"{name}: {alerts}"

    def assert_metric(self, baseline: float, current: float) -> None:
        """Every header says what torch says."""
        shown = self.page.locator("[data-lw-metric][data-current]").evaluate_all(
            "all => all.map(({ dataset }) => [dataset.baseline, dataset.current])"
        )
        assert len(shown) >= len(NAMES) / 2
        for before, after in shown:
            assert float(before) == pytest.approx(baseline, abs=1e-4)
            assert float(after) == pytest.approx(current, abs=1e-4)

    def assert_rows(self) -> None:
        """The attribution table's heads are torch's, before and after the ablation."""
        with torch.no_grad():
            before, after = truth().direct_effects(), truth(ABLATED).direct_effects()
        rows = self.of("AttributionTable").rows()
        heads = [part for part in rows if "H" in part]
        assert len(heads) == _model().cfg.n_layers * _model().cfg.n_heads
        for part in heads:
            assert rows[part]["baseline"] == pytest.approx(before[part], abs=1e-4), part
            assert rows[part]["current"] == pytest.approx(after[part], abs=1e-4), part

    def assert_followed(self) -> None:
        """What was clicked in one widget is seen in the others."""
        for name in ("AttributionTable", "AblationPanel", "Explorer"):
            switch = self.of(name).scope.locator(f'[role="switch"][aria-label="ablate {ABLATED}"]')
            assert switch.first.get_attribute("aria-checked") == "true", name
        explorer = self.of("Explorer")
        assert explorer.shown_pattern() == HEAD

    def picture(self) -> Path:
        RECORDS.mkdir(parents=True, exist_ok=True)
        path = RECORDS / f"{self.host}.png"
        attention = self.of("AttentionView").scope
        attention.scroll_into_view_if_needed()
        attention.screenshot(path=path)
        assert path.stat().st_size > 5_000
        return path

    def record(self, outcome: dict[str, str]) -> None:
        """For the table in the README of this folder."""
        record("host", self.host, widgets=outcome)


def assert_pattern(screen: Screen, expected: Truth) -> None:
    """The large pattern, every fourth row, is torch's of the first prompt."""
    layer, head = int(HEAD[1]), int(HEAD[3])
    pattern = expected.pattern(0, layer, head)
    cells = screen.whole_pattern(every=4)
    assert len(cells) >= len(pattern)
    for (q, k), value in cells.items():
        assert value == pytest.approx(pattern[q][k], abs=2e-6), (q, k)
