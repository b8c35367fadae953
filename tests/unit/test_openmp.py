"""Who has computed and waits leaves the cores to others: its helpers end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import lens_widgets as lw
from lens_widgets.engine.access import access_for
from lens_widgets.engine.openmp import let_helpers_go
from lens_widgets.engine.worker import Job, Worker
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS

GNU = sys.platform == "linux"
"""Where torch's wheels have GNU's OpenMP; elsewhere nothing is to be done."""


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        let_helpers_go()


def computed() -> float:
    """An operation large enough for helpers; they have begun afterwards."""
    return float(torch.full((1 << 20,), 0.5).add(0.25).sum())


def n_others() -> int:
    """Threads of this process that Python has not started: helpers, and a few that always are."""
    if not GNU:
        return 0
    return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()


def test_helpers_end_and_come_again() -> None:
    let_helpers_go()
    without = n_others()
    for _ in range(2):
        assert computed() == 0.75 * (1 << 20)
        assert not GNU or n_others() >= without + 2
        assert let_helpers_go() is GNU
        assert n_others() == without
    # There are none to end.
    assert let_helpers_go() is GNU


def test_nothing_is_taken_from_who_is_in_the_middle_of_an_operation() -> None:
    results: list[float] = []
    other = threading.Thread(target=lambda: results.extend(computed() for _ in range(50)))
    other.start()
    while other.is_alive():
        let_helpers_go()
    assert results == [0.75 * (1 << 20)] * 50


def test_a_cell_that_waits_for_the_model_keeps_no_helpers() -> None:
    model = tiny("llama")
    access = access_for(model)
    let_helpers_go()
    access.run_inline(computed)
    alone = access.run_inline(n_others)
    computed()
    assert access.run_inline(n_others) == alone
    # A sweep goes on in several turns, between which the cell computes.
    session = lw.Session(model, PROMPTS, answers=ANSWERS)
    lw.analysis.ablation_sweep(session)
    assert access.run_inline(n_others) == alone


def test_a_worker_that_has_nothing_to_do_keeps_no_helpers() -> None:
    let_helpers_go()
    before = n_others()
    done = threading.Event()
    worker = Worker("test of helpers", wake=lambda: None)
    results: list[object] = []

    def finished(value: object) -> None:
        results.append(value)
        done.set()

    worker.submit(Job("sum", computed, finished, lambda error: done.set()))
    assert done.wait(30)
    assert results == [0.75 * (1 << 20)]
    pause, patience = threading.Event(), 3000
    while n_others() > before and patience:
        patience -= 1
        pause.wait(0.01)
    assert n_others() <= before
