"""Hundreds of prompts of a real model: the memory that functions take, and their time beside the
forwards and backwards that they need."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

import lens_widgets as lw
from lens_widgets.engine import memory
from tests.benchmarks.memory import peak_extra_mb
from tests.benchmarks.table import Table

N_PROMPTS = 300

A = lw.analysis

NOTES = f"""\
SmolLM2 (135M, float32) on {N_PROMPTS} indirect-object prompts. MB: by how much the process grows at
most above the loaded model, the session and its recorded runs included. Each in a session of its
own, which is open: its clean run is there. Needed: so many plain forwards and backwards of all
prompts, in parts of the same size; what reads activations of a run runs its blocks once more."""

Work = Callable[[lw.Session], Any]

FUNCTIONS: dict[str, tuple[Work, float, float]] = {
    "attribution, heads": (lambda s: A.attribution(s), 1, 0),
    "accumulated_attribution": (lambda s: A.accumulated_attribution(s), 1, 0),
    "head_scores": (lambda s: A.head_scores(s, "previous"), 1, 0),
    "token_loss": (lambda s: A.token_loss(s), 1, 0),
    "estimate_sweep, z": (lambda s: A.estimate_sweep(s, "z"), 3, 1),
    "estimate_sweep, resid_pre, RelP": (
        lambda s: A.estimate_sweep(s, "resid_pre", method="relp"),
        3,
        1,
    ),
    "edge_scores": (lambda s: A.edge_scores(s), 3, 1),
    "ablation_sweep, MLPs": (lambda s: A.ablation_sweep(s, over="mlp"), 16, 0),
}
"""What is done, and how many forwards and backwards it needs. A variant of a sweep needs the blocks
behind its own, half of a forward on average."""


def measure() -> Table:
    """A row for each function."""
    return Table(
        "Hundreds of prompts",
        ("what", "MB above the model", "s", "s needed", "times"),
        tuple(rows(N_PROMPTS)),
        NOTES,
    )


def rows(n_prompts: int) -> Iterator[tuple[str, ...]]:
    """Opening the session first, then each function."""
    model = lw.load_demo("smollm2")
    pairs = lw.prompts.ioi(n_prompts, model=model)
    # What a model's first run leaves behind is not of the prompts.
    lw.Session(model, lw.prompts.ioi(2, model=model))
    forward_s, backward_s = _plain(model, lw.Session(model, pairs).tokens)
    everything: dict[str, tuple[Work, float, float]] = {"opening the session": (_nothing, 1, 0)}
    for name, (work, forwards, backwards) in (everything | FUNCTIONS).items():
        taken = _Taken(model, pairs, work)
        extra_mb = peak_extra_mb(taken)
        seconds = taken.opening_s if work is _nothing else taken.work_s
        needed = forwards * forward_s + backwards * backward_s
        yield (
            name,
            f"{extra_mb:,.0f}",
            f"{seconds:.1f}",
            f"{needed:.1f}",
            f"{seconds / needed:.2f}",
        )
        gc.collect()


def _nothing(session: lw.Session) -> None:
    pass


class _Taken:
    """One function in a session of its own, timed."""

    def __init__(self, model: Any, pairs: Any, work: Work) -> None:
        self._model, self._pairs, self._work = model, pairs, work
        self.opening_s = self.work_s = 0.0

    def __call__(self) -> None:
        started = time.perf_counter()
        session = lw.Session(self._model, self._pairs)
        opened = time.perf_counter()
        self._work(session)
        self.opening_s, self.work_s = opened - started, time.perf_counter() - opened


def _plain(model: Any, tokens: torch.Tensor) -> tuple[float, float]:
    """Seconds of plain forwards over all prompts, and of backwards."""
    parts = tokens.split(memory.rows_together(model, *tokens.shape))
    started = time.perf_counter()
    with torch.no_grad():
        for part in parts:
            model(part)
    forward_s = time.perf_counter() - started
    embedded = model.blocks[0]
    backward_s = 0.0
    for part in parts:
        leaves: list[torch.Tensor] = []

        def hold(_block: Any, args: Any, kwargs: Any, leaves: list[torch.Tensor] = leaves) -> Any:
            start = (args[0] if args else kwargs["hidden_states"]).detach().requires_grad_(True)
            leaves.append(start)
            rest = {name: value for name, value in kwargs.items() if name != "hidden_states"}
            return (start, *args[1:]), rest

        handle = embedded.register_forward_pre_hook(hold, with_kwargs=True)
        try:
            value = model(part)[:, -1, 0].sum()
        finally:
            handle.remove()
        started = time.perf_counter()
        torch.autograd.grad(value, leaves)
        backward_s += time.perf_counter() - started
    return forward_s, backward_s
