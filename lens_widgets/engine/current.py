"""Which work runs in this thread: its cancel token, and whether it must wait while a cell runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lens_widgets.engine.cancel import CancelToken


class _Current(threading.local):
    token: CancelToken | None = None
    waits_for_cells: bool = False
    on_wait: Callable[[bool], None] | None = None
    on_model: bool = False
    call: object | None = None


_current = _Current()


def token() -> CancelToken | None:
    """The token of the work that runs in this thread, if any."""
    return _current.token


def waits_for_cells() -> bool:
    """Whether this thread's work was triggered by a widget."""
    return _current.waits_for_cells


@contextmanager
def working(
    cancel_token: CancelToken,
    *,
    waits_for_cells: bool,
    on_wait: Callable[[bool], None] | None = None,
    call: object | None = None,
) -> Iterator[None]:
    """Marks this thread as working under ``cancel_token`` for the length of the block.

    ``on_wait`` is told True when the work begins to wait for a cell, and False when it goes on.
    ``call`` is what ``call()`` gave in the thread of the user who waits for the work.
    """
    before = _current.token, _current.waits_for_cells, _current.on_wait, _current.call
    _current.token, _current.waits_for_cells, _current.on_wait, _current.call = (
        cancel_token,
        waits_for_cells,
        on_wait,
        call,
    )
    try:
        yield
    finally:
        _current.token, _current.waits_for_cells, _current.on_wait, _current.call = before


@contextmanager
def one_call() -> Iterator[None]:
    """Marks the length of the block as one call of a user's, in which no line of theirs runs."""
    before = _current.call
    _current.call = before or object()
    try:
        yield
    finally:
        _current.call = before


def call() -> object | None:
    """What is the same object for as long as no line of a user's runs in this thread: the call that
    it is in, or the work for a view."""
    return _current.token if _current.waits_for_cells else _current.call


def on_model() -> bool:
    """Whether this thread is in the middle of a turn on the model."""
    return _current.on_model


@contextmanager
def running_model() -> Iterator[None]:
    """Marks this thread as running the model for the length of the block."""
    _current.on_model = True
    try:
        yield
    finally:
        _current.on_model = False


def check_cancelled() -> None:
    """Raises when the work that runs in this thread was asked to stop."""
    if _current.token is not None:
        _current.token.check()


def waiting(waits: bool) -> None:
    """Tells whoever asked for this work that it waits for a cell, or goes on."""
    if _current.on_wait is not None:
        _current.on_wait(waits)
