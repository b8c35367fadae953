"""Pictures of every view in many sizes, kept in tests/artifacts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Lab
from .pages import ARTIFACTS

Mount = Callable[..., Lab]

ABLATED = {"interventions": ["L2H5", "L3H1"], "selection": {"layer": 2, "head": 4}}
CASES: dict[str, dict[str, Any]] = {
    "usual": {**ABLATED},
    "narrow": {**ABLATED, "width": 480},
    "wide": {**ABLATED, "width": 1600},
    "2-heads": {"n_layers": 1, "n_heads": 2},
    "512-tokens": {"n_tokens": 512, "n_prompts": 1},
    "difference": {**ABLATED, "options": {"show": "difference"}},
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("view", ["attention", "explorer", "logit_lens"])
def test_screen(mount: Mount, view: str, case: str, theme: str) -> None:
    options = {"width": 1300, **CASES[case], "theme": theme}
    lab = mount(view, **options)
    folder = ARTIFACTS / "views"
    folder.mkdir(parents=True, exist_ok=True)
    lab.page.screenshot(path=folder / f"{view}-{case}-{theme}.png", full_page=True)
    assert lab.js("return document.documentElement.scrollWidth") <= options["width"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [480, 1200])
@pytest.mark.parametrize(
    "view",
    [
        "token",
        "attribution",
        "ablation",
        "composition",
        "weight_circuit",
        "neuron",
        "score_decomposition",
        "head_scores",
        "loss",
        "model_card",
        "activation_browser",
    ],
)
def test_small_screen(mount: Mount, view: str, width: int, theme: str) -> None:
    lab = mount(view, **ABLATED, width=width, theme=theme)
    folder = ARTIFACTS / "views"
    folder.mkdir(parents=True, exist_ok=True)
    lab.page.screenshot(path=folder / f"{view}-{width}-{theme}.png", full_page=True)


BESIDE_A_FILE_BROWSER = 1004
"""CSS pixels that JupyterLab leaves an output in a window of 1,440."""

OVER_EACH_OTHER = """
const over = [];
const edge = (row, left, right) => {
  const [a, b] = [left, right].map(selector => row.querySelector(selector));
  if (!a || !b) return;
  const range = document.createRange();
  range.selectNodeContents(b);
  if (a.getBoundingClientRect().right > range.getBoundingClientRect().left + 0.5)
    over.push(row.textContent);
};
"""


def test_nothing_is_cut_or_covered_beside_a_file_browser(mount: Mount) -> None:
    lab = mount("explorer", width=BESIDE_A_FILE_BROWSER)
    assert (
        lab.js(
            """return [...root.querySelectorAll('.lw-title, .lw-abl-scroll, [role=rowheader]')]
          .filter(part => part.scrollWidth > part.clientWidth)
          .map(part => part.textContent)"""
        )
        == []
    )
    assert (
        lab.js(
            f"""{OVER_EACH_OTHER}
        root.querySelectorAll('.lw-attr-table [role=row]')
          .forEach(row => edge(row, '[role=switch]', '[role=rowheader]'));
        return over"""
        )
        == []
    )


@pytest.mark.parametrize(
    ("view", "row", "bar", "number"),
    [
        ("weight_circuit", ".lw-ranked-item", ".lw-ranked-bar", ".lw-ranked-value"),
        ("head_scores", ".lw-ranked-item", ".lw-ranked-bar", ".lw-ranked-value"),
        ("model_card", ".lw-card-number", ".lw-card-bar", ".lw-card-bar + span"),
    ],
)
@pytest.mark.parametrize("width", [480, BESIDE_A_FILE_BROWSER])
def test_bars_end_before_their_numbers(
    mount: Mount, view: str, row: str, bar: str, number: str, width: int
) -> None:
    options = {"threshold": 0.05} if view == "head_scores" else {}
    lab = mount(view, width=width, options=options)
    lab.find(number).first.wait_for()
    assert (
        lab.js(
            f"""{OVER_EACH_OTHER}
        root.querySelectorAll('{row}').forEach(row => edge(row, '{bar}', '{number}'));
        return over"""
        )
        == []
    )
