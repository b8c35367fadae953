"""How long edges take: the scores of all, the curve of ten sizes, and a stop of the slider on
screen, beside TransformerLens where it has the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any, get_args

import torch
from playwright.sync_api import Page
from torch import Tensor
from transformer_lens.tools.analysis.attribution_patching import (
    EdgeAttributionConfig,
    attribution_patch,
)

import lens_widgets as lw
from lens_widgets.analysis.circuits.edge_scores import EdgeMethod
from lens_widgets.jupyter.lab import NO_DELAY
from tests.benchmarks.engine import DEVICE, make_model, make_setting, unrelated
from tests.benchmarks.interactive import CLOCK
from tests.benchmarks.table import Table, percentile
from tests.frontends.jupyterlab import open_lab
from tests.frontends.screen import Screen

A = lw.analysis
N_POS, REPEATS, STOPS, WARM_UP = 15, 5, 60, 4

TIMES = f"""\
GPT-2 small: a random model of its shape, 8 prompts x {N_POS} tokens. SmolLM2: 8 IOI prompts. The
session is open: its clean run is there, and the corrupted one is part of what is timed. The curve
is of the scores by "eap", without random circuits. The median of {REPEATS}, each in a session of
its own. TransformerLens: the same numbers for one prompt, times 8; it refuses models whose heads
share keys. It has no curve of circuits."""

ON_SCREEN = f"""\
The ioi demo with eight prompts in JupyterLab as `lens-widgets demo` starts it; {STOPS} stops of the
slider, from the input event until the frame that shows the circuit of the new size with its
measured faithfulness."""

SHOWN = """
import lens_widgets as lw
model = lw.load_demo("ioi")
session = lw.Session(model, lw.prompts.ioi(8))
lw.CircuitView(session)
"""
SLIDE = """
async stop => {
  const root = document.querySelector('[data-lw-view="circuit"]');
  const slider = root.querySelector('.lw-circuit-slider');
  const said = () => root.querySelector('.lw-circuit-said');
  const before = said().dataset.edges;
  let begun = 0;
  const note = event => { begun = event.timeStamp; };
  slider.addEventListener('input', note, { capture: true, once: true });
  slider.value = String(stop);
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  await bench.until([root], () => root.dataset.lwStatus === 'idle'
    && said().dataset.edges !== before && said().dataset.faithfulness !== '');
  return await bench.painted() - begun;
}
"""


def measure() -> list[Table]:
    """Two tables: what the kernel takes, and what a person waits."""
    columns = ("what", "GPT-2 small (s)", "aim", "SmolLM2 (s)")
    times = _stop_times()
    on_screen = (
        "a stop of the slider",
        str(len(times)),
        *(f"{percentile(times, share):.0f}" for share in (0.5, 0.95)),
        "150",
    )
    return [
        Table("All edges at once", columns, tuple(_rows()), TIMES),
        Table(
            "The circuit's slider in JupyterLab",
            ("from the input to the painted frame", "n", "median ms", "p95 ms", "aim for p95"),
            (on_screen,),
            ON_SCREEN,
        ),
    ]


def _rows() -> Iterator[tuple[str, ...]]:
    """Seconds for the scores of all edges, and for a curve, on both models."""
    opened = (_gpt2(), _smollm2())
    counts = [f"{each().stream.graph.n_edges:,}" for each in opened]
    yield ("edges", counts[0], "", counts[1])
    for method in get_args(EdgeMethod):

        def score(session: lw.Session, method: Any = method) -> None:
            A.edge_scores(session, method)

        taken = [_seconds(each, score) for each in opened]
        aim = "3" if method == "eap" else ""
        yield (f'edge_scores(session, "{method}")', f"{taken[0]:.2f}", aim, f"{taken[1]:.2f}")
    theirs = [_theirs(each()) for each in opened]
    yield ("TransformerLens: attribution_patch, edges", theirs[0], "", theirs[1])
    curves = []
    for each in opened:
        scores = A.edge_scores(each(), "eap")
        curves.append(_seconds(each, partial(A.circuit_curve, scores=scores)))
    yield ("circuit_curve(session, scores), ten sizes", f"{curves[0]:.2f}", "8", f"{curves[1]:.2f}")


def _gpt2() -> Callable[[], lw.Session]:
    clean, corrupted = unrelated()
    setting = make_setting(make_model(), clean[:, :N_POS], corrupted[:, :N_POS])
    prompts = setting.session.prompt_set

    def opened() -> lw.Session:
        return lw.Session(
            setting.model, prompts.tokens, answers=(5, 6), corrupted=prompts.corrupted_tokens
        )

    return opened


def _smollm2() -> Callable[[], lw.Session]:
    model = lw.load_demo("smollm2")
    pairs = lw.prompts.ioi(8, model=model)
    return lambda: lw.Session(model, pairs)


def _seconds(opened: Callable[[], lw.Session], work: Callable[[lw.Session], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        session = opened()
        session.run()
        started = time.perf_counter()
        work(session)
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
        session.close()
    return median(taken)


def _theirs(session: lw.Session) -> str:
    prompts = session.prompt_set
    assert prompts.corrupted_tokens is not None

    def metric(logits: Tensor) -> Tensor:
        return logits[0, -1, 5] - logits[0, -1, 6]

    length = int(prompts.lengths[0])
    one, other = prompts.tokens[:1, :length], prompts.corrupted_tokens[:1, :length]
    started = time.perf_counter()
    try:
        attribution_patch(
            session.model, one, other, metric, EdgeAttributionConfig(granularity="edge")
        )
    except (NotImplementedError, ValueError, RuntimeError, AttributeError) as error:
        return f"refused ({type(error).__name__})"
    return f"{8 * (time.perf_counter() - started):.1f}"


def _stop_times() -> list[float]:
    """Milliseconds from an input on the slider to the painted numbers."""
    with open_lab(flags=(NO_DELAY,)) as lab:
        notebook = lab.run(SHOWN)
        page: Page = notebook.page
        Screen(page).wait_idle(timeout_ms=120_000)
        page.evaluate(CLOCK)
        last = int(page.locator(".lw-circuit-slider").get_attribute("max") or 0)
        order, pauses = random.Random(2), random.Random(1)
        at, times = -1, []
        for _ in range(STOPS + WARM_UP):
            # The largest sizes may be one circuit after pruning; those up to a half never are.
            at = order.choice([stop for stop in range(2, last - 1) if stop != at])
            page.wait_for_timeout(pauses.uniform(60, 120))
            times.append(float(page.evaluate(SLIDE, at)))
        lab.check_offline()
    return times[WARM_UP:]
