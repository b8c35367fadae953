"""How much memory work takes, on the device or in the process."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import torch

from lens_widgets.engine import memory

_INTERVAL_S = 0.005


def resident_mb() -> float:
    """The process's memory, or the GPU's where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / 2**20
    return memory.resident_bytes() / 2**20


def peak_extra_mb(work: Callable[[], object]) -> float:
    """By how much memory grows at most while ``work`` runs."""
    gc.collect()
    # What was kept for later would hide what is taken.
    memory.give_back()
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
