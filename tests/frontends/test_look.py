"""The dashboard follows JupyterLab's theme and fits its window. Pictures go to tests/artifacts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.frontends import pictures
from tests.frontends.conftest import Dashboard


@pytest.fixture
def posed(dashboard: Dashboard) -> Iterator[Dashboard]:
    pictures.pose(dashboard.notebook)
    yield dashboard
    dashboard.notebook.set_theme("light")


def brightness(dashboard: Dashboard, selector: str) -> float:
    """Of an element's background, from 0 (black) to 1."""
    red, green, blue = dashboard.page.locator(selector).first.evaluate(
        "element => getComputedStyle(element).backgroundColor"
        ".match(/[\\d.]+/g).slice(0, 3).map(Number)"
    )
    return float(red + green + blue) / 765


# The mean colour of the upper right corner of the pattern, where a causal head attends to nothing.
EMPTY_CORNER = """
() => {
  const canvas = document.querySelector('[data-lw-pattern] canvas');
  const { width, height } = canvas;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const { data } = context.getImageData(Math.round(width * 0.9), Math.round(height * 0.1), 4, 4);
  return (data[0] + data[1] + data[2]) / 765;
}
"""


def test_views_follow_jupyterlabs_theme(posed: Dashboard) -> None:
    notebook = posed.notebook
    seen = {}
    for theme in ("light", "dark", "light"):
        notebook.set_theme(theme)
        posed.page.wait_for_selector(f'.lw-root[data-lw-theme="{theme}"]')
        pictures.settle(notebook)
        seen[theme] = (brightness(posed, ".lw-card"), posed.page.evaluate(EMPTY_CORNER))
        metric = posed.metric()
    assert min(seen["light"]) > 0.9
    assert max(seen["dark"]) < 0.25
    assert metric == posed.metric()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", pictures.WIDTHS)
def test_picture(posed: Dashboard, theme: str, width: int) -> None:
    path = pictures.take(posed.notebook, theme, width)
    assert path.stat().st_size > 10_000
    wider = posed.view("explorer").evaluate(
        """root => [...root.querySelectorAll('.lw-card')]
          .filter(card => card.scrollWidth > card.clientWidth + 1
            || card.getBoundingClientRect().right > root.getBoundingClientRect().right + 1)
          .map(card => card.className)"""
    )
    assert wider == [], "cards that do not fit"


def test_narrow_and_wide_again_shows_the_same_numbers(posed: Dashboard) -> None:
    rows, pattern = posed.rows(), posed.whole_pattern()
    for width in (700, 480, 1600):
        posed.page.set_viewport_size({"width": width, "height": 1500})
        pictures.settle(posed.notebook)
    posed.wait_idle()
    assert posed.rows() == rows
    assert posed.whole_pattern() == pattern
