"""Pictures of the dashboard in JupyterLab, with something on it worth seeing."""

from __future__ import annotations

from pathlib import Path

from tests.browser.pages import ARTIFACTS
from tests.frontends.jupyterlab import Notebook
from tests.frontends.screen import Screen

HEAD = "L3H1"
ABLATED = ("L1H3", "L2.mlp")
HEIGHT = 1400
MARGIN = 600
WIDTHS = (1600, 900)


def pose(screen: Screen) -> None:
    """Selects a head, picks a cell and switches two parts off."""
    for part in ABLATED:
        screen.toggle(part)
    screen.click_head(HEAD)
    screen.page.mouse.move(0, 0)


def take(notebook: Notebook, theme: str, width: int, folder: Path = ARTIFACTS) -> Path:
    """The explorer in one theme, in a window of this width."""
    page = notebook.page
    page.set_viewport_size({"width": width, "height": HEIGHT})
    notebook.hide_side_bars()
    notebook.set_theme(theme)
    screen = Screen(page)
    page.wait_for_selector(f'.lw-root[data-lw-theme="{theme}"]')
    screen.wait_idle()
    settle(notebook)
    # Outputs scroll inside the notebook: what does not fit the window would be missing.
    needed = screen.view("explorer").bounding_box()
    assert needed is not None
    page.set_viewport_size({"width": width, "height": round(needed["height"]) + MARGIN})
    settle(notebook)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"explorer-{theme}-{width}.png"
    screen.view("explorer").screenshot(path=path)
    return path


def settle(notebook: Notebook) -> None:
    """Until two frames in a row look the same: host themes arrive in several steps."""
    last = b""
    for _ in range(50):
        now = notebook.page.screenshot()
        if now == last:
            return
        last = now
    raise AssertionError("the page never came to rest")
