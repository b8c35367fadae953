"""One worker thread per model. Newest request wins, quick requests overtake long ones."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from typing import Any

from lens_widgets.engine import current
from lens_widgets.engine.cancel import Cancelled, CancelToken, SteppedAside, Superseded
from lens_widgets.engine.locks import lock
from lens_widgets.engine.openmp import let_helpers_go

log = logging.getLogger(__name__)

Steps = Generator[None, None, Any]
"""Long work: a generator that yields between its parts, so that others get their turn."""


REST_S = 0.3
"""What may wait is done once nobody has asked for anything for so long."""


@dataclass
class Job:
    """``work`` returns the result, or a generator whose return value is the result.

    ``later``: it is done in a rest, part by part, and steps aside when somebody asks for something
    meanwhile. Then ``work`` begins anew in the next rest: what it found it keeps itself.
    """

    key: Hashable
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[BaseException], None]
    on_wait: Callable[[bool], None] | None = None
    later: bool = False
    token: CancelToken = field(default_factory=CancelToken)
    steps: Steps | None = None


class Worker:
    """Runs jobs one at a time, in order of arrival; a job that yields goes behind the waiting ones.

    A job submitted under the key of an earlier one supersedes it, whether it waits or runs. The
    thread is started by the first job and ends after ``idle_s`` without work.
    """

    def __init__(self, name: str, wake: Callable[[], None], idle_s: float = 30.0) -> None:
        self._name = name
        self._wake = wake
        self._idle_s = idle_s
        self._changed = threading.Condition(lock("worker"))
        self._waiting: OrderedDict[Hashable, Job] = OrderedDict()
        self._later: OrderedDict[Hashable, Job] = OrderedDict()
        self._running: Job | None = None
        self._thread: threading.Thread | None = None
        self._asked_s = time.monotonic()
        """When what was asked for last was done."""

    def submit(self, job: Job) -> None:
        """Queues ``job`` and returns at once."""
        with self._changed:
            queue, running = self._later if job.later else self._waiting, self._running
            replaced = queue.pop(job.key, None)
            if running is not None and running.key == job.key:
                running.token.cancel(Superseded)
            elif running is not None and running.later and not job.later:
                running.token.cancel(SteppedAside)
            queue[job.key] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        self._wake()
        if replaced is not None:
            replaced.token.cancel(Superseded)
            self._fail(replaced, Superseded())

    def cancel(
        self, matches: Callable[[Hashable], bool], reason: type[Cancelled] = Cancelled
    ) -> None:
        """Stops every waiting and running job whose key matches; they fail with ``reason``."""
        dropped: list[Job] = []
        with self._changed:
            for queue in (self._waiting, self._later):
                found = [job for key, job in queue.items() if matches(key)]
                for job in found:
                    del queue[job.key]
                dropped += found
            if self._running is not None and matches(self._running.key):
                self._running.token.cancel(reason)
        self._wake()
        for job in dropped:
            job.token.cancel(reason)
            self._fail(job, reason())

    def _loop(self) -> None:
        while True:
            if not self._waiting:
                let_helpers_go()
            with self._changed:
                job = self._running = self._next()
                if job is None:
                    self._thread = None
                    return
            unfinished = self._step(job)
            with self._changed:
                self._running = None
                if job.later:
                    if job.token.stepped_aside:
                        job.token = CancelToken()
                elif not unfinished:
                    self._asked_s = time.monotonic()
                queue = self._later if job.later else self._waiting
                requeue = unfinished and job.key not in queue
                if requeue:
                    queue[job.key] = job
            if unfinished and not requeue:
                self._finish_steps(job)
                self._fail(job, Superseded())
            # Or a closed view, its session and all of its runs would be held until the next job.
            del job

    def _next(self) -> Job | None:
        """The job whose turn it is, as soon as there is one; None after a long rest."""
        while not self._waiting:
            if self._later:
                rest_s = max(0.0, self._asked_s + REST_S - time.monotonic())
                asked = self._changed.wait_for(lambda: bool(self._waiting), rest_s)
                if not asked and self._later:
                    return self._later.popitem(last=False)[1]
            elif not self._changed.wait_for(lambda: self._waiting or self._later, self._idle_s):
                return None
        return self._waiting.popitem(last=False)[1]

    def _step(self, job: Job) -> bool:
        """Runs a job, or a long job's next part; True when there is more to do."""
        try:
            job.token.check()
            with current.working(job.token, waits_for_cells=True, on_wait=job.on_wait):
                if job.steps is None:
                    result = job.work()
                    if not isinstance(result, Generator):
                        job.done(result)
                        return False
                    job.steps = result
                try:
                    next(job.steps)
                except StopIteration as stop:
                    job.done(stop.value)
                    return False
            return True
        except BaseException as error:
            self._finish_steps(job)
            job.steps = None
            if isinstance(error, SteppedAside):
                return True
            self._fail(job, error)
            return False

    @staticmethod
    def _finish_steps(job: Job) -> None:
        if job.steps is not None:
            job.steps.close()

    @staticmethod
    def _fail(job: Job, error: BaseException) -> None:
        try:
            job.failed(error)
        except Exception:
            log.exception("could not report a failed request")
