"""How long a person waits in JupyterLab, from the click to the painted frame."""

from __future__ import annotations

import itertools
import math
import random

from playwright.sync_api import Page

from lens_widgets.jupyter.lab import NO_DELAY
from tests.benchmarks.table import Table, percentile
from tests.frontends.conftest import EXPLORER, IOI, SESSION
from tests.frontends.jupyterlab import open_lab
from tests.frontends.pictures import REAL
from tests.frontends.screen import Screen

CLICKS = 60
WARM_UP = 4
VIEWS = ("TokenView", "AttentionView", "AttributionTable", "AblationPanel")

ROWS = {
    "for comparison: JupyterLab asks the kernel for nothing": "",
    "click on a head: its pattern, rounded to a byte a cell": "",
    "click on a head: its exact pattern from the kernel": "60",
    "toggle: the switch": "",
    "toggle: all numbers of the explorer's four views": "150",
    "toggle: the same as four widgets in four cells": "150",
}
REAL_ROWS = {
    "SmolLM2: click on a head: its exact pattern": "60",
    "SmolLM2: toggle: all numbers of the explorer": "",
    "SmolLM2: the runs it needs, from the changed block on, alone in the kernel": "",
    "SmolLM2: what a toggle takes beyond its runs": "80",
}
"""What is timed, and the aim for its 95th percentile in ms."""

NOTES = """\
The ioi demo with three prompts, torch as it comes. Timed inside the page, from the click event
until the frame that shows the outcome is drawn. One or two parts are ablated at a time, never
the same ones twice, so each toggle is a new run of the model. JupyterLab is started as by
`lens-widgets demo`; plain: as it comes, with Nagle's algorithm on, which on Linux holds replies
back for 40 ms. SmolLM2 has 30 layers of 9 heads, and the eight IOI prompts; every fifth layer's
heads are toggled. The runs it needs: the one with what is ablated now and, where that is two parts,
the ones without either, for what each does."""

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

REAL_SESSION = """
session = lw.Session(model, lw.prompts.IOI)
session.explore()
"""
# The runs that the toggles asked for, from the changed block on, in a session that has none.
RUN_ALONE = """
import time

def run_alone(clicks):
    other = lw.Session(model, lw.prompts.IOI)
    other.run()
    active, times = [], []
    for part in clicks:
        active = [p for p in active if p != part] if part in active else [*active, part]
        begun = time.perf_counter()
        now = [lw.Ablate(p) for p in active]
        other.run(now).metric.sum().item()
        for one in now:
            other.metric_with([each for each in now if each is not one]).sum().item()
        times.append(1000 * (time.perf_counter() - begun))
    return times
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
    """Clicks and toggles on the ioi demo, with JupyterLab as the command starts it, and plain; the
    same on SmolLM2, as the command starts it."""
    ours, plain = _times((NO_DELAY,)), _times(())
    rows = [_row(what, ours[what], plain[what], aim) for what, aim in ROWS.items()]
    real = _real_times()
    rows += [_row(what, real[what], [], aim) for what, aim in REAL_ROWS.items()]
    columns = ("from the click to the painted frame", "n", "median ms", "p95 ms", "aim for p95")
    return Table(
        "Clicks in JupyterLab", (*columns, "plain: median", "plain: p95"), tuple(rows), NOTES
    )


def _times(flags: tuple[str, ...]) -> dict[str, list[float]]:
    """Milliseconds of each of ``ROWS``."""
    with open_lab(flags=flags) as lab:
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
    return dict(zip(ROWS, (empty, at_once, exact, toggled, linked, apart), strict=True))


def _real_times() -> dict[str, list[float]]:
    """Milliseconds of each of ``REAL_ROWS``."""
    with open_lab(flags=(NO_DELAY,)) as lab:
        notebook = lab.run(REAL, REAL_SESSION)
        screen = Screen(notebook.page)
        screen.wait_idle(timeout_ms=120_000)
        notebook.page.evaluate(CLOCK)
        names = [f"L{layer}H{head}" for layer in range(0, 30, 5) for head in range(9)]
        _, exact = _rounds(notebook.page, CLICK_HEAD, _shuffled(names))
        clicks = _always_new(names)[: CLICKS + WARM_UP]
        _, toggled = _rounds(notebook.page, TOGGLE, clicks)
        notebook.kernel.run(RUN_ALONE)
        alone = notebook.kernel.value(f"run_alone({clicks!r})")[WARM_UP:]
        beyond = [all_of_it - run for all_of_it, run in zip(toggled, alone, strict=True)]
        lab.check_offline()
    return dict(zip(REAL_ROWS, (exact, toggled, alone, beyond), strict=True))


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


def _row(what: str, ours: list[float], plain: list[float], aim: str) -> tuple[str, ...]:
    def shown(times_ms: list[float]) -> list[str]:
        return [f"{percentile(times_ms, share):.0f}" for share in (0.5, 0.95)]

    compared = shown(plain) if plain else ["", ""]
    return what, str(len(ours)), *shown(ours), aim, *compared
