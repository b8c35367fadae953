"""Answers to requests that came together leave together.

Every message costs the host some milliseconds, whatever is in it: the kernel announces that it is
busy and that it is idle, the page's host hands each on by itself. A click makes a dozen requests.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from lens_widgets.engine.locks import lock
from lens_widgets.wire.messages import MAX_REPLY_BYTES

HOLD_S = 0.012
"""An answer waits no longer than this for those of its companions."""

Message = dict[str, Any]
Send = Callable[[Message, list[bytes]], None]


class Together:
    """Sends what answers ``count`` requests: in one message, or in few where some take longer."""

    def __init__(self, send: Send, count: int) -> None:
        self._send = send
        self._lock = lock("messages")
        self._left = count
        self._held: list[tuple[Message, list[bytes]]] = []
        self._bytes = 0
        self._timer: threading.Timer | None = None

    def answer(self, message: Message, buffers: list[bytes], size: int = 0) -> None:
        """Takes the one answer to a request; ``size`` in bytes, 0 for one that is small."""
        with self._lock:
            early = self._taken() if self._bytes + size > MAX_REPLY_BYTES else []
            self._held.append((message, buffers))
            self._bytes += size
            self._left -= 1
            ready = self._taken() if self._left <= 0 else []
            if self._held and self._timer is None:
                self._timer = threading.Timer(HOLD_S, _overdue, (weakref.ref(self),))
                self._timer.daemon = True
                self._timer.start()
        self._send_all(early)
        self._send_all(ready)

    def unanswered(self) -> None:
        """One of the requests gets no answer: it came before."""
        with self._lock:
            self._left -= 1
            ready = self._taken() if self._left <= 0 else []
        self._send_all(ready)

    def overdue(self) -> None:
        """Sends what is there, however many of its companions are not."""
        with self._lock:
            ready = self._taken()
        self._send_all(ready)

    def _taken(self) -> list[tuple[Message, list[bytes]]]:
        held, self._held, self._bytes = self._held, [], 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return held

    def _send_all(self, answers: list[tuple[Message, list[bytes]]]) -> None:
        if len(answers) == 1:
            self._send(*answers[0])
        elif answers:
            messages = [message for message, _ in answers]
            counts = [len(buffers) for _, buffers in answers]
            together = {"kind": "batch", "messages": messages, "buffers": counts}
            self._send(together, [buffer for _, buffers in answers for buffer in buffers])


def _overdue(waiting: weakref.ref[Together]) -> None:
    """ipykernel keeps threads that have ended for a while: none may keep a view alive. As long as
    an answer is missing, its request holds what waits for it."""
    together = waiting()
    if together is not None:
        together.overdue()
