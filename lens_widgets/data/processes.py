"""Replicas in processes of this machine, each on a GPU of its own where there are some."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from lens_widgets.data.pools import DEATHS, Finished, workers_died
from lens_widgets.data.replica import Replica
from lens_widgets.data.sending import packed
from lens_widgets.data.tasks import Recipe, Result, Task

_replica: Replica | None = None


class Processes:
    """``workers`` processes with a replica each. All begin anew when one dies."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        self.limit = 2 * workers
        self._workers = workers
        self._recipe = packed(recipe)
        self._context = multiprocessing.get_context("spawn")
        self._tasks: dict[Future[Result], Task] = {}
        self._deaths = 0
        self._executor = self._started()

    def submit(self, task: Task) -> None:
        """Takes a task."""
        try:
            self._tasks[self._executor.submit(_do, task)] = task
        except BrokenProcessPool:
            self._begin_anew()
            self.submit(task)

    def fetch(self) -> Finished:
        """Waits for one of the tasks."""
        while True:
            future = next(iter(wait(self._tasks, return_when=FIRST_COMPLETED).done))
            try:
                result = future.result()
            except BrokenProcessPool:
                self._begin_anew()
                continue
            self._deaths = 0
            return self._tasks.pop(future), result

    def close(self) -> None:
        """Ends the processes, whatever they do."""
        processes = list((getattr(self._executor, "_processes", None) or {}).values())
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    def _started(self) -> ProcessPoolExecutor:
        number = self._context.Value("i", 0)
        return ProcessPoolExecutor(
            self._workers, self._context, initializer=_begin, initargs=(self._recipe, number)
        )

    def _begin_anew(self) -> None:
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise workers_died(self._deaths)
        tasks = list(self._tasks.values())
        self._tasks.clear()
        self.close()
        self._executor = self._started()
        for task in tasks:
            self.submit(task)


def _begin(recipe: bytes, number: Any) -> None:
    """In a new process, before its first task."""
    global _replica
    with number.get_lock():
        own = number.value
        number.value += 1
    import torch

    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = devices.split(",") if devices else [str(i) for i in range(torch.cuda.device_count())]
    if names:
        # Read when CUDA is first used, which is when the model is loaded.
        os.environ["CUDA_VISIBLE_DEVICES"] = names[own % len(names)]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _replica = Replica(recipe)


def _end_with_parent() -> None:
    """A run that is killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(task: Task) -> Result:
    assert _replica is not None
    return _replica.do(task)
