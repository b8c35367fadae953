"""Ties the pause of widget work to the cells of the running IPython kernel."""

from __future__ import annotations

import signal
import threading
from typing import Any

from lens_widgets.engine.access import stop_work
from lens_widgets.engine.cell_pause import CELL_PAUSE

_installed: set[int] = set()


def install_cell_pause(ipython: Any | None = None) -> None:
    """Ties ``CELL_PAUSE`` to the cells of the running IPython kernel; does nothing elsewhere.

    Called in the middle of a cell, it pauses for the rest of that cell: its end is
    announced to callbacks registered during it.
    """
    if ipython is None:
        ipython = _running_ipython()
    if ipython is None or id(ipython) in _installed:
        return
    _installed.add(id(ipython))

    def before_cell(_info: Any = None) -> None:
        CELL_PAUSE.begin()

    def after_cell(_result: Any = None) -> None:
        CELL_PAUSE.end()

    ipython.events.register("pre_run_cell", before_cell)
    ipython.events.register("post_run_cell", after_cell)
    if _inside_cell(ipython):
        CELL_PAUSE.begin()
        _stop_on_interrupt(ipython.kernel)


def _stop_on_interrupt(kernel: Any) -> None:
    """An interrupt of the kernel stops what views compute, while no cell runs.

    While one runs it is the cell's, as ipykernel has it: it puts Python's own handler in place for
    each message, and afterwards back what was there before. That is to ignore interrupts; a handler
    of somebody else's is left alone.
    """
    if getattr(kernel, "saved_sigint_handler", None) is signal.SIG_IGN:
        kernel.saved_sigint_handler = _interrupted


def _interrupted(_signal: int, _frame: Any) -> None:
    # In a thread of its own: what was going on here may hold one of the locks that this needs.
    threading.Thread(target=stop_work, name="lens_widgets interrupt", daemon=True).start()


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
