"""Pictures of the dashboard in JupyterLab, with something on it worth seeing."""

from __future__ import annotations

from pathlib import Path

from tests.browser.pages import ARTIFACTS
from tests.frontends.jupyterlab import Notebook
from tests.frontends.screen import Screen

HEAD = "L2H1"
ABLATED = "L1H4"
HEIGHT = 1400
MARGIN = 600
WIDTHS = (1600, 900)


REAL = """
import lens_widgets as lw

model = lw.load_demo("smollm2")
"""
REAL_EXPLORER = """
session = lw.Session(model, lw.prompts.IOI)
session.selection.update(layer=23, head=3)
session.explore()
"""


def pose_real(notebook: Notebook) -> None:
    """Of SmolLM2: switches off the head that writes most, and picks the cell it is known for."""
    screen = Screen(notebook.page)
    screen.toggle("L23H3", view="attribution")
    notebook.kernel.run("session.selection.update(layer=24, head=4, query_pos=14, key_pos=4)")
    screen.wait_idle()
    screen.page.mouse.move(0, 0)


def pose(notebook: Notebook) -> None:
    """Switches the crucial head off, selects a name mover and picks the cell it is known for."""
    screen = Screen(notebook.page)
    screen.toggle(ABLATED)
    screen.click_head(HEAD)
    notebook.kernel.run("session.selection.update(query_pos=14, key_pos=4)")
    screen.view("token").locator('[data-pos="14"][aria-selected="true"]').wait_for()
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
