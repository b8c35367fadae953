"""A real model, from ``session.explore()`` to the code of what was found, in a few clicks.

Who writes the name, what happens without that head, who makes up for it: each step leaves a
picture, and each number on the way is held against plain hooked forwards.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Position

from tests.browser.pages import ARTIFACTS
from tests.frontends.jupyterlab import Lab
from tests.frontends.pictures import REAL
from tests.frontends.screen import Screen

MOST = 6
SET_UP = f"""{REAL}
from tests.frontends.truth import Truth

prompts, answers = list(lw.prompts.IOI.prompts), list(lw.prompts.IOI.answers)
session = lw.Session(model, lw.prompts.IOI)
session.explore()
"""
# Of a head's output alone, read by the final norm of the run that it was in.
EFFECTS = """
import torch

@torch.no_grad()
def effects(truth, heads):
    totals = dict.fromkeys(heads, 0.0)
    for prompt in range(len(truth.tokens)):
        names = {layer: f"blocks.{layer}.attn.hook_z" for layer, _ in heads}
        seen = truth._capture(
            truth.tokens[prompt], [*names.values(), "ln_final.hook_scale"], truth.hooks
        )
        correct, wrong = truth.answers[prompt]
        towards = model.W_U[:, correct] - model.W_U[:, wrong]
        scale = seen["ln_final.hook_scale"][0, -1].clone()
        for layer, head in heads:
            written = seen[names[layer]][0, -1, head].clone() @ model.W_O[layer, head]
            totals[layer, head] += float(written / scale * model.ln_final.w @ towards)
    return [total / len(truth.tokens) for total in totals.values()]
"""


class Clicks:
    """Counts what a person clicks, and takes a picture after each step."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.made = 0

    def click(self, target: Locator, position: Position | None = None) -> None:
        target.click(position=position)
        self.made += 1
        self.screen.wait_idle(timeout_ms=60_000)
        self.picture()

    def picture(self) -> None:
        folder = ARTIFACTS / "six_clicks"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.made}.png"
        self.screen.view("explorer").screenshot(path=path)
        assert path.stat().st_size > 10_000


@pytest.mark.timeout(600)
def test_name_movers_ablation_backup_and_code_in_at_most_six_clicks(
    lab: Lab, tmp_path: Path
) -> None:
    notebook = lab.run(SET_UP)
    kernel, page = notebook.kernel, notebook.page
    page.set_viewport_size({"width": 1440, "height": 1100})
    page.evaluate(
        """() => {
          window.copied = [];
          navigator.clipboard.writeText = async text => void window.copied.push(text);
        }"""
    )
    kernel.run(EFFECTS)
    screen = Screen(page)
    screen.wait_idle(timeout_ms=60_000)
    clicks = Clicks(screen)

    # Nothing was clicked: the explorer opens on the head that writes most of the answer.
    clicks.picture()
    best = screen.shown_pattern()
    layer, head = map(int, best[1:].split("H"))
    table = screen.view("attribution")
    first = table.locator('[role="row"][data-component]').first
    assert first.get_attribute("data-component") == best
    (plain,) = kernel.value(f"effects(Truth(model, prompts, answers), [({layer}, {head})])")
    baseline = first.locator('[data-column="baseline"]').get_attribute("data-value")
    assert float(baseline or "nan") == pytest.approx(plain, abs=1e-4)

    # 1: where it looks from the last token.
    pattern = screen.view("attention").locator("[data-lw-pattern]").first
    weights = kernel.value(f"Truth(model, prompts).pattern(0, {layer}, {head})")
    last = len(weights) - 1
    most = max(range(1, last + 1), key=lambda key: weights[last][key])
    box = pattern.bounding_box()
    assert box is not None
    left = float(pattern.get_attribute("data-left") or "nan")
    cell = (box["width"] - left) / len(weights)
    clicks.click(pattern, {"x": left + (most + 0.5) * cell, "y": (last + 0.5) * cell})
    query, key, weight = screen.readout()
    assert (query, key) == (last, most)
    assert weight == pytest.approx(weights[last][most], abs=2e-6)

    # 2: the switch in its row.
    clicks.click(first.get_by_role("switch"))
    truth = f"Truth(model, prompts, answers, ['{best}'])"
    without = kernel.value(f"{truth}.metric()")
    assert screen.metric()["current"] == pytest.approx(without, abs=1e-4)

    # 3: whose effect changed: those that made up for it stand at the top.
    clicks.click(table.get_by_role("button", name="sort by change"))
    shown = table.locator('[role="row"][data-component*="H"]').evaluate_all(
        """rows => rows.map(row => [row.dataset.component,
             Number(row.querySelector('[data-column="change"]').dataset.value)])"""
    )
    backup = [(name, change) for name, change in shown if name != best and change > 0][:2]
    assert len(backup) == 2
    places = [tuple(map(int, name[1:].split("H"))) for name, _ in backup]
    before, after = (
        kernel.value(f"effects({run}, {places})")
        for run in ("Truth(model, prompts, answers)", truth)
    )
    for (name, change), was, now in zip(backup, before, after, strict=True):
        assert change == pytest.approx(now - was, abs=1e-4), name

    # 4: all of it as a script, which prints the number on screen.
    clicks.click(screen.view("ablation").get_by_role("button", name="copy code"))
    page.wait_for_function("window.copied.length === 1")
    script = tmp_path / "copied.py"
    script.write_text(page.evaluate("window.copied[0]"))
    kernel.run(f"scope = {{}}\nexec(open({str(script)!r}).read(), scope)")
    assert kernel.value("float(scope['values'].mean())") == pytest.approx(without, abs=1e-4)

    assert clicks.made <= MOST
    assert notebook.our_problems() == []
    lab.check_offline()
    notebook.close()
