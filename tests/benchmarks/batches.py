"""Hundreds of prompts of a real model: the memory that functions take, and their time beside the
forwards and backwards that they need."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

import lens_widgets as lw
from lens_widgets.analysis.ablation.ablation import ablation_variant
from lens_widgets.engine import memory
from lens_widgets.engine.components import Component
from tests.benchmarks.memory import peak_extra_mb, resident_mb
from tests.benchmarks.table import Table

N_PROMPTS = 300
N_SWEPT = 75
N_MANY = 1000

A = lw.analysis

NOTES = f"""\
SmolLM2 (135M, float32) on {N_PROMPTS} indirect-object prompts. MB: by how much the process grows at
most above the loaded model, the session and its recorded runs included. Each in a session of its
own, which is open: its clean run is there. Needed: so many plain forwards and backwards of all
prompts, in parts of the same size; what reads activations of a run runs its blocks once more.

Estimates need three forwards (the corrupted run, activations of the clean one, and that of the
backward pass) and a backward. All edges together need 0.6 of a forward more: what 301 heads and
MLPs wrote, each by itself, slopes back through W_Q, W_K and W_V of every head, and the products of
the two are 2.3 GFLOP a prompt beside 4. The sweep is over {N_SWEPT} prompts."""

MANY_NOTES = f"""\
The same at {N_MANY:,} prompts, one after the other in one session: what it holds by then is
included. The limit is 4,000. Lens and patterns of all prompts are those of one after the other."""

Work = Callable[[lw.Session], Any]

HEADS_OF = 25
"""The layer whose heads are ablated on many prompts."""


def _heads_of_a_layer(session: lw.Session) -> None:
    heads = [Component("head", HEADS_OF, head) for head in range(session.facts.n_heads)]
    swept = session.sweep_by_parts(
        heads, lambda some, chosen: [ablation_variant(some, lw.Ablate(head)) for head in chosen]
    )
    assert len(list(swept)) == len(heads)


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
    "edge_scores": (lambda s: A.edge_scores(s), 3.6, 1),
}
"""What is done, and how many forwards and backwards it needs."""

SWEEPS: dict[str, tuple[Work, float, float]] = {
    "ablation_sweep, MLPs": (lambda s: A.ablation_sweep(s, over="mlp"), 15.5, 0),
}
"""Takes too long on all prompts. A variant needs the blocks behind its own, half of a forward on
average."""

MANY: dict[str, Work] = {
    "attribution, heads": lambda s: A.attribution(s),
    "head_scores": lambda s: A.head_scores(s, "previous"),
    "token_loss": lambda s: A.token_loss(s),
    "logit_lens, one prompt": lambda s: A.logit_lens(s, prompt=N_MANY - 1),
    "attention_patterns, one prompt": lambda s: A.attention_patterns(s, prompt=N_MANY - 1),
    f"ablation of layer {HEADS_OF}'s heads": _heads_of_a_layer,
    "estimate_sweep, z": lambda s: A.estimate_sweep(s, "z"),
    "edge_scores": lambda s: A.edge_scores(s),
}
"""What is done in a session on many prompts."""


def measure() -> Iterator[Table]:
    """A row for each function; the second table takes longer."""
    model = lw.load_demo("smollm2")
    # What a model's first run leaves behind is not of the prompts.
    lw.Session(model, lw.prompts.ioi(2, model=model))
    opening: dict[str, tuple[Work, float, float]] = {"opening the session": (_nothing, 1, 0)}
    measured = [
        *rows(model, N_PROMPTS, opening | FUNCTIONS),
        *rows(model, N_SWEPT, SWEEPS),
    ]
    columns = ("what", "MB above the model", "s", "s needed", "times")
    yield Table("Hundreds of prompts", columns, tuple(measured), NOTES)
    yield Table("A thousand prompts", columns[:3], tuple(rows_of_many(model)), MANY_NOTES)


def rows(
    model: Any, n_prompts: int, functions: dict[str, tuple[Work, float, float]]
) -> Iterator[tuple[str, ...]]:
    """Each function in a session of its own."""
    pairs = lw.prompts.ioi(n_prompts, model=model)
    forward_s, backward_s = _plain(model, lw.Session(model, pairs).tokens)
    for name, (work, forwards, backwards) in functions.items():
        taken = _Taken(model, pairs, work)
        extra_mb = peak_extra_mb(taken)
        seconds = taken.opening_s if work is _nothing else taken.work_s
        needed = forwards * forward_s + backwards * backward_s
        yield _said(
            name,
            f"{extra_mb:,.0f}",
            f"{seconds:.1f}",
            f"{needed:.1f}",
            f"{seconds / needed:.2f}",
        )


def rows_of_many(model: Any) -> Iterator[tuple[str, ...]]:
    """Opening one session, then each function in it."""
    pairs = lw.prompts.ioi(N_MANY, model=model)
    memory.give_back()
    before_mb = resident_mb()
    opened: list[lw.Session] = []

    def measured(name: str, work: Callable[[], Any]) -> tuple[str, ...]:
        memory.give_back()
        held_mb, started = resident_mb() - before_mb, time.perf_counter()
        extra_mb = held_mb + peak_extra_mb(work)
        return _said(name, f"{extra_mb:,.0f}", f"{time.perf_counter() - started:.1f}")

    yield measured("opening the session", lambda: opened.append(lw.Session(model, pairs)))
    for name, work in MANY.items():
        yield measured(name, partial(work, opened[0]))


def _said(*row: str) -> tuple[str, ...]:
    """A row that is shown while the others take their minutes."""
    print(*row, sep="\t", file=sys.stderr, flush=True)
    return row


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
