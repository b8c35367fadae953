"""The two stages of a run: records are read and counted, then computed batch by batch.

After each step a line in the journal says that it is done. A run that ends in the middle of a step
does that step again, and gets the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal

from lens_widgets.data.journal import Journal
from lens_widgets.data.partition import batches, n_batches
from lens_widgets.data.pools import Finished, Pool, done, in_order
from lens_widgets.data.records import Record, Unusable
from lens_widgets.data.store import Store, writing
from lens_widgets.data.tasks import Batch, Computed, Prepare, Prepared, Task, Wanted
from lens_widgets.errors import InputError

RECORDS_AT_ONCE = 256

Chunk = list[Record | Unusable]


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        stage: ``"read"``, records are read and their tokens counted; or ``"compute"``.
        done: how many records are.
        total: of how many; None while they are read, as nobody knows yet.
    """

    stage: Literal["read", "compute"]
    done: int
    total: int | None


@dataclass(frozen=True)
class Work:
    """What both stages need: where things are kept, who computes, and who is told."""

    store: Store
    journal: Journal
    pool: Callable[[], Pool]
    progress: Callable[[Progress], object]
    stop_at_unusable: bool

    def note(self, line: dict[str, Any], aside: Sequence[Unusable]) -> None:
        """Writes a step down, with the records that it set aside."""
        listed = [[one.record, one.reason, one.message] for one in aside]
        with writing(self.journal.path):
            self.journal.add({**line, "aside": listed} if listed else line)

    def check(self, aside: Sequence[Unusable]) -> None:
        """InputError for the first record that cannot be used, where that was asked for."""
        if aside and self.stop_at_unusable:
            raise InputError(
                aside[0].message, 'on_unusable="set_aside" goes on without such records.'
            )

    def check_model(self, model: str) -> None:
        """InputError when this is another model than that of what is stored."""
        known = next((line["model"] for line in self.journal.lines() if "model" in line), None)
        if known is None:
            self.note({"model": model}, ())
        elif known != model:
            raise InputError(
                "make_model gives another model than the one that the stored values are of.",
                "It must load the same weights each time it is called, in every process.",
            )


def chunks(records: Iterator[Record | Unusable]) -> Iterator[Chunk]:
    """Records by the hundred."""
    while chunk := list(islice(records, RECORDS_AT_ONCE)):
        yield chunk


def read(work: Work, parts: Iterator[Chunk], wanted: Wanted) -> None:
    """Counts the tokens of all records and stores those that can be used.

    ``parts`` begin with the first record; what was read before is passed over.
    """
    steps = [line for line in work.journal.lines() if "read" in line]
    n_done, n_rows = len(steps), sum(line["rows"] for line in steps)
    finished = any("all_read" in line for line in work.journal.lines())
    del steps
    if finished:
        return
    work.store.keep_rows(n_rows)
    tasks = _Reading(islice(parts, n_done, None), n_done, wanted)
    models: set[str] = set()
    n_read = n_done * RECORDS_AT_ONCE
    for task, result in in_order(done(work.pool(), iter(tasks)), n_done):
        assert isinstance(task, Prepare)
        assert isinstance(result, Prepared)
        if result.model not in models:
            work.check_model(result.model)
            models.add(result.model)
        aside = [*tasks.broken.pop(task.number), *_unusable(result.lengths)]
        aside.sort(key=lambda one: one.record)
        work.check(aside)
        kept = [
            (record, length)
            for record, length in zip(task.records, result.lengths, strict=True)
            if isinstance(length, int)
        ]
        work.store.add([record for record, _ in kept], [length for _, length in kept])
        n_chunk = len(task.records) + len(aside) - len(_unusable(result.lengths))
        work.note({"read": n_chunk, "rows": len(kept)}, aside)
        n_read += n_chunk
        work.progress(Progress("read", n_read, None))
    work.note({"all_read": True}, ())


def _unusable(lengths: Sequence[int | Unusable]) -> list[Unusable]:
    return [one for one in lengths if isinstance(one, Unusable)]


class _Reading:
    """Chunks as tasks; what is no record at all stays here until its chunk is done."""

    def __init__(self, parts: Iterator[Chunk], first: int, wanted: Wanted) -> None:
        self._parts = parts
        self._first = first
        self._wanted = wanted
        self.broken: dict[int, list[Unusable]] = {}

    def __iter__(self) -> Iterator[Task]:
        for number, chunk in enumerate(self._parts, start=self._first):
            start = number * RECORDS_AT_ONCE
            self.broken[number] = [one for one in chunk if isinstance(one, Unusable)]
            records = [
                (index, one)
                for index, one in enumerate(chunk, start=start)
                if isinstance(one, Record)
            ]
            yield Prepare(number, self._wanted, records)


def compute(work: Work, wanted: Wanted, size: int | None) -> None:
    """Computes all batches that are not done. The first makes the arrays, so it goes alone."""
    store = work.store
    lengths = store.lengths()
    finished = {line["batch"] for line in work.journal.lines() if "batch" in line}
    if len(finished) == n_batches(lengths, size):
        return
    several = next((n for n, rows in batches(lengths, size) if len(rows) > 1), None)

    def tasks() -> Iterator[Task]:
        for number, rows in batches(lengths, size):
            if number not in finished:
                yield Batch(number, wanted, rows, store.records(rows), number == several)

    total = len(lengths)
    n_done = sum(len(rows) for number, rows in batches(lengths, size) if number in finished)
    models: set[str] = set()
    for task, result in _first_alone(work.pool(), tasks(), store):
        assert isinstance(task, Batch)
        assert isinstance(result, Computed)
        if result.model not in models:
            work.check_model(result.model)
            models.add(result.model)
        work.check(result.aside)
        kept = set(result.kept)
        aside = [row for i, row in enumerate(task.rows) if i not in kept]
        store.put([task.rows[i] for i in result.kept], result.values, aside)
        work.note({"batch": task.number}, result.aside)
        n_done += len(task.rows)
        work.progress(Progress("compute", n_done, total))


def _first_alone(pool: Pool, tasks: Iterator[Task], store: Store) -> Iterator[Finished]:
    """Tasks one by one until one has made the arrays, then as many as the pool takes."""
    for task in tasks:
        if store.has_arrays:
            yield from done(pool, chain([task], tasks))
            return
        yield from done(pool, iter([task]))
