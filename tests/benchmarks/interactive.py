"""How long a person waits in JupyterLab, from the click to the painted frame."""

from __future__ import annotations

import itertools
import math
import random

from playwright.sync_api import Page

from tests.benchmarks.table import Table, percentile
from tests.frontends.conftest import EXPLORER, IOI, SESSION
from tests.frontends.jupyterlab import open_lab
from tests.frontends.screen import Screen

CLICKS = 60
WARM_UP = 4
VIEWS = ("TokenView", "AttentionView", "AttributionTable", "AblationPanel")

NOTES = """\
The ioi demo with three prompts, torch as it comes. Timed inside the page, from the click event until
the frame that shows the outcome is drawn. One or two parts are ablated at a time, never the same ones
twice, so each toggle is a new run of the model. A click makes one round trip to the kernel, a toggle
two. Jupyter Server leaves Nagle's algorithm on, which on Linux holds many replies back for 40 ms."""

# Everything is timed inside the page: asking from outside adds 15 to 30 ms. `painted` resolves
# behind the next frame: a message posted in a frame's callback arrives when that frame is drawn.
CLOCK = """
window.bench = {
  painted: () => new Promise(done => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now());
    channel.port2.postMessage(null);
  })),
  until: (elements, ready) => new Promise(done => {
    const check = () => {
      if (!ready()) return;
      observer.disconnect();
      done();
    };
    const observer = new MutationObserver(check);
    for (const element of elements) {
      observer.observe(element, { attributes: true, subtree: true });
    }
    check();
  }),
  click: element => {
    let at = 0;
    const note = event => { at = event.timeStamp; };
    element.addEventListener('click', note, { capture: true, once: true });
    element.click();
    return at;
  },
};
"""
CLICK_HEAD = """
async label => {
  const root = document.querySelector('[data-lw-view="attention"]');
  const pattern = root.querySelector('[data-lw-pattern]');
  const before = Number(root.dataset.lwSeq);
  const begun = bench.click(root.querySelector(`[role="gridcell"][data-head="${label}"]`));
  const first = bench.painted().then(at => {
    if (pattern.dataset.lwPattern !== label) throw new Error(`${label} was not shown at once`);
    return at - begun;
  });
  await bench.until([root], () => Number(root.dataset.lwSeq) > before
    && pattern.dataset.lwPattern === label && pattern.dataset.exact === 'true');
  const exact = await bench.painted() - begun;
  return [await first, exact];
}
"""
TOGGLE = """
async part => {
  const roots = [...document.querySelectorAll('[data-lw-view]')];
  const revision = Math.max(...roots.map(root => Number(root.dataset.lwRevision))) + 1;
  const cell = document.querySelector(
    `[data-lw-view="ablation"] [role="switch"][aria-label="ablate ${part}"]`);
  const begun = bench.click(cell);
  const first = bench.painted().then(at => at - begun);
  await bench.until(roots, () => roots.every(root => root.dataset.lwStatus === 'idle'
    && Number(root.dataset.lwRevision) === revision));
  const all = await bench.painted() - begun;
  return [await first, all];
}
"""

# What any round trip costs here, whoever makes it.
EMPTY = """
async () => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  const begun = performance.now();
  await kernel.requestKernelInfo();
  const answered = performance.now() - begun;
  return [answered, await bench.painted() - begun];
}
"""


def measure() -> Table:
    """Click and toggle times on the ioi demo."""
    with open_lab() as lab:
        notebook = lab.run(IOI, EXPLORER)
        screen = Screen(notebook.page)
        screen.wait_idle()
        layers, heads = notebook.kernel.value("(model.cfg.n_layers, model.cfg.n_heads)")
        names = [f"L{layer}H{head}" for layer in range(layers) for head in range(heads)]
        parts = [*names, *(f"L{layer}.mlp" for layer in range(layers))]
        notebook.page.evaluate(CLOCK)
        _, empty = _rounds(notebook.page, EMPTY, [""] * (CLICKS + WARM_UP))
        at_once, exact = _rounds(notebook.page, CLICK_HEAD, _shuffled(names))
        toggled, linked = _rounds(notebook.page, TOGGLE, _always_new(parts))
        notebook.show(SESSION, *(f"lw.{view}(session)" for view in VIEWS))
        screen.wait_idle()
        _, apart = _rounds(notebook.page, TOGGLE, _always_new(parts))
        lab.check_offline()
    rows = [
        _row("for comparison: JupyterLab asks the kernel for nothing", empty, ""),
        _row("click on a head: its pattern, rounded to a byte a cell", at_once, ""),
        _row("click on a head: its exact pattern from the kernel", exact, "60"),
        _row("toggle: the switch", toggled, ""),
        _row("toggle: all numbers of the explorer's four views", linked, "150"),
        _row("toggle: the same as four widgets in four cells", apart, "150"),
    ]
    return Table(
        "Clicks in JupyterLab",
        ("from the click to the painted frame", "n", "median ms", "p95 ms", "aim for p95"),
        tuple(rows),
        NOTES,
    )


def _shuffled(names: list[str]) -> list[str]:
    """Each name a few times, never twice running."""
    order = random.Random(0).sample(names, len(names))
    return order * math.ceil((CLICKS + WARM_UP) / len(names))


def _always_new(parts: list[str]) -> list[str]:
    """Toggles that leave one or two parts ablated, never the same ones twice."""
    clicks = parts[:1]
    for before, part in itertools.pairwise(parts):
        clicks += [part, before]
    return clicks


def _rounds(page: Page, script: str, targets: list[str]) -> tuple[list[float], list[float]]:
    """Runs ``script`` on each target, at moments that have nothing to do with the frames."""
    pauses = random.Random(1)
    first, last = [], []
    for target in targets:
        page.wait_for_timeout(pauses.uniform(60, 120))
        soon, late = page.evaluate(script, target)
        first.append(soon)
        last.append(late)
    return first[WARM_UP:], last[WARM_UP:]


def _row(what: str, times_ms: list[float], aim: str) -> tuple[str, ...]:
    median, late = percentile(times_ms, 0.5), percentile(times_ms, 0.95)
    return what, str(len(times_ms)), f"{median:.0f}", f"{late:.0f}", aim
