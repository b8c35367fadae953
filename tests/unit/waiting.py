"""Waiting for what other threads do: by conditions with a limit, never for a fixed time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from lens_widgets.engine.worker import Job

T = TypeVar("T")

LIMIT_S = 30.0


def wait_for(event: threading.Event) -> None:
    """Returns once ``event`` is set; fails after a while."""
    assert event.wait(LIMIT_S), "nothing happened in time"


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns once ``condition()`` holds, for what no event tells of; fails after a while."""
    pause, end = threading.Event(), time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "nothing happened in time"
        pause.wait(0.001)


class Outcome:
    """A job's answers, in order: ("done", value) or ("failed", error)."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._answers: list[tuple[str, Any]] = []
        self.waits: list[bool] = []

    def job(self, key: Any, work: Callable[[], Any]) -> Job:
        """A job that answers here."""
        return Job(key, work, self.done, self.failed, self.waits.append)

    def done(self, value: Any) -> None:
        self._add("done", value)

    def failed(self, error: BaseException) -> None:
        self._add("failed", error)

    def _add(self, kind: str, value: Any) -> None:
        with self._changed:
            self._answers.append((kind, value))
            self._changed.notify_all()

    def answers(self) -> list[tuple[str, Any]]:
        """All answers so far, after waiting for the first."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._answers), LIMIT_S), "no answer in time"
            return list(self._answers)

    def value(self) -> Any:
        """What the job gave; fails unless it is the only answer."""
        ((kind, value),) = self.answers()
        assert kind == "done", value
        return value

    def error(self) -> BaseException:
        """What the job failed with; fails unless it is the only answer."""
        ((kind, value),) = self.answers()
        assert kind == "failed", value
        assert isinstance(value, BaseException)
        return value


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    """Starts ``work`` beside the test."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def join(thread: threading.Thread) -> None:
    """Returns once ``thread`` has ended; fails after a while."""
    thread.join(LIMIT_S)
    assert not thread.is_alive(), "a thread did not end in time"
