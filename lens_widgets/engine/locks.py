"""Locks by name, and a watch over the order in which threads take them.

The order and the reasons for it are written in ``engine.access``. With ``LENS_WIDGETS_WATCH_LOCKS``
in the environment, as in the tests, every lock notes who holds it: taking locks in another order,
or waiting for the model with one held, raises there and then and is remembered in ``violations``.
Without it a named lock is one of ``threading``.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

WATCHED = bool(os.environ.get("LENS_WIDGETS_WATCH_LOCKS"))

ORDER = ("model", "session", "runs", "trace", "pause", "worker", "messages", "registry")
"""A thread that holds one of these may take a later one, never an earlier one or another of its
kind."""

_NEEDS_NOTHING_HELD = "model"

violations: list[str] = []
"""What was done against the order while locks were watched."""


class LockOrderError(RuntimeError):
    """A lock was taken, or the model waited for, in a way that can end in a deadlock."""


class _Held(threading.local):
    def __init__(self) -> None:
        self.locks: list[_WatchedLock] = []


_held = _Held()


class _WatchedLock:
    """A lock that knows its holders' other locks."""

    def __init__(self, name: str, inner: Any, *, reentrant: bool) -> None:
        self._name = name
        self._inner = inner
        self._reentrant = reentrant

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        # A thread that only tries cannot be kept waiting.
        if blocking:
            self._check()
        taken: bool = self._inner.acquire(blocking, timeout)
        if taken:
            _held.locks.append(self)
        return taken

    def release(self) -> None:
        _held.locks.remove(self)
        self._inner.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        """As ``threading.Condition`` asks it of a lock."""
        return any(lock is self for lock in _held.locks)

    def _check(self) -> None:
        if self._reentrant and self._is_owned():
            return
        if self._name == _NEEDS_NOTHING_HELD:
            nothing_held("taking the model")
        latest = max((ORDER.index(lock._name) for lock in _held.locks), default=-1)
        if ORDER.index(self._name) <= latest:
            _violated(f"taking {self._name!r} while holding {_names()}")


def lock(name: str, *, reentrant: bool = False) -> Any:
    """A lock of the kind ``name``, one of ``ORDER``."""
    if name not in ORDER:
        raise ValueError(f"{name!r} is not one of {ORDER}")
    inner = threading.RLock() if reentrant else threading.Lock()
    return _WatchedLock(name, inner, reentrant=reentrant) if WATCHED else inner


def nothing_held(doing: str) -> None:
    """Called wherever a thread may have to wait for the model or for a cell to end."""
    if _held.locks:
        _violated(f"{doing} while holding {_names()}")


def _names() -> str:
    return ", ".join(repr(lock._name) for lock in _held.locks)


def _violated(what: str) -> None:
    what = f"{threading.current_thread().name}: {what}"
    violations.append(what)
    log.error("locks: %s", what, stack_info=True)
    raise LockOrderError(what)


class StateLock:
    """The lock of state that others observe: they are told once it is released.

    An observer is somebody else's code and may ask for a run, which can take until a cell ends.
    What it is told of is then already there, and newer changes may be too.
    """

    def __init__(self, name: str) -> None:
        self._lock = lock(name, reentrant=True)
        self._pending: list[Callable[[], None]] = []

    @property
    def held(self) -> bool:
        """Whether this thread holds it."""
        owned: bool = self._lock._is_owned()
        return owned

    def when_released(self, tell: Callable[[], None]) -> None:
        """Calls ``tell`` when this thread lets go of the lock; at once if it does not hold it."""
        if self.held:
            self._pending.append(tell)
        else:
            tell()

    def __enter__(self) -> None:
        self._lock.__enter__()

    def __exit__(self, *_error: object) -> None:
        pending, self._pending = self._pending, []
        self._lock.release()
        if self.held:
            # An inner one of several: it is still this thread's.
            self._pending = pending
            return
        first: BaseException | None = None
        for tell in pending:
            try:
                tell()
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first
