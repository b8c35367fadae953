"""Who does the tasks of a run: this process, other processes, or actors of a Ray cluster."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Protocol

from lens_widgets.data.replica import Replica
from lens_widgets.data.tasks import Failed, Recipe, Result, Task
from lens_widgets.errors import InputError

DEATHS = 3
"""A worker may die so often without anything being done in between."""

Finished = tuple[Task, Result]


class Pool(Protocol):
    """Does tasks, in any order. A worker that dies is replaced and its task done again."""

    limit: int
    """How many tasks it takes before one has to be fetched."""

    def submit(self, task: Task) -> None:
        """Takes a task."""

    def fetch(self) -> Finished:
        """Waits for any of the tasks and returns it with its result."""

    def close(self) -> None:
        """Stops all work and lets go of the models."""


class InThisProcess:
    """One replica in this process: the simplest to look into with a debugger."""

    limit = 1

    def __init__(self, recipe: Recipe) -> None:
        self._replica = Replica(recipe)
        self._tasks: deque[Task] = deque()

    def submit(self, task: Task) -> None:
        """Takes a task."""
        self._tasks.append(task)

    def fetch(self) -> Finished:
        """Does the task that was taken first."""
        task = self._tasks.popleft()
        return task, self._replica.do(task)

    def close(self) -> None:
        """Nothing runs between two calls."""


def workers_died(times: int) -> InputError:
    """When workers die again and again, the reason lies in what they do."""
    return InputError(
        f"Workers died {times} times in a row, without a word.",
        "Mostly memory ran out: use fewer workers or a smaller batch_size. A script that is run as "
        'a file must start its run under if __name__ == "__main__". What was done is kept.',
    )


def done(pool: Pool, tasks: Iterator[Task]) -> Iterator[Finished]:
    """Tasks with their results as they are finished; a bounded number is under way at a time.

    Raises:
        InputError: a task failed, with what it said of its records.
    """
    under_way = 0
    for task in tasks:
        while under_way >= pool.limit:
            yield _succeeded(pool.fetch())
            under_way -= 1
        pool.submit(task)
        under_way += 1
    while under_way:
        yield _succeeded(pool.fetch())
        under_way -= 1


def in_order(finished: Iterator[Finished], first: int) -> Iterator[Finished]:
    """The same in the order of their numbers, which begin with ``first``."""
    early: dict[int, Finished] = {}
    for task, result in finished:
        early[task.number] = task, result
        while first in early:
            yield early.pop(first)
            first += 1


def _succeeded(finished: Finished) -> Finished:
    result = finished[1]
    if isinstance(result, Failed):
        kept = "What was done is kept." if result.kind == "task" else ""
        raise InputError(result.message, f"{result.hint} {kept}".strip())
    return finished
