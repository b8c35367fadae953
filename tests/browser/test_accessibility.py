"""axe-core finds nothing serious in any view, and the keyboard alone does the main job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Lab
from .pages import ROOT
from .test_contract import VIEWS
from .test_panels import QUESTION

Mount = Callable[..., Lab]
AXE = ROOT / "js" / "node_modules" / "axe-core" / "axe.min.js"


def serious(lab: Lab) -> list[str]:
    """What axe-core calls serious or critical, one line a rule."""
    lab.page.add_script_tag(path=AXE)
    found: list[dict[str, Any]] = lab.page.evaluate(
        "async (view) => (await axe.run(window.find(view), { resultTypes: ['violations'] }))"
        ".violations",
        lab.view,
    )
    return [
        f"{rule['id']} ({rule['impact']}, {len(rule['nodes'])} places):"
        f" {rule['nodes'][0]['html'][:160]} | {rule['nodes'][0]['failureSummary'][:260]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(mount: Mount, view: str, theme: str) -> None:
    lab = mount(view, theme=theme, interventions=["L1H4"])
    found = serious(lab)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_editor_of_prompts(mount: Mount, theme: str) -> None:
    lab = mount("token", theme=theme, failures={"session/edit_prompt": QUESTION})
    lab.find('button[aria-label="edit prompt"]').click()
    lab.find("[data-likely]").first.wait_for()
    lab.find('input[aria-label="correct answer"]').fill("Mary")
    lab.page.keyboard.press("Enter")
    lab.find('.lw-token-editor [role="alert"]').wait_for()
    found = serious(lab)
    assert not found, "\n".join(found)


def test_the_keyboard_alone_does_the_main_job(mount: Mount) -> None:
    """From head to head, ablate, undo, lock, open the next prompt: no mouse."""
    lab = mount("explorer")
    press = lab.page.keyboard.press
    lab.head("L0H0").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        press(key)
    assert lab.page.evaluate("document.activeElement.dataset.head") == "L1H2"
    press(" ")
    lab.wait("root.querySelector('[role=gridcell][data-head=L1H2]').dataset.ablated === 'true'")
    lab.idle()
    assert (
        lab.find('[role="switch"][aria-label="ablate L1H2"]').first.get_attribute("aria-checked")
        == "true"
    )
    press("z")
    lab.wait("!root.querySelector('[role=gridcell][data-head=L1H2]').dataset.ablated")
    lab.idle()
    press("Enter")
    lab.wait("root.querySelector('[data-lw-pattern]').dataset.lwPattern === 'L1H2'")
    lab.find('button[aria-label="next prompt"]').first.focus()
    press("Enter")
    lab.wait("root.textContent.includes('prompt 2 of 8')")
    lab.idle()


TAB_STOPS = """return [...root.querySelectorAll('[role="listbox"] [data-pos]')]
  .filter((token) => token.tabIndex === 0).map((token) => Number(token.dataset.pos))"""


@pytest.mark.parametrize("view", ["attention", "token", "neuron", "attribution"])
def test_a_long_prompt_is_one_stop_for_the_tab_key(mount: Mount, view: str) -> None:
    n = 1024
    lab = mount(view, n_tokens=n, n_prompts=1, n_layers=2, n_heads=2)
    if view == "attribution":
        lab.find('[role="radiogroup"][aria-label="read at"] [data-option="selected"]').click()
        lab.idle()
    tokens = lab.find('[role="listbox"] [data-pos]')
    assert tokens.count() == n

    def stops() -> list[int]:
        return list(lab.js(TAB_STOPS))

    assert len(stops()) == 1
    tokens.first.focus()
    for key, pos in [("ArrowRight", 1), ("End", n - 1), ("ArrowLeft", n - 2), ("Home", 0)]:
        lab.page.keyboard.press(key)
        assert lab.page.evaluate("Number(document.activeElement.dataset.pos)") == pos
        assert stops() == [pos]
    # One press of Tab leaves the strip: the next stop is no token of it.
    lab.page.keyboard.press("Tab")
    assert lab.page.evaluate("document.activeElement.closest('[role=listbox]')") is None
    lab.page.keyboard.press("Shift+Tab")
    assert stops() == [0]
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("Enter")
    lab.idle()
    assert lab.js("return kernel.selection.query_pos") == 1
    lab.page.keyboard.press("Escape")
    assert lab.js("return kernel.selection.query_pos") is None


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_fills_the_tab_order(mount: Mount, view: str) -> None:
    """144 heads, 156 parts and 256 tokens are reached by arrows; Tab goes from part to part."""
    # Patching maps take a forward a cell: five maps of 24 heads do.
    size = {"n_tokens": 256, "n_layers": 12, "n_heads": 12}
    if view in ("patching", "circuit"):
        size = {"n_tokens": 16, "n_layers": 2, "n_heads": 12}
    lab = mount(view, n_prompts=1, **size)
    stops = lab.js(
        """return [...root.querySelectorAll('*')]
             .filter((el) => el.tabIndex >= 0 && !el.disabled && el.offsetParent)
             .map((el) => `${el.tagName} ${el.className} ${el.getAttribute('aria-label')}`)"""
    )
    assert 1 < len(stops) <= 40, "\n".join(stops)
