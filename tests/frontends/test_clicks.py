"""Quick clicks, running cells, long work: the newest wish wins and nothing stays stuck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.frontends.conftest import EXPLORER, SESSION, Dashboard, Show
from tests.frontends.kernel import wait_until

HEADS = [f"L{n // 8}H{n % 8}" for n in ((5 + 7 * i) % 32 for i in range(20))]

# Everything that could show a pattern: which head, whether exact, and the number of the last reply.
CLICK_AND_RECORD = """
async ([heads, pause_ms]) => {
  const root = document.querySelector('[data-lw-view="attention"]');
  const log = [];
  const read = () => {
    const { lwPattern, exact } = root.querySelector('[data-lw-pattern]').dataset;
    const now = { head: lwPattern, exact, seq: Number(root.dataset.lwSeq) };
    if (JSON.stringify(now) !== JSON.stringify(log.at(-1))) log.push(now);
  };
  const observer = new MutationObserver(read);
  observer.observe(root, {
    subtree: true,
    attributes: true,
    attributeFilter: ['data-lw-seq', 'data-lw-pattern', 'data-exact'],
  });
  window.stopRecording = () => { observer.disconnect(); return log; };
  read();
  const shownAtOnce = [];
  for (const head of heads) {
    root.querySelector(`[role="gridcell"][data-head="${head}"]`).click();
    shownAtOnce.push(root.querySelector('[data-lw-pattern]').dataset.lwPattern);
    if (pause_ms > 0) await new Promise(done => setTimeout(done, pause_ms));
  }
  return shownAtOnce;
}
"""


@pytest.mark.parametrize("pause_ms", [0, 4, 30])
def test_twenty_quick_clicks_end_on_the_last_head(dashboard: Dashboard, pause_ms: int) -> None:
    shown_at_once = dashboard.page.evaluate(CLICK_AND_RECORD, [HEADS, pause_ms])
    assert shown_at_once == HEADS, "a click shows its head before the next one can come"
    dashboard.wait_pattern(HEADS[-1])
    dashboard.wait_idle()
    # Whatever was still on its way to the page is there once the kernel has answered this.
    dashboard.kernel.wait_until(f"session.selection.head == {int(HEADS[-1][-1])}")
    log: list[dict[str, Any]] = dashboard.page.evaluate("window.stopRecording()")
    numbers = [entry["seq"] for entry in log]
    assert numbers == sorted(numbers), "an older reply was painted after a newer one"
    order = [HEADS.index(entry["head"]) for entry in log[1:]]
    assert order == sorted(order), "a head came back after a later one was clicked"
    assert log[-1]["head"] == HEADS[-1]
    assert log[-1]["exact"] == "true"
    layer, head = int(HEADS[-1][1]), int(HEADS[-1][3])
    expected = dashboard.kernel.value(f"Truth(model, prompts).pattern(0, {layer}, {head})")
    for (q, k), value in dashboard.whole_pattern().items():
        assert value == pytest.approx(expected[q][k], abs=2e-6)


def test_quick_toggles_all_count(dashboard: Dashboard) -> None:
    parts = ["L1H3", "L0H2", "L1H3", "L2.mlp", "L3H5", "L0H2", "L1H1"]
    dashboard.view("ablation").evaluate(
        """(root, parts) => { for (const part of parts) {
          root.querySelector(`[role="switch"][aria-label="ablate ${part}"]`).click();
        } }""",
        parts,
    )
    dashboard.wait_idle(len(parts))
    left = sorted(part for part in set(parts) if parts.count(part) % 2)
    ablated = dashboard.kernel.value("[item.label for item in session.interventions]")
    assert sorted(ablated) == left
    expected = dashboard.kernel.value(f"Truth(model, prompts, answers, {left}).metric()")
    assert dashboard.metric()["current"] == pytest.approx(expected, abs=1e-4)


LOOP = """
from pathlib import Path

tokens = model.to_tokens(prompts[0])
with torch.inference_mode():
    clean = model(tokens).clone()
    rounds = different = 0
    Path({running!r}).touch()
    while not Path({stop!r}).exists():
        logits = model(tokens)
        rounds += 1
        different += not torch.equal(logits, clean)
"""


def test_a_running_cell_never_sees_the_widgets_hooks(show: Show, tmp_path: Path) -> None:
    running, stop = tmp_path / "running", tmp_path / "stop"
    screen = show(EXPLORER)
    busy = screen.notebook
    busy.start_cell(2, LOOP.format(running=str(running), stop=str(stop)))
    try:
        wait_until(running.exists, "the cell runs", 60)
        parts = ["L1H3", "L2.mlp", "L0H0", "L3H2", "L1H1", "L0.mlp"]
        for part in parts:
            screen.switch(part).click()
            screen.head("L2H2").click()
        screen.wait_status("waiting")
        # A click is shown at once, even while no number can be computed.
        assert screen.switch("L1H3").get_attribute("aria-checked") == "true"
        assert screen.shown_pattern() == "L2H2"
    finally:
        stop.touch()
    busy.wait_for_cells(2)
    screen.wait_idle(len(parts))
    assert screen.kernel.value("different") == 0
    assert screen.kernel.value("rounds") > 20
    expected = screen.kernel.value(f"Truth(model, prompts, answers, {parts}).metric()")
    assert screen.metric()["current"] == pytest.approx(expected, abs=1e-4)


SLOW_METRIC = """
import time

def slow(logits):
    time.sleep(0.15)
    return logits[:, -1].max(dim=-1).values

session = lw.Session(model, prompts, answers=answers, metric=slow)
session.explore()
"""
BIG_MODEL = """
from transformer_lens.model_bridge import TransformerBridge

big = TransformerBridge.boot_native(
    dict(n_layers=12, n_heads=8, d_model=512, d_head=64, d_mlp=2048, n_ctx=256, d_vocab=500,
         act_fn="gelu", normalization_type="LN", seed=0),
    device="cpu", model_name="large random",
).eval()
tokens = torch.randint(0, 500, (4, 250), generator=torch.Generator().manual_seed(0))
session = lw.Session(big, tokens, answers=[(1, 2)])
session.explore()
"""


@pytest.mark.quiet
@pytest.mark.parametrize(
    "cell", [f"{SESSION}\n{SLOW_METRIC}", BIG_MODEL], ids=["slow metric", "large model"]
)
def test_stop_ends_long_work_within_a_second(show: Show, cell: str) -> None:
    screen = show(cell)
    panel = screen.view("ablation")
    screen.pick("ablation", "values in the cells", "effect")
    bar = panel.locator('[role="progressbar"]').first
    screen.page.wait_for_function(
        "bar => Number(bar.getAttribute('aria-valuenow')) >= 1",
        arg=bar.element_handle(),
        timeout=60_000,
    )
    assert int(bar.get_attribute("aria-valuemax") or 0) == panel.locator("[data-cell]").count()
    stop = screen.page.get_by_role("button", name="stop", exact=True)
    took_ms = stop.evaluate(
        """stop => new Promise(done => {
          const panel = document.querySelector('[data-lw-view="ablation"]');
          const begun = performance.now();
          const check = () => {
            if (panel.dataset.lwStatus !== 'idle') return;
            observer.disconnect();
            done(performance.now() - begun);
          };
          const observer = new MutationObserver(check);
          observer.observe(panel, { attributes: true });
          stop.click();
          check();
        })"""
    )
    assert took_ms < 1000
    # The kernel has stopped too: other work is not kept waiting by it.
    begun = screen.page.evaluate("performance.now()")
    screen.pick("ablation", "values in the cells", "attribution")
    screen.wait_idle(timeout_ms=20_000)
    screen.toggle("L0H1")
    screen.click_head("L1H1")
    assert screen.page.evaluate("performance.now()") - begun < 20_000
    assert screen.alert().count() == 0
