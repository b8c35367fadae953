"""The worker: the newest request of each key wins, quick ones overtake long ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from lens_widgets.engine import current
from lens_widgets.engine.cancel import Cancelled, CancelToken, Superseded
from lens_widgets.engine.worker import Worker
from tests.unit.waiting import LIMIT_S, Outcome, wait_for, wait_until


def _nothing() -> None:
    pass


@pytest.fixture
def worker() -> Worker:
    return Worker("test worker", _nothing)


class Busy:
    """Keeps a worker occupied with one job until it is let go."""

    def __init__(self, worker: Worker, key: str = "busy") -> None:
        self.started, self.release, self.outcome = threading.Event(), threading.Event(), Outcome()
        worker.submit(self.outcome.job(key, self._work))
        wait_for(self.started)

    def _work(self) -> str:
        self.started.set()
        wait_for(self.release)
        current.check_cancelled()
        return "busy"


@pytest.fixture
def busy(worker: Worker) -> Iterator[Busy]:
    job = Busy(worker)
    yield job
    job.release.set()


def test_jobs_are_answered_in_the_order_they_came(worker: Worker, busy: Busy) -> None:
    order: list[str] = []
    outcomes = []

    def work(name: str) -> str:
        order.append(name)
        return name

    for name in "abc":
        outcomes.append(Outcome())
        worker.submit(outcomes[-1].job(name, partial(work, name)))
    busy.release.set()
    assert [outcome.value() for outcome in outcomes] == ["a", "b", "c"]
    assert order == ["a", "b", "c"]
    assert busy.outcome.value() == "busy"


def test_submitting_returns_before_the_work_is_done(worker: Worker, busy: Busy) -> None:
    last = Outcome()
    worker.submit(last.job("x", lambda: 1))
    assert not busy.release.is_set()
    busy.release.set()
    assert last.value() == 1


def test_a_waiting_job_is_superseded_by_a_newer_one_of_its_key(worker: Worker, busy: Busy) -> None:
    ran: list[int] = []
    outcomes = [Outcome() for _ in range(4)]

    def work(number: int) -> int:
        ran.append(number)
        return number

    for number, outcome in enumerate(outcomes):
        worker.submit(outcome.job("x", partial(work, number)))
    for outcome in outcomes[:-1]:
        assert isinstance(outcome.error(), Superseded)
    busy.release.set()
    assert outcomes[-1].value() == 3
    assert ran == [3]


def test_a_running_job_is_told_to_stop_when_a_newer_one_of_its_key_comes(worker: Worker) -> None:
    older, newer = Busy(worker, "x"), Outcome()
    worker.submit(newer.job("x", lambda: "new"))
    older.release.set()
    assert newer.value() == "new"
    assert isinstance(older.outcome.error(), Superseded)


def test_other_keys_are_left_alone(worker: Worker, busy: Busy) -> None:
    one, two = Outcome(), Outcome()
    worker.submit(one.job(("view", "a"), lambda: 1))
    worker.submit(two.job(("view", "b"), lambda: 2))
    busy.release.set()
    assert (one.value(), two.value()) == (1, 2)


def test_a_quick_job_overtakes_a_long_one(worker: Worker) -> None:
    order: list[str] = []
    quick, long = Outcome(), Outcome()

    def steps() -> Generator[None, None, str]:
        for number in range(3):
            order.append(f"slice {number}")
            if number == 0:
                worker.submit(quick.job("quick", lambda: order.append("quick")))
            yield
        return "all"

    worker.submit(long.job("long", steps))
    assert long.value() == "all"
    assert quick.value() is None
    assert order == ["slice 0", "quick", "slice 1", "slice 2"]


def test_two_long_jobs_take_turns(worker: Worker, busy: Busy) -> None:
    order: list[str] = []

    def steps(name: str) -> Generator[None, None, None]:
        for _ in range(3):
            order.append(name)
            yield

    outcomes = [Outcome(), Outcome()]
    for name, outcome in zip("ab", outcomes, strict=True):
        worker.submit(outcome.job(name, partial(steps, name)))
    busy.release.set()
    for outcome in outcomes:
        outcome.value()
    assert order == ["a", "b", "a", "b", "a", "b"]


def _long(closed: threading.Event, during: Callable[[int], Any]) -> Callable[[], Any]:
    def steps() -> Generator[None, None, str]:
        try:
            for number in range(3):
                during(number)
                yield
        finally:
            closed.set()
        return "all"

    return steps


def test_a_long_job_is_superseded_between_its_slices(worker: Worker) -> None:
    closed, long, newer = threading.Event(), Outcome(), Outcome()
    slices: list[int] = []

    def during(number: int) -> None:
        slices.append(number)
        if number == 1:
            worker.submit(newer.job("x", lambda: "new"))

    worker.submit(long.job("x", _long(closed, during)))
    assert newer.value() == "new"
    assert isinstance(long.error(), Superseded)
    wait_for(closed)
    assert slices == [0, 1]


def test_a_long_job_is_cancelled_between_its_slices(worker: Worker) -> None:
    closed, long, after = threading.Event(), Outcome(), Outcome()
    slices: list[int] = []

    def during(number: int) -> None:
        slices.append(number)
        worker.cancel(lambda key: key == "x")

    worker.submit(long.job("x", _long(closed, during)))
    error = long.error()
    assert type(error) is Cancelled
    wait_for(closed)
    assert slices == [0]
    worker.submit(after.job("y", lambda: "after"))
    assert after.value() == "after"


def test_cancelling_stops_what_waits_and_what_runs(worker: Worker) -> None:
    running, waiting, other = Busy(worker, "x1"), Outcome(), Outcome()
    worker.submit(waiting.job("x2", lambda: 1))
    worker.submit(other.job("y", lambda: 2))
    worker.cancel(lambda key: str(key).startswith("x"))
    assert type(waiting.error()) is Cancelled
    running.release.set()
    assert other.value() == 2
    assert type(running.outcome.error()) is Cancelled


def test_a_job_that_raises_is_answered_and_the_next_one_runs(worker: Worker) -> None:
    bad, worse, long, good = (Outcome() for _ in range(4))

    def steps() -> Generator[None, None, None]:
        yield
        raise ValueError("between")

    def leave() -> None:
        raise SystemExit

    worker.submit(bad.job("a", lambda: 1 / 0))
    worker.submit(worse.job("b", leave))
    worker.submit(long.job("c", steps))
    worker.submit(good.job("d", lambda: "good"))
    assert isinstance(bad.error(), ZeroDivisionError)
    assert isinstance(worse.error(), SystemExit)
    assert str(long.error()) == "between"
    assert good.value() == "good"


def test_an_answer_that_cannot_be_given_becomes_an_error(worker: Worker) -> None:
    outcome, after = Outcome(), Outcome()
    job = outcome.job("x", lambda: "too large")

    def refuse(value: Any) -> None:
        raise RuntimeError(f"{value} to send")

    job.done = refuse
    worker.submit(job)
    assert str(outcome.error()) == "too large to send"
    broken = Outcome().job("y", lambda: 1 / 0)
    broken.failed = refuse
    worker.submit(broken)
    worker.submit(after.job("z", lambda: 1))
    assert after.value() == 1


def _note_thread(threads: list[threading.Thread]) -> None:
    threads.append(threading.current_thread())


def test_the_thread_ends_without_work_and_starts_again() -> None:
    worker = Worker("short-lived worker", _nothing, idle_s=0.001)
    for value in range(2):
        outcome = Outcome()
        threads: list[threading.Thread] = []
        worker.submit(outcome.job("x", partial(_note_thread, threads)))
        outcome.value()
        threads[0].join(LIMIT_S)
        assert not threads[0].is_alive(), value
        assert threads[0].daemon


def test_work_knows_its_token_and_nothing_is_left_behind(worker: Worker) -> None:
    inside, after = Outcome(), Outcome()
    worker.submit(inside.job("x", lambda: (current.token(), current.waits_for_cells())))
    token, waits_for_cells = inside.value()
    assert isinstance(token, CancelToken)
    assert waits_for_cells
    assert current.token() is None
    worker.submit(after.job("y", lambda: current.token() is token))
    assert after.value() is False


def test_the_first_reason_to_stop_is_the_one_that_counts() -> None:
    token = CancelToken()
    token.check()
    token.cancel(Superseded)
    token.cancel()
    assert token.cancelled
    with pytest.raises(Superseded):
        token.check()


def test_what_may_wait_steps_aside_for_a_request_and_is_done_after_it(worker: Worker) -> None:
    begun, again, asked = threading.Event(), threading.Event(), Outcome()
    order: list[str] = []

    def look() -> str:
        token = current.token()
        assert token is not None
        if not begun.is_set():
            begun.set()
            wait_until(lambda: token.cancelled)
            token.check()
        order.append("look")
        again.set()
        return "look"

    later = Outcome()
    worker.submit(replace(later.job("look", look), later=True))
    wait_for(begun)
    worker.submit(asked.job("click", lambda: order.append("click")))
    assert asked.answers()[0][0] == "done"
    wait_for(again)
    assert order == ["click", "look"]


def test_long_work_that_may_wait_lets_requests_go_first_and_answers_once(worker: Worker) -> None:
    order: list[str] = []
    kept: set[int] = set()
    asked, later = [Outcome(), Outcome()], Outcome()

    def steps() -> Generator[None, None, str]:
        for number in range(3):
            if number not in kept:
                kept.add(number)
                order.append(f"part {number}")
            if number < 2 and f"click {number}" not in order:
                click = partial(order.append, f"click {number}")
                worker.submit(asked[number].job(f"click {number}", click))
            yield
            current.check_cancelled()
        return "all"

    worker.submit(replace(later.job("names", steps), later=True))
    assert later.value() == "all"
    assert [outcome.value() for outcome in asked] == [None, None]
    assert order == ["part 0", "click 0", "part 1", "click 1", "part 2"]


def test_what_stepped_aside_and_was_dropped_meanwhile_does_not_come_back(worker: Worker) -> None:
    begun, later, asked = threading.Event(), Outcome(), Outcome()

    def look() -> None:
        token = current.token()
        assert token is not None
        begun.set()
        wait_until(lambda: token.cancelled)
        worker.cancel(lambda key: key == "look", Cancelled)
        token.check()

    worker.submit(replace(later.job("look", look), later=True))
    wait_for(begun)
    worker.submit(asked.job("click", lambda: 1))
    assert asked.value() == 1
    assert type(later.error()) is Cancelled


def test_what_may_wait_is_dropped_like_everything_else(worker: Worker) -> None:
    later = Outcome()
    worker.submit(replace(later.job("look", _nothing), later=True))
    worker.cancel(lambda key: key == "look")
    ((kind, error),) = later.answers()
    assert kind == "failed"
    assert isinstance(error, Cancelled)
