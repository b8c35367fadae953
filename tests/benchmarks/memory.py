"""How much memory work takes, on the device or in the process."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

_INTERVAL_S = 0.005


def resident_mb() -> float:
    """The process's memory, or the GPU's where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / 2**20
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def give_back() -> None:
    """Gives memory that is free to the system: what was kept for later would hide what is taken."""
    gc.collect()
    # glibc alone has it.
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def peak_extra_mb(work: Callable[[], object]) -> float:
    """By how much memory grows at most while ``work`` runs."""
    give_back()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    start = peak = resident_mb()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(_INTERVAL_S):
            peak = max(peak, resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(peak, resident_mb()) - start
