"""How many threads torch uses in a sweep on a machine that others use too.

torch's threads wait for each other after every operation. Where another program has one of the
cores, all wait for the thread that does not get it, and a sweep takes many times as long. Fewer
threads then are quicker. How many cores a process gets shows in its CPU time beside the wall time;
which number of threads is the best shows in the work done with it, which is tried.

torch keeps the number three times: for each thread, for threads that are still to start, and for
the matrix library, which has one for the process. All three are put back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

WINDOW_S = 0.2
"""What is shorter than this tells little: schedulers give cores by hundredths of a second."""

STARVED = 0.75
"""A process that gets less than this share of the cores it has threads for may have too many. On a
quiet machine a sweep gets 0.8 to 0.9: not everything in it runs in several threads."""

BETTER = 1.1
"""By how much quicker more threads must be, to be worth taking from others."""

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
"""After a try that did not pay, how long until the next: twice as long each time."""


class Pace:
    """How many threads to use next, from what the last ones did. It starts with ``most``."""

    def __init__(self, most: int) -> None:
        self.most = self.threads = most
        self._work = self._cpu_s = self._wall_s = 0.0
        self._rate = 0.0
        self._tried_from: int | None = None
        self._fewer_in_s, self._fewer_wait_s = 0.0, FIRST_WAIT_S
        self._more_in_s, self._more_wait_s = 0.0, FIRST_WAIT_S

    def after(self, work: float, cpu_s: float, wall_s: float) -> int:
        """The number of threads from here on, after so much ``work``, in any unit."""
        self._work, self._cpu_s = self._work + work, self._cpu_s + cpu_s
        self._wall_s += wall_s
        if self._wall_s >= WINDOW_S:
            rate, cores = self._work / self._wall_s, self._cpu_s / self._wall_s
            self._fewer_in_s -= self._wall_s
            self._more_in_s -= self._wall_s
            self._work = self._cpu_s = self._wall_s = 0.0
            self._judge(rate)
            self._try(rate, cores)
        return self.threads

    def _judge(self, rate: float) -> None:
        """Goes back where the number that was tried did not pay."""
        before, self._tried_from = self._tried_from, None
        if before is None:
            return
        if before > self.threads:
            paid = rate * BETTER >= self._rate
            self._fewer_wait_s = FIRST_WAIT_S if paid else _longer(self._fewer_wait_s)
            self._fewer_in_s = 0.0 if paid else self._fewer_wait_s
            self._more_in_s = self._more_wait_s
        else:
            paid = rate >= self._rate * BETTER
            self._more_wait_s = FIRST_WAIT_S if paid else _longer(self._more_wait_s)
            self._more_in_s = self._more_wait_s
            self._fewer_in_s = 0.0
        if not paid:
            self.threads = before

    def _try(self, rate: float, cores: float) -> None:
        self._rate = rate
        now = self.threads
        if now > 1 and cores < STARVED * now and self._fewer_in_s <= 0:
            # Cores are given by turns to all who want them, so this many others want one.
            others = now * (self.most / max(cores, 1e-3) - 1)
            self._tried_from, self.threads = now, max(1, min(now - 1, round(self.most - others)))
        elif now < self.most and self._more_in_s <= 0:
            self._tried_from, self.threads = now, min(self.most, 2 * now)


def _longer(wait_s: float) -> float:
    return min(2 * wait_s, LONGEST_WAIT_S)


class SweepThreads:
    """The threads of one sweep, which goes on in several turns on the model. Unless it ``adapts``
    their number stays: with another the last bits of a sum can differ."""

    def __init__(self, adapts: bool = True) -> None:
        self._adapts = adapts
        self._pace: Pace | None = None

    @contextmanager
    def turn(self, device: torch.device) -> Iterator[BlockTimes | None]:
        """One turn, in the thread that computes; afterwards the numbers are as they were."""
        most = torch.get_num_threads()
        if not self._adapts or device.type != "cpu" or most == 1:
            yield None
            return
        if self._pace is None or self._pace.most != most:
            self._pace = Pace(most)
        with threads_put_back():
            _use(self._pace.threads)
            yield BlockTimes(self._pace)


class BlockTimes:
    """Sees how long blocks take, and sets the number of threads for the next."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._cpu_s, self._wall_s = time.process_time(), time.perf_counter()

    def block(self, work: float) -> None:
        """Said after a block of so much work."""
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        _use(self._pace.after(work, cpu_s - self._cpu_s, wall_s - self._wall_s))
        self._cpu_s, self._wall_s = cpu_s, wall_s


@contextmanager
def threads_put_back() -> Iterator[None]:
    """Afterwards this thread, later ones and the matrix library use as many threads as before."""
    own, common = torch.get_num_threads(), _in_new_thread()
    try:
        yield
    finally:
        if torch.get_num_threads() != own or _in_new_thread() != common:
            torch.set_num_threads(own)
            if common != own:
                # Said by another thread, it leaves this one's own number as it is.
                _in_new_thread(common)


def _use(threads: int) -> None:
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _in_new_thread(threads: int | None = None) -> int:
    """The number that threads begin with; sets it first, if told."""
    found: list[int] = []

    def body() -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        found.append(torch.get_num_threads())

    thread = threading.Thread(target=body, name="lens_widgets threads", daemon=True)
    thread.start()
    thread.join()
    return found[0]
