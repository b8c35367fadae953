"""Replicas as actors of Ray, on this machine or on a cluster."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

from lens_widgets.data.extras import extra
from lens_widgets.data.pools import DEATHS, Finished, workers_died
from lens_widgets.data.replica import Replica
from lens_widgets.data.sending import packed
from lens_widgets.data.tasks import Recipe, Result, Task
from lens_widgets.errors import InputError

ANSWER_S = 10.0
"""So long a cluster may take to answer."""

HINT = 'Give the address that "ray start --head" prints, or leave it out for this machine.'

A_WORKER = 2
"""Tasks that an actor has: one that it does, and one that waits, so that it never does."""


class Host:
    """What runs in an actor: a replica of its own."""

    def __init__(self, recipe: bytes) -> None:
        self._replica = Replica(recipe)

    def do(self, task: Task) -> Result:
        """The result of a task."""
        return self._replica.do(task)


class RayActors:
    """``workers`` actors. One that dies is replaced, and its tasks are done again."""

    def __init__(self, recipe: Recipe, workers: int, address: str | None) -> None:
        self._ray = extra("ray", 'compute with engine="ray"')
        self._recipe = packed(recipe)
        self.limit = A_WORKER * workers
        self._own_cluster = not self._ray.is_initialized()
        if self._own_cluster:
            self._join(address, workers)
        self._tasks: dict[Any, tuple[int, Task]] = {}
        self._deaths = 0
        try:
            self._needs = self._resources(workers)
            self._actors = [self._actor() for _ in range(workers)]
        except BaseException:
            self._leave()
            raise

    def submit(self, task: Task) -> None:
        """Gives a task to the actor that has the fewest."""
        counts = [0] * len(self._actors)
        for actor, _ in self._tasks.values():
            counts[actor] += 1
        self._give(counts.index(min(counts)), task)

    def fetch(self) -> Finished:
        """Waits for one of the tasks."""
        while True:
            ready, _ = self._ray.wait(list(self._tasks), num_returns=1)
            actor, task = self._tasks[ready[0]]
            try:
                result = self._ray.get(ready[0])
            except self._ray.exceptions.RayActorError:
                self._replace(actor)
                continue
            del self._tasks[ready[0]]
            self._deaths = 0
            return task, result

    def close(self) -> None:
        """Ends the actors, and the cluster if it was started for them."""
        for actor in self._actors:
            self._ray.kill(actor)
        self._leave()

    def _leave(self) -> None:
        if self._own_cluster:
            self._ray.shutdown()

    def _give(self, actor: int, task: Task) -> None:
        self._tasks[self._actors[actor].do.remote(task)] = actor, task

    def _replace(self, actor: int) -> None:
        """A new actor in the place of one that died, with all of its tasks."""
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise workers_died(self._deaths)
        lost = [(ref, task) for ref, (of, task) in self._tasks.items() if of == actor]
        for ref, _ in lost:
            del self._tasks[ref]
        self._ray.kill(self._actors[actor])
        self._actors[actor] = self._actor()
        for _, task in lost:
            self._give(actor, task)

    def _actor(self) -> Any:
        return self._ray.remote(**self._needs)(Host).remote(self._recipe)

    def _join(self, address: str | None, workers: int) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address is not None:
            _check_answers(address)
            try:
                self._ray.init(address=address, **options)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise InputError(f"address={address!r} cannot be joined: {error}", HINT) from error
            return
        # More workers than cores are slow; without so many of Ray's they would wait for ever.
        cores = max(workers, os.cpu_count() or 1)
        self._ray.init(address="local", num_cpus=cores, include_dashboard=False, **options)

    def _resources(self, workers: int) -> dict[str, Any]:
        """A core and, where there are some, a GPU for each; InputError for more than there are."""
        there = self._ray.cluster_resources()
        cores, devices = there.get("CPU", 0), there.get("GPU", 0)
        if cores < workers:
            raise InputError(
                f"workers={workers}, and the Ray cluster has {cores:g} CPUs.",
                "Ask for fewer workers, or add nodes.",
            )
        if devices:
            return {"num_cpus": 1, "num_gpus": min(1.0, devices / workers)}
        return {"num_cpus": 1}


def _check_answers(address: str) -> None:
    """InputError unless a cluster answers: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"address={address!r} does not answer: {error}.", HINT) from error
    if address.startswith("ray://"):
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        answered = subprocess.run(command, capture_output=True, timeout=6 * ANSWER_S).returncode
    except subprocess.TimeoutExpired:
        answered = 1
    if answered:
        raise InputError(f"address={address!r} does not answer as a Ray cluster does.", HINT)
