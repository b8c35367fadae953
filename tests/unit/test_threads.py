"""On a busy machine a sweep uses fewer threads, and puts their number back however it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.engine import current, threads
from lens_widgets.engine.cancel import Cancelled, CancelToken
from lens_widgets.engine.repeatable import repeatable
from lens_widgets.engine.threads import WINDOW_S, Pace, threads_put_back
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.spies import spy


def paced(
    pace: Pace, rates: Callable[[int], float], cores: Callable[[int], float], n: int
) -> list[int]:
    """The numbers of threads of so many windows on a machine that does ``rates`` with them."""
    used = []
    for _ in range(n):
        now = pace.threads
        used.append(now)
        pace.after(rates(now) * WINDOW_S, cores(now) * WINDOW_S, WINDOW_S)
    return used


def test_a_machine_of_ones_own_is_used_whole() -> None:
    assert paced(Pace(4), lambda n: n, lambda n: 0.95 * n, 200) == [4] * 200


@pytest.mark.parametrize(("cores", "taken"), [(2, 1), (4, 2), (16, 8)])
def test_with_half_the_cores_taken_as_many_threads_remain_as_cores(cores: int, taken: int) -> None:
    """With more threads than free cores, the one that has to wait holds up all others."""
    free = cores - taken

    def rate(n: int) -> float:
        return n if n <= free else n / 15

    def got(n: int) -> float:
        return n if n <= free else n * cores / (n + taken)

    used = paced(Pace(cores), rate, got, 300)
    assert used[0] == cores
    assert free in used[:8]
    # Now and then it is tried whether the cores are free again, ever more seldom.
    assert used[100:].count(free) > 180
    assert sum(n > free for n in used[100:]) < 10


def test_cores_that_become_free_are_used_again() -> None:
    pace = Pace(2)
    paced(pace, lambda n: 1 / n, lambda n: 1.2, 50)
    assert pace.threads == 1
    used = paced(pace, lambda n: n, lambda n: n, 160)
    assert used[-1] == 2
    assert used == sorted(used)


def test_fewer_threads_that_do_less_are_given_up() -> None:
    """A small model leaves its second thread without work now and then: nobody else is there."""
    used = paced(Pace(2), lambda n: 1.0 if n == 1 else 1.4, lambda n: min(n, 1.4), 200)
    assert used[:3] == [2, 1, 2]
    assert used[100:].count(1) < 5


def test_what_is_too_short_to_tell_changes_nothing() -> None:
    pace = Pace(2)
    assert [pace.after(1.0, 0.0, WINDOW_S / 10) for _ in range(9)] == [2] * 9


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def starved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every block seems to starve; gives the numbers of threads that came of it."""
    used: list[int] = []

    def after(pace: Pace, work: float, cpu_s: float, wall_s: float) -> int:
        pace.threads = 1
        used.append(torch.get_num_threads())
        return 1

    monkeypatch.setattr(Pace, "after", after)
    return used


def _new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def _sweep(token: CancelToken | None = None) -> int:
    """A sweep in a thread of its own; how many threads that thread has afterwards."""
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    with current.working(token or CancelToken(), waits_for_cells=False):
        lw.analysis.ablation_sweep(session, over="attn")
    return torch.get_num_threads()


@pytest.mark.usefixtures("two_threads")
def test_the_old_number_is_back_after_a_sweep(starved: list[int]) -> None:
    assert _sweep() == 2
    assert starved[0] == 2
    assert 1 in starved
    assert _new_thread() == 2
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("ends", ["stop", "error"])
def test_the_old_number_is_back_after_a_stop_and_after_an_error(
    starved: list[int], ends: str
) -> None:
    token = CancelToken()
    calls: list[int] = []

    def end(_module: Any, _args: Any) -> None:
        calls.append(torch.get_num_threads())
        # The first call is the sweep's base run.
        if len(calls) > 1 and calls[-1] == 1:
            if ends == "error":
                raise ValueError("in the middle")
            token.cancel()

    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    session.run()
    handle = session.model.blocks[1].register_forward_pre_hook(spy(end))
    try:
        with (
            pytest.raises(ValueError if ends == "error" else Cancelled),
            current.working(token, waits_for_cells=False),
        ):
            lw.analysis.ablation_sweep(session, over="attn")
    finally:
        handle.remove()
    assert calls[-1] == 1
    assert torch.get_num_threads() == 2
    assert _new_thread() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_number_that_others_set_for_new_threads_stays() -> None:
    """A worker that began earlier keeps its own number; what a cell set since is for new ones."""
    other = threading.Thread(target=lambda: torch.set_num_threads(1))
    other.start()
    other.join()
    assert (torch.get_num_threads(), _new_thread()) == (2, 1)
    with threads_put_back():
        torch.set_num_threads(3)
    assert (torch.get_num_threads(), _new_thread()) == (2, 1)


def test_one_thread_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        monkeypatch.setattr(threads, "Pace", None)
        assert _sweep() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_sweeps_that_must_be_the_same_to_the_bit_keep_their_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "Pace", None)
    with repeatable():
        assert _sweep() == 2
