"""From a message to exactly one answer.

Handlers may be called on any thread: they check the message, then either make a small change of
state at once, or queue the work and return. What the work gives is sent from the worker.
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import Any, Protocol

from lens_widgets.engine.cancel import Cancelled
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.engine.locks import lock
from lens_widgets.engine.memory import is_out_of_memory
from lens_widgets.errors import near, shown
from lens_widgets.wire.dataset import encode
from lens_widgets.wire.messages import (
    MAX_BATCH,
    MAX_INTEGER,
    MAX_PROGRESS_PER_SECOND,
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
    Batch,
    Cancel,
    FieldError,
    Request,
    Step,
    checked,
)
from lens_widgets.wire.together import Send, Together

log = logging.getLogger(__name__)


class OutOfMemory(RuntimeError):
    """What the device says of it is for programmers; this is for who sees the view."""

    message = "There is not enough memory for this."
    hint = "Use shorter or fewer prompts, free memory on the device, or load a smaller model."


MAX_NAME_CHARS = 200
REMEMBERED_IDS = 2_000
MAX_ERROR_CHARS = 2_000

CLIENT_MESSAGES: dict[str, type[Request] | type[Cancel]] = {"request": Request, "cancel": Cancel}


class Answering(Protocol):
    """What messages are answered from: a session, as far as that needs to know it."""

    def check_open(self) -> None:
        """Raises once it is closed."""

    def frozen(self) -> Any:
        """It as it is now, for a handler that reads."""

    def submit(
        self,
        key: tuple[Any, ...],
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        on_wait: Callable[[bool], None] | None = None,
        *,
        later: bool = False,
    ) -> None:
        """Queues work, or ``later`` has it done in a rest; the newest of each key wins."""

    def cancel(self, key: tuple[Any, ...]) -> None:
        """Stops the work whose key begins with ``key``."""


class Answerable(Protocol):
    """What a method is to the dispatcher.

    ``quick`` ones change state and run no model: they are answered in place. ``writes``: it gets
    the session itself; all others get it frozen, so that no number moves meanwhile. ``later``:
    nobody waits for it.
    """

    @property
    def quick(self) -> bool: ...
    @property
    def writes(self) -> bool: ...
    @property
    def later(self) -> bool: ...
    def check(self, args: Any) -> dict[str, Any]:
        """The arguments; FieldError names the one that does not fit."""

    def run(self, session: Any, args: dict[str, Any]) -> Any:
        """The dataset that answers, or a generator of ``Step`` that returns it."""


class Dispatcher:
    """Answers the messages of one widget."""

    def __init__(
        self, owner: str, session: Answering, methods: Mapping[str, Answerable], send: Send
    ) -> None:
        self._owner = owner
        self._session = session
        self._methods = methods
        self._send = _to_whoever_is_there(send)
        self._lock = lock("messages")
        self._seen: OrderedDict[str, tuple[dict[str, Any], list[bytes]] | None] = OrderedDict()
        """The answers to changes by id; None while something is done for it."""

    def receive(self, content: Any) -> None:
        """Handles one message from a view, or several that came as a batch.

        Never raises: every fault is answered or logged.
        """
        if not isinstance(content, dict) or content.get("kind") != "batch":
            self._receive(content, Together(self._send, 1))
            return
        try:
            messages = checked(Batch, content, "message").messages
            if len(messages) > MAX_BATCH:
                raise FieldError(f"message.messages has {len(messages)}; at most {MAX_BATCH}.")
        except Exception as error:
            _Request(content, self._send, Together(self._send, 1)).fail(error)
            return
        together = Together(self._send, len(messages))
        for message in messages:
            self._receive(message, together)

    def _receive(self, content: Any, together: Together) -> None:
        request = _Request(content, self._send, together)
        try:
            kind = content.get("kind") if isinstance(content, dict) else None
            if not isinstance(kind, str) or kind not in CLIENT_MESSAGES:
                raise FieldError(
                    f"message.kind={shown(kind)} is not known; it takes "
                    f"{', '.join(CLIENT_MESSAGES)}."
                )
            _check_size(content)
            message: Request | Cancel = checked(CLIENT_MESSAGES[kind], content, "message")
            if isinstance(message, Cancel):
                self._session.cancel((self._owner, message.slot))
                together.unanswered()
                return
            method = self._method(message.method)
            args = method.check(message.args)
            if self._repeated(message.id, together):
                return
            request.answered = partial(self._remember, message.id, method)
            self._session.check_open()
        except Exception as error:
            request.fail(error)
            return
        if method.quick:
            request.answer_with(lambda: method.run(self._session, args), self._session)
        else:
            self._queue(request, method, message.slot, args)

    def _repeated(self, identity: str, together: Together) -> bool:
        """Whether this very request came before: a page asks again when it hears nothing.

        What is being done is not begun again. What was answered is answered again, as a line that
        is cut swallows answers too: a change by what was said of it, since it must be made once; a
        question anew.
        """
        with self._lock:
            if identity not in self._seen:
                self._seen[identity] = None
                while len(self._seen) > REMEMBERED_IDS:
                    self._seen.popitem(last=False)
                return False
            answer = self._seen[identity]
        if answer is None:
            together.unanswered()
        else:
            together.answer(*answer)
        return True

    def _remember(
        self, identity: str, method: Answerable, answer: dict[str, Any], buffers: list[bytes]
    ) -> None:
        with self._lock:
            if method.quick or method.writes:
                self._seen[identity] = answer, buffers
            else:
                self._seen.pop(identity, None)

    def close(self) -> None:
        """Stops whatever the widget asked for and has not got yet."""
        self._session.cancel((self._owner,))

    def _method(self, name: str) -> Answerable:
        if name not in self._methods:
            hint = near(name[:MAX_NAME_CHARS], self._methods)
            raise FieldError(f"message.method={shown(name)} is not known.", hint)
        return self._methods[name]

    def _queue(
        self, request: _Request, method: Answerable, slot: str, args: dict[str, Any]
    ) -> None:
        def work() -> Any:
            session = self._session if method.writes else self._session.frozen()
            request.answers_of(session)
            outcome = method.run(session, args)
            return request.report(outcome) if isinstance(outcome, Generator) else outcome

        if CELL_PAUSE.active:
            request.waiting(True)
        self._session.submit(
            (self._owner, slot),
            work,
            request.reply,
            request.fail,
            request.waiting,
            later=method.later,
        )


def _to_whoever_is_there(send: Send) -> Send:
    """``send``, for a page that may have gone, or its kernel's sockets: then nobody is told."""

    def attempt(message: dict[str, Any], buffers: list[bytes]) -> None:
        try:
            send(message, buffers)
        except Exception:
            log.warning("could not send a %s", message["kind"], exc_info=True)

    return attempt


def _check_size(content: dict[str, Any]) -> None:
    """FieldError for a message that is too large, or whose names are."""
    for name in ("id", "slot"):
        value = content.get(name)
        if isinstance(value, str) and len(value) > MAX_NAME_CHARS:
            raise FieldError(
                f"message.{name} has {len(value)} characters; at most {MAX_NAME_CHARS} are taken."
            )
    try:
        size = len(json.dumps(content))
    except RecursionError:
        raise FieldError("message is nested too deeply.") from None
    if size > MAX_REQUEST_BYTES:
        raise FieldError(
            f"message has {size} bytes; at most {MAX_REQUEST_BYTES} are taken.",
            "Shorten the prompt.",
        )


def _cut(text: Any) -> str:
    """An error's text: it may quote what came, which may be long."""
    text = str(text)
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]}…"


def _name(value: Any) -> str:
    """An id or a slot to answer with; what cannot be one is not sent back."""
    return value if isinstance(value, str) and len(value) <= MAX_NAME_CHARS else ""


def _nobody(answer: dict[str, Any], buffers: list[bytes]) -> None:
    """Of a message that is no request of a known kind nothing is remembered."""


class _Request:
    """One request's answers: any progress, then exactly one reply or error."""

    def __init__(self, content: Any, send: Send, together: Together) -> None:
        fields = content if isinstance(content, dict) else {}
        seq = fields.get("seq")
        self._head = {
            "id": _name(fields.get("id")),
            "slot": _name(fields.get("slot")),
            "seq": seq if type(seq) is int and abs(seq) <= MAX_INTEGER else 0,
        }
        self._send = send
        self._answer = together.answer
        self.answered: Callable[[dict[str, Any], list[bytes]], None] = _nobody
        """Told of the reply or the error before it is sent."""
        self._last_progress = 0.0
        self._last_step = Step(0, 0, "")
        self._session: Any = None

    def answers_of(self, session: Any) -> None:
        """From here on the numbers are those of this session as it is."""
        self._session = session

    def answer_with(self, work: Callable[[], Any], session: Any) -> None:
        self.answers_of(session)
        try:
            self.reply(work())
        except Exception as error:
            self.fail(error)

    def reply(self, result: Any) -> None:
        packed, buffers = encode(result, MAX_REPLY_BYTES)
        # Arrays are made to fit by whoever packs them; the text beside them has the same room.
        sizes = sum(map(len, buffers)), len(json.dumps(packed, allow_nan=False))
        for size in sizes:
            if size > MAX_REPLY_BYTES:
                raise RuntimeError(f"a reply of {size} bytes exceeds {MAX_REPLY_BYTES}")
        revision = self._session.revision
        reply = {"kind": "reply", **self._head, "revision": revision, "result": packed}
        self.answered(reply, buffers)
        self._answer(reply, buffers, sum(sizes))

    def fail(self, error: BaseException) -> None:
        if not isinstance(error, (Cancelled, ValueError, RuntimeError)):
            log.error("request failed", exc_info=error)
        if isinstance(error, MemoryError) or (
            isinstance(error, RuntimeError) and is_out_of_memory(error)
        ):
            error = OutOfMemory(str(error))
        info = {
            "type": type(error).__name__,
            "message": _cut(getattr(error, "message", None) or str(error) or type(error).__name__),
            "hint": _cut(getattr(error, "hint", "")),
        }
        failure = {"kind": "error", **self._head, "error": info}
        self.answered(failure, [])
        self._answer(failure, [])

    def report(self, steps: Generator[Step, None, Any]) -> Generator[None, None, Any]:
        """Runs a long handler part by part, telling the view how far it is."""
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                return stop.value
            self._last_step = step
            self._progress("computing", throttle=True)
            yield

    def waiting(self, waits: bool) -> None:
        """Tells the view that a cell is running, or that it no longer waits for one."""
        self._progress("waiting" if waits else "computing", throttle=False)

    def _progress(self, state: str, throttle: bool) -> None:
        now = time.monotonic()
        if throttle and now - self._last_progress < 1 / MAX_PROGRESS_PER_SECOND:
            return
        self._last_progress = now
        step = self._last_step
        message: dict[str, Any] = {
            "kind": "progress",
            **self._head,
            "state": state,
            "done": step.done,
            "total": step.total,
            "label": step.label,
        }
        buffers: list[bytes] = []
        if step.partial is not None and throttle:
            partial, buffers = encode(step.partial, MAX_REPLY_BYTES)
            if sum(map(len, buffers)) <= MAX_REPLY_BYTES:
                message["partial"] = partial
            else:
                buffers = []
        self._send(message, buffers)
