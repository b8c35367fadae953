"""The cell gate: while a user's cell runs, no widget-triggered work touches the model.

A user's cell may call the model itself; hooks of ours on it at that moment would change its
numbers. So the worker asks the gate before every slice, and IPython's cell events close and open
it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Preempted(Exception):
    """A cell began while a slice ran: the slice stops at the next block and is run again later."""


class CellGate:
    """Open while no cell runs. Closing waits until the slice in flight has left the model.

    A condition and not a lock held by the cell: threads that a cell itself starts may use the
    model.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._closed = False
        self._slices = 0
        self.cells = 0
        """How many cells have begun."""

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Called as a cell begins; returns once no slice is on the model."""
        with self._changed:
            self._closed = True
            self.cells += 1
            self._changed.wait_for(lambda: self._slices == 0)

    def open(self) -> None:
        """Called as a cell ends."""
        with self._changed:
            self._closed = False
            self._changed.notify_all()

    def enter(self, stop: Callable[[], bool]) -> bool:
        """Waits for the gate and enters a slice; False when ``stop()`` came true first."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed or stop())
            if stop():
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


GATE = CellGate()
"""One per process: a kernel runs one cell at a time."""

_installed: set[int] = set()


def install_cell_gate(ipython: Any | None = None) -> None:
    """Ties ``GATE`` to the cells of the running IPython kernel; does nothing elsewhere.

    Called in the middle of a cell, it closes the gate for the rest of that cell: its end is
    announced to callbacks registered during it.
    """
    if ipython is None:
        ipython = _running_ipython()
    if ipython is None or id(ipython) in _installed:
        return
    _installed.add(id(ipython))

    def before_cell(_info: Any = None) -> None:
        GATE.close()

    def after_cell(_result: Any = None) -> None:
        GATE.open()

    ipython.events.register("pre_run_cell", before_cell)
    ipython.events.register("post_run_cell", after_cell)
    if _inside_cell(ipython):
        GATE.close()


def _running_ipython() -> Any | None:
    import sys

    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _inside_cell(ipython: Any) -> bool:
    kernel = getattr(ipython, "kernel", None)
    if kernel is None or threading.current_thread() is not threading.main_thread():
        return False
    parent = kernel.get_parent("shell") or {}
    return bool(parent.get("header", {}).get("msg_type") == "execute_request")
