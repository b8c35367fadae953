"""All heads' patterns of a prompt of 1,024 tokens, beside a hooked forward that reads the same."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.attention.patterns import Mode, Which, pooled_patterns
from lens_widgets.engine import current
from lens_widgets.engine.pooling import CELLS
from tests.benchmarks.engine import make_model
from tests.benchmarks.flops import N_LAYER
from tests.benchmarks.table import Table

N_POS = 1024
ROUNDS = 3
ABLATED = "L0H5"
"""Of the first layer: every pattern after it is another."""

SHOWN: tuple[tuple[str, Which, Mode], ...] = (
    ("weights", "current", "pattern"),
    ("value-weighted", "current", "value"),
    ("scores", "current", "scores"),
    ("difference of weights, one head ablated", "difference", "pattern"),
    ("difference of scores, one head ablated", "difference", "scores"),
)
_READ: dict[Mode, tuple[str, ...]] = {
    "pattern": ("pattern",),
    "value": ("pattern", "v"),
    "scores": ("pattern", "attn_scores"),
}

NOTES = f"""\
A random model of GPT-2 small's shape, 1 x {N_POS} tokens, as thumbnails are made: the largest of
each block, {CELLS:,} numbers in all. The runs without and with {ABLATED} ablated are there, and
with them the pooled weights, which are made as the model runs; no other activations are. Beside it
the same model's forward with hooks that keep the same activations, once for each run; it makes no
thumbnails. Medians of {ROUNDS}. CPU time is of all threads: other programs change it less."""


def measure() -> Table:
    """Each kind of pattern beside its forwards, taken in turns."""
    model = make_model()
    generator = torch.Generator().manual_seed(4)
    tokens = torch.randint(2, 50_000, (1, N_POS), generator=generator).to(
        next(model.parameters()).device
    )
    session = lw.Session(model, tokens, answers=[(3, 4)])
    session.interventions.toggle(ABLATED)
    runs = [session.run(()), session.run()]
    rows = []
    for name, which, mode in SHOWN:

        def ours(which: Which = which, mode: Mode = mode) -> None:
            for run in runs:
                run.trace.release()
            # As a view's question does: the model is looked at anew once.
            with current.one_call():
                pooled_patterns(session, which, 0, mode, CELLS)

        def plain(which: Which = which, mode: Mode = mode) -> None:
            for ablated in (False, True) if which == "difference" else (True,):
                _read(model, tokens, _READ[mode], ablated)

        ours()
        plain()
        taken = [(*_seconds(ours), *_seconds(plain)) for _ in range(ROUNDS)]
        mine, cpu, theirs, their_cpu = map(statistics.median, zip(*taken, strict=True))
        seconds = (f"{mine:.2f} s", f"{theirs:.2f} s", f"{mine / theirs:.2f} x")
        rows.append((name, *seconds, f"{cpu / their_cpu:.2f} x", "2 x"))
    load = f"{os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads"
    title = "Patterns of long prompts"
    columns = (
        "1 x 1,024 tokens, 12 x 12 heads",
        "thumbnails",
        "forward",
        "ratio",
        "of CPU time",
        "aim",
    )
    return Table(title, columns, tuple(rows), f"{NOTES} Load {load}.")


def _seconds(work: Callable[[], None]) -> tuple[float, float]:
    """By the clock, and of all cores together: other programs take from the first only."""
    begun = (time.perf_counter(), time.process_time())
    work()
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def _read(model: Any, tokens: Tensor, names: tuple[str, ...], ablated: bool) -> None:
    """What somebody writes: a forward whose hooks keep the activations."""
    kept: list[Tensor] = []

    def keep(value: Tensor, hook: object) -> None:
        kept.append(value.detach())

    def ablate(z: Tensor, hook: object) -> Tensor:
        z = z.clone()
        z[:, :, int(ABLATED[-1])] = 0.0
        return z

    hooks: list[tuple[str, Any]] = [
        (f"blocks.{layer}.attn.hook_{name}", keep) for layer in range(N_LAYER) for name in names
    ]
    if ablated:
        hooks.append(("blocks.0.attn.hook_z", ablate))
    with torch.no_grad():
        model.run_with_hooks(tokens, fwd_hooks=hooks)
