"""A sweep while other programs take half of the cores, as on a shared machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

import lens_widgets as lw
from lens_widgets.engine import current
from lens_widgets.engine.cancel import Cancelled, CancelToken
from lens_widgets.engine.threads import Pace
from lens_widgets.models.demo import load_demo
from tests.benchmarks.table import Table

LIMIT_S = 90.0
"""A sweep that takes longer is stopped."""

PROMPTS = lw.prompts.IOI_PROMPTS[:4]


@contextmanager
def busy_cores(n: int) -> Iterator[None]:
    """So many other processes that want a core each."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        time.sleep(1.0)
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Sweeps keep torch's number of threads, as they would without looking at the time."""
    after = Pace.after
    Pace.after = lambda pace, *_: pace.most  # type: ignore[method-assign]
    try:
        yield
    finally:
        Pace.after = after  # type: ignore[method-assign]


def sweep_seconds(model: Any) -> float | None:
    """What the sweep over all heads takes in a session of its own; None beyond the limit."""
    session = lw.Session(model, PROMPTS, answers=lw.prompts.IOI_ANSWERS[: len(PROMPTS)])
    session.run()
    token = CancelToken()
    timer = threading.Timer(LIMIT_S, token.cancel)
    timer.start()
    start = time.perf_counter()
    try:
        with current.working(token, waits_for_cells=False):
            lw.analysis.ablation_sweep(session)
    except Cancelled:
        return None
    finally:
        timer.cancel()
    return time.perf_counter() - start


def measure() -> Table:
    """Alone, beside busy processes with all threads, and beside them as sweeps do it."""
    model = load_demo("smollm2")
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    taken = max(1, cores // 2)
    alone = sweep_seconds(model)
    with busy_cores(taken):
        adapted = sweep_seconds(model)
        with fixed_threads():
            fixed = sweep_seconds(model)
    assert alone is not None

    def line(name: str, took: float | None) -> tuple[str, ...]:
        if took is None:
            return (name, f"> {LIMIT_S:.0f}", f"> {LIMIT_S / alone:.1f}", "")
        return (name, f"{took:.1f}", f"{took / alone:.2f}", "")

    adapted_row = line("the same; sweeps adapt the number of threads", adapted)
    return Table(
        "Sweeps on a busy machine",
        ("SmolLM2, 270 heads", "seconds", "times as long", "aim"),
        (
            line("alone on the machine", alone),
            line(f"{taken} of {cores} cores taken by others; {threads} threads throughout", fixed),
            (*adapted_row[:3], "2.5"),
        ),
        notes=(
            "Head ablation over four indirect-object prompts, torch as it comes, no environment "
            "variables. The others count without end, a core each."
        ),
    )
