"""What goes wrong in real life, in a real JupyterLab: views show the truth and nothing is lost.

Every test ends with the model's own numbers on screen and none of our hooks on the model; once
views and session are closed, the kernel holds the model alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.frontends.conftest import EXPLORER, MODEL, PROMPTS, SESSION, Dashboard, Show
from tests.frontends.jupyterlab import Lab, Notebook
from tests.frontends.kernel import wait_until
from tests.frontends.records import fault

KERNEL = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
PID = "__import__('os').getpid()"
ALL_SNAPSHOT = "roots.every(root => root.dataset.lwStatus === 'snapshot')"


@pytest.fixture
def alone(lab: Lab) -> Iterator[Callable[[], Dashboard]]:
    """A notebook with a kernel of its own, whose end is the test's to choose."""
    opened: list[Notebook] = []

    def run() -> Dashboard:
        notebook = lab.run(MODEL, EXPLORER)
        opened.append(notebook)
        screen = Dashboard(notebook)
        screen.wait_idle()
        return screen

    yield run
    for notebook in opened:
        notebook.close()


LOCKS = "__import__('lens_widgets.engine.locks', fromlist=['violations'])"


def assert_true(screen: Dashboard, *ablations: str) -> None:
    """The screen is at rest with torch's numbers, the model carries nothing of ours, and no lock
    was taken out of order (the kernel watches them)."""
    screen.wait_idle()
    expected = screen.kernel.value(f"Truth(model, prompts, answers, {list(ablations)}).metric()")
    assert screen.metric()["current"] == pytest.approx(expected, abs=1e-4)
    assert screen.kernel.value("traces(model) == pristine"), "hooks of ours are left"
    assert screen.kernel.value(f"[{LOCKS}.WATCHED, {LOCKS}.violations]") == [True, []]
    assert screen.alert().count() == 0


def assert_nothing_left(screen: Dashboard) -> None:
    """After closing views and session the kernel holds what it held before, to 5 % of the model."""
    kernel = screen.kernel
    # The model and the patterns that TransformerLens keeps of a forward; or what was there before.
    held = "tensor_bytes() > max(alone, model_bytes) + 0.05 * model_bytes"
    assert kernel.value(held), "a session that is open holds more than the model"
    # TransformerLens keeps the last forward's patterns, and IPython what a cell ends in: nothing.
    kernel.run("let_go(get_ipython())\nmodel.run_with_cache(model.to_tokens('When'));None")
    # The worker lets go of its last request a moment after it has answered.
    kernel.wait_until(f"not ({held})", otherwise="largest_held(there)")
    assert kernel.value("traces(model) == pristine"), "hooks of ours are left"


def assert_gone(pid: int) -> None:
    """A kernel's process has ended, and took its memory with it."""
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), f"process {pid} is gone")


GONE = "its process ended"


def assert_snapshot(screen: Dashboard, before: dict[str, float]) -> None:
    """Every view shows its last numbers as a snapshot; once for all it is said what to do."""
    screen._wait(ALL_SNAPSHOT, None, 60_000)
    assert screen.metric() == before
    notice = screen.page.get_by_role("alert")
    assert notice.count() == 1
    assert "run the cells again" in (notice.text_content() or "")
    assert screen.switch("L3H3").is_disabled()
    screen.head("L0H2").click()
    assert screen.shown_pattern() == "L0H2"


def run_again(screen: Dashboard) -> None:
    """The cells once more, in the new kernel."""
    notebook = screen.notebook
    notebook.forget_kernel()
    notebook.wait_for_kernel()
    for index in range(2):
        notebook.run_cell(index)
    screen.kernel = notebook.kernel
    screen.wait_idle()


def test_a_restarted_kernel(alone: Callable[[], Dashboard]) -> None:
    screen = alone()
    times = 2
    for _ in range(times):
        screen.toggle("L1H3")
        before, pid = screen.metric(), screen.kernel.value(PID)
        screen.page.evaluate(f"async () => {{ await {KERNEL}.restart(); }}")
        assert_gone(pid)
        assert_snapshot(screen, before)
        run_again(screen)
        assert_true(screen)
    fault("kernel restarted", "restart from JupyterLab with an ablation on screen", times, GONE)


def _start_sweep(screen: Dashboard) -> None:
    """Exact effects over a metric that takes its time, so that they are underway for a while."""
    panel = screen.view("ablation")
    screen.pick("ablation", "values in the cells", "effect")
    screen.page.wait_for_function(
        "bar => Number(bar.getAttribute('aria-valuenow')) >= 1",
        arg=panel.locator('[role="progressbar"]').first.element_handle(),
        timeout=60_000,
    )


SLOW = f"""{SESSION}
import time

def slow(logits):
    time.sleep(0.1)
    return logits[:, -1].max(dim=-1).values

session = lw.Session(model, prompts, answers=answers, metric=slow)
explorer = session.explore()
explorer
"""


@pytest.mark.quiet
@pytest.mark.slow
def test_a_kernel_killed_in_the_middle_of_a_sweep(alone: Callable[[], Dashboard], lab: Lab) -> None:
    screen = alone()
    screen.notebook.show(SLOW)
    screen.wait_idle()
    before = screen.metric()
    _start_sweep(screen)
    pid = screen.kernel.value(PID)
    os.kill(pid, signal.SIGKILL)
    assert_gone(pid)
    screen._wait(ALL_SNAPSHOT, None, 60_000)
    dialog = screen.page.locator(".jp-Dialog button.jp-mod-accept")
    if dialog.count():
        dialog.first.click()
    assert screen.metric() == before
    assert screen.page.get_by_role("button", name="stop", exact=True).count() == 0
    run_again_after_kill(screen)
    assert_true(screen)
    fault("kernel killed", "SIGKILL in the middle of a sweep of exact effects", 1, GONE)


def run_again_after_kill(screen: Dashboard) -> None:
    notebook = screen.notebook
    notebook.forget_kernel()
    notebook.wait_for_kernel()
    notebook.run_cell(0)
    notebook.show(EXPLORER)
    screen.kernel = notebook.kernel
    screen.wait_idle()


@pytest.mark.quiet
def test_interrupts_in_the_middle_of_sweeps(show: Show, tmp_path: Path) -> None:
    screen = show(EXPLORER)
    notebook, times = screen.notebook, 3
    for number in range(times):
        running = tmp_path / f"running{number}"
        notebook.start_cell(
            2,
            f"from pathlib import Path\nPath({str(running)!r}).touch()\n"
            "while True:\n    lw.analysis.ablation_sweep(session)",
        )
        wait_until(running.exists, "the cell runs", 60)
        screen.switch("L1H3").click()
        screen.page.evaluate(f"async () => {{ await {KERNEL}.interrupt(); }}")
        assert notebook.error_of(2) == "KeyboardInterrupt"
        screen.wait_idle(number + 1)
        assert_true(screen, *(["L1H3"] if number % 2 == 0 else []))
    assert_nothing_left(screen)
    fault("cell interrupted", "an interrupt in a cell's sweep, with a click waiting", times)

    screen = show(SLOW)
    panel = screen.view("ablation")
    unknown = panel.locator('[data-cell][data-value=""]')
    _start_sweep(screen)
    screen.page.evaluate(f"async () => {{ await {KERNEL}.interrupt(); }}")
    panel.get_by_text("interrupted", exact=True).wait_for(timeout=30_000)
    screen.wait_idle()
    assert unknown.count() > 0
    # Nothing else was lost, and it goes on when it is told to.
    panel.get_by_role("button", name="resume").click()
    screen.wait_idle(timeout_ms=60_000)
    assert unknown.count() == 0
    assert_nothing_left(screen)
    fault("widget's sweep interrupted", "an interrupt while a view's own sweep runs, resumed", 1)


def test_a_cell_that_changes_the_weights(show: Show) -> None:
    screen = show(EXPLORER)
    notice = screen.page.get_by_role("alert")
    weight = "model.blocks[1].attn.o.original_component.weight.data"
    before = screen.metric()
    screen.kernel.run(f"kept = {weight}.clone(); {weight}.mul_(0.5)")
    notice.wait_for(timeout=30_000)
    assert notice.count() == 1
    assert screen.metric() == before
    notice.get_by_role("button", name="refresh").click()
    screen.wait_idle(1)
    assert screen.metric()["current"] != before["current"]
    assert_true(screen)
    # Changed back: what is on screen is now of the halved weights.
    screen.kernel.run(f"{weight}.copy_(kept)")
    notice.wait_for(timeout=30_000)
    notice.get_by_role("button", name="refresh").click()
    screen.wait_idle(2)
    assert screen.metric() == before
    assert_true(screen)


def test_closed_comms(show: Show) -> None:
    screen = show(f"{EXPLORER}", "table = lw.AttributionTable(session)\ntable")
    times = 5
    for number in range(times):
        screen.kernel.run("table.close()")
        screen.page.wait_for_function(
            "document.querySelectorAll('.lw-root').length === 1", timeout=20_000
        )
        screen.toggle("L1H3")
        assert_true(screen, *(["L1H3"] if number % 2 == 0 else []))
        if number + 1 < times:
            screen.notebook.start_cell(2, "table = lw.AttributionTable(session)\ntable")
            screen.notebook.wait_for_cells(2)
            screen.wait_idle()
    assert_nothing_left(screen)
    fault("comm closed", "a view closed in the kernel while others go on", times)


READ_WHAT_A_WIDGET_WAITS_FOR = """
import threading

waits, given = threading.Event(), []
asked = session.frozen()
session.submit(
    ("test",),
    lambda: asked.run(()).activation("blocks.1.attn.hook_q"),
    lambda value: given.append(list(value.shape)),
    given.append,
    lambda _: waits.set(),
)
assert waits.wait(60), "the widget's work was not kept waiting"
effects = lw.analysis.attribution(session)
"""


def test_a_cell_that_reads_the_run_a_widget_waits_for(dashboard: Dashboard) -> None:
    """The widget waits for the cell to end: the cell must not wait for the widget."""
    times = 3
    for _ in range(times):
        dashboard.kernel.run(READ_WHAT_A_WIDGET_WAITS_FOR, timeout_s=90)
        dashboard.kernel.wait_until("given")
        n_pos = dashboard.kernel.value("session.tokens.shape[1]")
        assert dashboard.kernel.value("given") == [[len(PROMPTS), n_pos, 8, 16]]
        # Let go, or the next time there is nothing to wait for.
        dashboard.kernel.run("session.set_prompts(prompts, answers=answers)")
    dashboard.wait_idle()
    assert_true(dashboard)
    assert_nothing_left(dashboard)
    fault("run read by both", "a cell reads the run that a widget's work waits for", times)


@pytest.mark.quiet
def test_a_dropped_websocket(dashboard: Dashboard) -> None:
    parts = ["L1H3", "L0H2", "L2.mlp", "L3H5", "L1H1"]
    for number, part in enumerate(parts, start=1):
        dashboard.page.evaluate(f"{KERNEL}._ws.close()")
        dashboard.switch(part).click()
        dashboard.wait_idle(number, timeout_ms=60_000)
    assert_true(dashboard, *parts)
    assert dashboard.kernel.value("[i.label for i in session.interventions]") == parts
    assert_nothing_left(dashboard)
    fault("websocket dropped", "the connection cut right before a click", len(parts))


def test_two_notebooks_on_one_session(dashboard: Dashboard, lab: Lab) -> None:
    other = lab.open(lab.write("", "lw.AblationPanel(session)"))
    identity = dashboard.notebook.kernel_id()
    other.page.bring_to_front()
    other.change_kernel(identity)
    other.run_cell(1)
    second = Dashboard(other)
    second.wait_idle()
    second.toggle("L1H3")
    assert_true(second, "L1H3")
    dashboard.page.bring_to_front()
    dashboard.wait_idle(1)
    assert_true(dashboard, "L1H3")
    dashboard.toggle("L2.mlp")
    second.wait_idle(2)
    assert_true(second, "L1H3", "L2.mlp")
    other.page.close()
    assert_true(dashboard, "L1H3", "L2.mlp")
    assert_nothing_left(dashboard)
    fault("two notebooks", "views of one session in two notebooks of one kernel", 2)


@pytest.mark.slow
def test_fifty_widgets_on_a_page(show: Show) -> None:
    screen = show(
        SESSION,
        "from IPython.display import display\n"
        "views = [lw.AttributionTable(session) for _ in range(50)]\ndisplay(*views)",
    )
    assert len(screen.states()) == 50
    first = screen.page.locator('.lw-root [aria-label="ablate L1H3"]').first
    for number in (1, 2, 3):
        first.click()
        screen.wait_idle(number, timeout_ms=60_000)
    expected = screen.kernel.value("Truth(model, prompts, answers, ['L1H3']).metric()")
    shown = screen.page.locator("[data-lw-metric]").evaluate_all(
        "all => all.map(metric => Number(metric.dataset.current))"
    )
    assert shown == [pytest.approx(expected, abs=1e-4)] * 50
    assert_nothing_left(screen)
    fault("fifty widgets", "fifty tables on one page, an ablation switched in one", 3)


CLICKS = """
async ([heads, switches, count]) => {
  const attention = document.querySelector('[data-lw-view="attention"]');
  const ablation = document.querySelector('[data-lw-view="ablation"]');
  for (let i = 0; i < count; i++) {
    if (i % 100 === 99) {
      const part = switches[(i / 100 | 0) % switches.length];
      ablation.querySelector(`[role="switch"][aria-label="ablate ${part}"]`).click();
    } else {
      const head = heads[(i * 7) % heads.length];
      attention.querySelector(`[role="gridcell"][data-head="${head}"]`).click();
    }
    if (i % 10 === 9) await new Promise(done => setTimeout(done));
  }
}
"""
HEADS = [f"L{layer}H{head}" for layer in range(4) for head in range(8)]
RSS = "int(open('/proc/self/statm').read().split()[1]) * 4096"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_clicks(dashboard: Dashboard) -> None:
    kernel, page = dashboard.kernel, dashboard.page
    session = page.context.new_cdp_session(page)

    def click(count: int) -> None:
        page.evaluate(CLICKS, [HEADS, ["L1H3", "L0H2"], count])
        dashboard.wait_idle(timeout_ms=120_000)
        kernel.run("import gc; gc.collect()")

    def memory() -> tuple[int, int]:
        session.send("HeapProfiler.collectGarbage")
        used = session.send("Runtime.getHeapUsage")["usedSize"]
        return kernel.value(RSS), int(used)

    click(2_000)
    before = memory()
    count = 10_000
    click(count)
    after = memory()
    # A hundred switches, fifty of each of two heads: both are as they were.
    assert_true(dashboard)
    assert after[0] < 1.05 * before[0], f"kernel: {before[0]} -> {after[0]} bytes"
    assert after[1] < 1.05 * before[1] + 2_000_000, f"page: {before[1]} -> {after[1]} bytes"
    assert dashboard.kernel.value("len(session.interventions)") == 0
    assert_nothing_left(dashboard)
    fault("ten thousand clicks", "heads and switches, as fast as the page takes them", count)


def test_one_widget_displayed_twice_stays_true(show: Show) -> None:
    screen = show(f"{SESSION}\nview = lw.AblationPanel(session)\nview", "view")
    assert len(screen.states()) == 2
    for number in range(1, 5):
        root = screen.page.locator(".lw-root").nth(number % 2)
        root.locator('[role="switch"][aria-label="ablate L1H3"]').click()
        screen.wait_idle(number)
        shown: list[Any] = screen.page.locator("[aria-label='ablate L1H3']").evaluate_all(
            "all => all.map(item => item.getAttribute('aria-checked'))"
        )
        assert set(shown) == {"true" if number % 2 else "false"}
    assert_true(screen)
    assert_nothing_left(screen)
    fault("displayed twice", "one widget in two outputs, clicked in turn", 4)
