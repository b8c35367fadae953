"""The activation browser in a real JupyterLab: what is chosen, measured and hovered is torch's."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator

from tests.frontends.conftest import Dashboard, Show

TRUTH = """
prompts = ["When John and Mary went to the shops, John gave the bag to"]
session = lw.Session(model, prompts, answers=[(" Mary", " John")])
def plain(name, off=None):
    '''[pos, ...] of a hooked forward of TransformerLens, head ``off`` of layer 0 zeroed.'''
    def drop(z, hook):
        z = z.clone()
        z[:, :, off] = 0
        return z
    kept = []
    hooks = [] if off is None else [("blocks.0.attn.hook_z", drop)]
    with torch.no_grad():
        model.run_with_hooks(model.to_tokens(prompts[0]), fwd_hooks=[
            *hooks, (name, lambda x, hook: kept.append(x[0].double().clone()))])
    return kept[0]
def measured(x):
    found = {name: float(getattr(x, name)()) for name in ("mean", "std", "min", "max", "norm")}
    return {**found, "zeros": float((x == 0).double().mean())}
"""
Z, PATTERN = "blocks.2.attn.hook_z", "blocks.2.attn.hook_pattern"


def statistics(view: Locator, which: str) -> dict[str, float]:
    """One line of the table, at full precision."""
    cells: dict[str, str] = view.locator(f'tr[data-which="{which}"] [data-column]').evaluate_all(
        "cells => Object.fromEntries(cells.map(c => [c.dataset.column, c.dataset.value]))"
    )
    return {name: float(value) for name, value in cells.items()}


def hovered(view: Locator, row: int, column: int) -> float:
    """The number that the line below the map says of the cell under the mouse."""
    view.locator(f'[data-row-index="{row}"][data-column-index="{column}"]').hover()
    words = view.locator(".lw-map-readout").inner_text()
    number = re.search(r": ([−\d.e-]+)$", words.strip())
    assert number is not None, words
    return float(number[1].replace("−", "-"))


def check_statistics(screen: Dashboard, view: Locator, which: str, code: str) -> None:
    expected: dict[str, Any] = screen.kernel.value(f"measured({code})")
    shown = statistics(view, which)
    for name, value in expected.items():
        assert shown[name] == pytest.approx(value, abs=1e-5, rel=1e-5), (which, name)


def test_an_activation_is_found_measured_and_followed(show: Show) -> None:
    screen = show(TRUTH, "browser = lw.ActivationBrowser(session)\nbrowser")
    view, kernel = screen.view("activation_browser"), screen.kernel
    listed = view.locator("[data-activation]").evaluate_all(
        "all => Object.fromEntries(all.map(line => [line.dataset.activation,"
        " Number(line.querySelector('[data-column=bytes]').dataset.value)]))"
    )
    with_cache = "model.run_with_cache(model.to_tokens(prompts[0]))[1]"
    sizes = kernel.value(f"{{k: v.numel() * v.element_size() for k, v in {with_cache}.items()}}")
    assert listed == {name: sizes[name] for name in listed}
    assert len(listed) == kernel.value("len(set(session.facts.points.values()))")
    assert kernel.value("'activation looked at' in session.run(()).derived") is False

    kernel.run("session.selection.update(layer=0, head=0)")
    search = view.get_by_role("searchbox", name="search for activations")
    search.fill("2 hook_z")
    search.press("Enter")
    screen.wait_idle()
    assert kernel.value("browser.activation") == Z
    check_statistics(screen, view, "current", f"plain({Z!r})")
    assert hovered(view, 3, 5) == pytest.approx(kernel.value(f"float(plain({Z!r})[3, 0, 5])"), 1e-5)
    view.get_by_role("button", name="next head", exact=True).click()
    screen.wait_idle()
    assert kernel.value("session.selection.head") == 1
    assert hovered(view, 3, 5) == pytest.approx(kernel.value(f"float(plain({Z!r})[3, 1, 5])"), 1e-5)

    kernel.run("session.interventions.toggle('L0H2')")
    screen.wait_idle(1)
    runs = {"baseline": f"plain({Z!r})", "current": f"plain({Z!r}, off=2)"}
    runs["difference"] = f"{runs['current']} - {runs['baseline']}"
    for which, code in runs.items():
        check_statistics(screen, view, which, code)
    view.page.mouse.move(0, 0)
    assert hovered(view, 14, 9) == pytest.approx(
        kernel.value(f"float(({runs['current']})[14, 1, 9])"), 1e-5
    )
    view.locator('[role="radio"][data-option="difference"]').click()
    screen.wait_idle()
    assert hovered(view, 14, 7) == pytest.approx(
        kernel.value(f"float(({runs['difference']})[14, 1, 7])"), rel=1e-3, abs=1e-6
    )

    search.fill("2 pattern")
    view.locator(f'[data-activation="{PATTERN}"]').click()
    screen.wait_idle()
    pattern = f"plain({PATTERN!r}, off=2) - plain({PATTERN!r})"
    check_statistics(screen, view, "difference", pattern)
    assert hovered(view, 12, 4) == pytest.approx(
        kernel.value(f"float(({pattern})[1, 12, 4])"), rel=1e-3, abs=1e-6
    )
    kept = "[k for k, _ in [session.run(()).derived['activation looked at']]]"
    assert kernel.value(kept) == [[PATTERN, 0]]
    assert kernel.value("list(browser.data().attrs['dims'])") == ["head", "query_pos", "key_pos"]
