"""While a user's cell runs, no widget-triggered work touches the model.

A user's cell may call the model itself; hooks of ours on it at that moment would change its
numbers. So the worker asks here before it enters the model; a cell's begin and end close and open
the way (``lens_widgets.jupyter.cells``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from lens_widgets.engine.locks import lock, nothing_held


class Preempted(Exception):
    """A cell began while a slice ran: the slice stops at the next block and is run again later."""


class CellPause:
    """Open while no cell runs. Closing waits until the slice in flight has left the model.

    A condition and not a lock held by the cell: threads that a cell itself starts may use the
    model.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(lock("pause"))
        self._closed = False
        self._slices = 0
        self.cells = 0
        """How many cells have begun."""

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Called as a cell begins; returns once no slice is on the model."""
        nothing_held("waiting for slices to leave the model")
        with self._changed:
            self._closed = True
            self.cells += 1
            self._changed.wait_for(lambda: self._slices == 0)

    def open(self) -> None:
        """Called as a cell ends."""
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def wait_open(self, stop: Callable[[], bool]) -> None:
        """Returns once no cell runs, or ``stop()`` comes true."""
        nothing_held("waiting for a cell")
        with self._changed:
            self._changed.wait_for(lambda: not self._closed or stop())

    def enter(self) -> bool:
        """Enters a slice, unless a cell runs."""
        with self._changed:
            if self._closed:
                return False
            self._slices += 1
            return True

    def leave(self) -> None:
        with self._changed:
            self._slices -= 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Lets waiting slices look at their ``stop`` again."""
        with self._changed:
            self._changed.notify_all()


CELL_PAUSE = CellPause()
"""One per process: a kernel runs one cell at a time."""
