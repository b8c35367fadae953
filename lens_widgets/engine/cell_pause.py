"""While a user's cell runs, no widget-triggered work touches the model.

A user's cell may call the model itself; hooks of ours on it at that moment would change its
numbers. So a worker's thread asks here before each of its turns on the model, and
``lens_widgets.jupyter.cells`` says when a cell begins and ends.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from lens_widgets.engine.locks import lock, nothing_held


class Preempted(Exception):
    """A cell began during a turn on the model: that ends at the next block and begins anew."""


class Watcher(Protocol):
    """Who is told of every cell's end."""

    def cell_ended(self) -> None:
        """Called in the cell's thread, with nothing held: returns at once."""


class CellPause:
    """Active while a cell runs. To begin it waits until the turn in progress has left the model.

    A condition and not a lock held by the cell: threads that a cell itself starts may use the
    model.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(lock("pause"))
        self._cell_runs = False
        self._turns = 0
        self._watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()
        self.cells = 0
        """How many cells have begun."""

    @property
    def active(self) -> bool:
        """Whether a cell runs."""
        return self._cell_runs

    def begin(self) -> None:
        """Called as a cell begins; returns once nobody has a turn on the model."""
        nothing_held("waiting for turns on the model to end")
        with self._changed:
            self._cell_runs = True
            self.cells += 1
            self._changed.wait_for(lambda: self._turns == 0)

    def end(self) -> None:
        """Called as a cell ends."""
        with self._changed:
            self._cell_runs = False
            self._changed.notify_all()
            watchers = list(self._watchers)
        for watcher in watchers:
            watcher.cell_ended()

    def watch(self, watcher: Watcher) -> None:
        """Tells ``watcher`` of every cell's end, for as long as somebody else holds it."""
        with self._changed:
            self._watchers.add(watcher)

    def wait_until_over(self, stop: Callable[[], bool]) -> None:
        """Returns once no cell runs, or ``stop()`` comes true."""
        nothing_held("waiting for a cell")
        with self._changed:
            self._changed.wait_for(lambda: not self._cell_runs or stop())

    def enter(self) -> bool:
        """Begins a turn on the model; False while a cell runs."""
        with self._changed:
            if self._cell_runs:
                return False
            self._turns += 1
            return True

    def leave(self) -> None:
        """Ends the turn."""
        with self._changed:
            self._turns -= 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Lets those who wait look at their ``stop`` again."""
        with self._changed:
            self._changed.notify_all()


CELL_PAUSE = CellPause()
"""One per process: a kernel runs one cell at a time."""
