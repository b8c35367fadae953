"""One prompt of 1,024 tokens in JupyterLab: 144 heads on screen, opened and hovered."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from lens_widgets.jupyter.lab import NO_DELAY
from tests.benchmarks import circuitsvis
from tests.benchmarks.interactive import CLOCK
from tests.benchmarks.table import Table, percentile
from tests.frontends.jupyterlab import Notebook, open_lab
from tests.frontends.screen import Screen

N_POS = 1024
FRAMES = 240
LATE_MS = 25.0
"""A frame that took longer has missed at least one of 60 a second."""

MODEL = f"""
import torch
import lens_widgets as lw
from tests.benchmarks.engine import make_model
from tests.models import D_VOCAB, SPECIAL

model = make_model()
generator = torch.Generator().manual_seed(4)
# Those that the tokenizer has names for: what is written beside a pattern takes time, too.
tokens = torch.randint(len(SPECIAL), D_VOCAB, (1, {N_POS}), generator=generator)
"""
RUN = "session = lw.Session(model, tokens, answers=[(3, 4)])\nsession.baseline"
VIEW = "lw.AttentionView(session)"

NOTES = f"""\
A random model of GPT-2 small's shape, 1 x {N_POS} tokens; its forward has been run before the view
is displayed. Timed inside the page: from running the cell (or the click) until the frame that
shows the outcome is drawn. Bytes: everything that came over the kernel's websocket, the view's
code included. Hover: {FRAMES} frames with the pointer on another cell, or another head, in each;
late: longer than {LATE_MS:.0f} ms. CircuitsVis {circuitsvis.VERSION} draws 12 heads of this run's
patterns on their first tokens, its code inlined in a page of its own; the text of the page, which
it would put into the notebook, is what is sent."""

# Counts what comes over websockets; installed before the page's own code.
COUNT = """
window.received = 0;
window.WebSocket = class extends WebSocket {
  constructor(...args) {
    super(...args);
    this.addEventListener('message', ({ data }) => {
      window.received += data.byteLength ?? data.size ?? data.length;
    });
  }
};
"""
# Runs the cell and waits for the thumbnails, which come in one reply with the tokens' names, and
# then for the large pattern.
DISPLAY = """
async index => {
  const panel = jupyterapp.shell.currentWidget;
  const seen = test => new Promise(done => {
    const check = () => { if (test()) { observer.disconnect(); done(); } };
    const observer = new MutationObserver(check);
    observer.observe(document.body, { attributes: true, childList: true, subtree: true });
    check();
  });
  const root = () => document.querySelector('[data-lw-view="attention"]');
  panel.content.activeCellIndex = index;
  window.received = 0;
  const begun = performance.now();
  void jupyterapp.commands.execute('notebook:run-cell');
  await seen(() => root()?.querySelector('[data-pos]'));
  const first = await bench.painted() - begun;
  await seen(() => root().dataset.lwStatus === 'idle');
  return [first, await bench.painted() - begun];
}
"""
OPEN = """
async label => {
  const root = document.querySelector('[data-lw-view="attention"]');
  const pattern = root.querySelector('[data-lw-pattern]');
  const before = Number(root.dataset.lwSeq);
  const begun = bench.click(root.querySelector(`[role="gridcell"][data-head="${label}"]`));
  const first = bench.painted().then(at => at - begun);
  await bench.until([root], () => root.dataset.lwStatus === 'idle'
    && Number(root.dataset.lwSeq) > before && pattern.dataset.lwPattern === label);
  return [await first, await bench.painted() - begun];
}
"""
# Moves the pointer once a frame, to another place each time, and notes how long each frame took.
HOVER = """
async ([selector, frames]) => {
  const area = document.querySelector(`[data-lw-view="attention"] ${selector}`);
  const { left, top, width, height } = area.getBoundingClientRect();
  const frame = () => new Promise(done => requestAnimationFrame(done));
  const inset = selector.startsWith('[data-lw-pattern]') ? Number(area.dataset.left) : 30;
  const times = [];
  let last = await frame();
  for (let i = 0; i < frames + 10; i++) {
    const x = left + inset + ((i * 37) % 100) / 100 * (width - inset);
    const y = top + ((i * 61) % 100) / 100 * (height - inset);
    const at = document.elementFromPoint(x, y) ?? area;
    const where = { bubbles: true, composed: true, clientX: x, clientY: y, pointerType: 'mouse' };
    at.dispatchEvent(new PointerEvent('pointerover', where));
    at.dispatchEvent(new PointerEvent('pointermove', where));
    const now = await frame();
    times.push(now - last);
    last = now;
  }
  area.dispatchEvent(new PointerEvent('pointerleave', {}));
  return times.slice(10);
}
"""


def measure() -> Table:
    """The view on 144 heads, and CircuitsVis on 12 of them at a fraction of the length."""
    with open_lab(flags=(NO_DELAY,)) as lab:
        lab.context.add_init_script(COUNT)
        notebook = lab.run(MODEL, RUN)
        rows = _view(notebook)
        patterns = _patterns(notebook)
        lab.check_offline()
        for n_pos, heads in patterns.items():
            rows += circuitsvis.rows(lab.context, n_pos, heads)
    columns = ("1 x 1,024 tokens, 12 x 12 heads", "median", "p95", "late frames", "aim")
    return Table("Long prompts", columns, tuple(rows), NOTES)


def _view(notebook: Notebook) -> list[tuple[str, ...]]:
    page = notebook.page
    page.evaluate(CLOCK)
    page.evaluate(
        "source => jupyterapp.shell.currentWidget.content.model.sharedModel"
        ".insertCell(2, { cell_type: 'code', source })",
        VIEW,
    )
    first, whole = page.evaluate(DISPLAY, 2)
    notebook.wait_for_cells(2)
    before = page.evaluate("window.received")
    rows = [
        ("first paint of all thumbnails", f"{first:.0f} ms", "", "", "1,000 ms"),
        ("the same with the selected head's large pattern", f"{whole:.0f} ms", "", "", ""),
        ("sent before a head is opened", _megabytes(before), "", "", "2 MB"),
        _hover(page, "the heads", ".lw-heads-grid"),
        _hover(page, "the large pattern", "[data-lw-pattern]"),
    ]
    Screen(page).wait_idle()
    sent = page.evaluate("window.received")
    heads = ["L0H5", "L3H2", "L6H11", "L11H0", "L8H7", "L3H3", "L5H9", "L11H4"]
    times = [page.evaluate(OPEN, head) for head in heads]
    opened = (page.evaluate("window.received") - sent) / len(heads)
    for what, column in (("first frame", 0), ("from the kernel", 1)):
        taken = [each[column] for each in times]
        numbers = [f"{percentile(taken, share):.0f} ms" for share in (0.5, 0.95)]
        rows.append((f"opening a head: {what}", *numbers, "", ""))
    rows.append(("sent when a head is opened, mean", _megabytes(opened), "", "", ""))
    return rows


def _hover(page: Page, what: str, selector: str) -> tuple[str, ...]:
    """A row: how long frames took while the pointer moved."""
    page.locator(f'[data-lw-view="attention"] {selector}').first.scroll_into_view_if_needed()
    times = page.evaluate(HOVER, [selector, FRAMES])
    late = sum(time > LATE_MS for time in times)
    shown = [f"{percentile(times, share):.1f} ms" for share in (0.5, 0.95)]
    return f"hover over {what}: a frame", *shown, f"{late} of {len(times)}", "16.7 ms"


def _patterns(notebook: Notebook) -> dict[int, Any]:
    """The first 12 heads on their first tokens, [head, query, key], by number of tokens."""
    asked = "{n: session.run(()).pattern(0)[0, :, :n, :n].tolist() for n in (64, 128, 256)}"
    found = notebook.kernel.value(asked)
    return {int(n_pos): heads for n_pos, heads in found.items()}


def _megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.2f} MB"
