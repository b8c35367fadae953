"""Quantities of the analysis over a data set: computed by replicas, stored by record, resumable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lens_widgets.data.dataset import Dataset
from lens_widgets.data.extras import extra
from lens_widgets.data.journal import Journal
from lens_widgets.data.plan import VERSION, check_same, read_plan, wanted_of, write_plan
from lens_widgets.data.pools import InThisProcess, Pool
from lens_widgets.data.processes import Processes
from lens_widgets.data.quantities import Quantity, check_quantities, described
from lens_widgets.data.ray_actors import RayActors
from lens_widgets.data.records import Record
from lens_widgets.data.set_aside import SetAside
from lens_widgets.data.stages import Chunk, Progress, Work, chunks, compute, read
from lens_widgets.data.statistics import Interval, summary
from lens_widgets.data.store import Store, per_prompt, writing
from lens_widgets.data.tasks import Recipe, Wanted, digest
from lens_widgets.errors import InputError, check_choice, first_few, shown
from lens_widgets.prompts.pairs import check_count
from lens_widgets.session.metrics import NAMES

if TYPE_CHECKING:
    import xarray as xr

JOURNAL = "journal.jsonl"


class DataRun:
    """Quantities of ``lw.analysis`` over all records of a data set, stored record by record.

    Records are read as a stream, prompts of one length are computed together, and each batch is
    stored as soon as it is known. A run that was stopped or killed goes on where it was when it is
    made again with the same path, and ends in the same bits; two workers give what one gives.
    Records that cannot be used are set aside, and the rest goes on.

    Args:
        make_model: a function without arguments that loads the model, the same one each time, such
            as ``functools.partial(lw.load_demo, "ioi")``. Workers call it, each for a replica.
        dataset: the records.
        quantities: functions of a session by name: those of ``lw.analysis``, or your own with one
            value a prompt. One that takes ``per_prompt`` or ``prompt`` is asked for each prompt.
        path: the folder where everything is stored.
        workers: how many replicas compute at a time.
        engine: ``"local"``, this process, or with several workers a process each, on a GPU each
            where there are some; ``"ray"``, actors of Ray.
        batch_size: how many prompts are computed together; by default as many as make 1,024 tokens.
        metric: as of ``lw.Session``, the same for all records; by default by the answers.
        prepend_bos: as of ``lw.Session``.
        threads: on a CPU, the threads of each worker. Another number can change the last bits.
        address: of a Ray cluster; by default one is started on this machine.
        on_unusable: ``"set_aside"``, or ``"raise"`` at the first record that cannot be used.
        progress: called with the ``stage``, and how many records are ``done`` of the ``total``.
        resamples: of the bootstrap intervals, 0 for none.
        confidence: what share of the resampled means the intervals hold.
        seed: of the resamples.

    Raises:
        InputError: an argument that cannot be used.

    Examples:
        >>> from functools import partial
        >>> rows = [{"prompt": p, "answers": a} for p, a in zip(*lw.prompts.ioi_prompts(8))]
        >>> run = lw.DataRun(
        ...     partial(lw.load_demo, "ioi"),
        ...     lw.Dataset.from_records(rows),
        ...     {"ablation": lw.analysis.ablation_sweep},
        ...     path="ioi_run",
        ... )
        >>> run.run()["ablation_sem"].dims
        ('layer', 'head')
    """

    def __init__(
        self,
        make_model: Callable[[], Any],
        dataset: Dataset,
        quantities: Mapping[str, Quantity],
        *,
        path: str | os.PathLike[str],
        workers: int = 1,
        engine: Literal["local", "ray"] = "local",
        batch_size: int | None = None,
        metric: Any = None,
        prepend_bos: bool | None = None,
        threads: int = 1,
        address: str | None = None,
        on_unusable: Literal["set_aside", "raise"] = "set_aside",
        progress: Callable[[Progress], object] | None = None,
        resamples: int = 1000,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        if not callable(make_model):
            raise InputError(
                f"make_model={shown(make_model)} is no function.",
                'Give one that loads the model: functools.partial(lw.load_demo, "ioi").',
            )
        if not isinstance(dataset, Dataset):
            raise InputError(
                f"dataset={shown(dataset)} is no lw.Dataset.",
                "Make one with lw.Dataset.from_records, from_jsonl, from_parquet or from_hf.",
            )
        check_count("workers", workers, 1)
        check_count("threads", threads, 1)
        check_choice("engine", engine, ("local", "ray"))
        check_choice("on_unusable", on_unusable, ("set_aside", "raise"))
        if batch_size is not None:
            check_count("batch_size", batch_size, 1)
        if metric is not None and not callable(metric):
            check_choice("metric", metric, NAMES)
        self._path = Path(path)
        self._dataset = dataset
        self._recipe: Recipe | None = Recipe(
            make_model, check_quantities(quantities), metric, prepend_bos, threads
        )
        self._engine, self._workers, self._address = engine, workers, address
        self._batch_size = batch_size
        self._stop = on_unusable == "raise"
        self._progress = progress or (lambda progress: None)
        self._interval = _interval(resamples, confidence, seed)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        resamples: int = 1000,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> DataRun:
        """What a run has stored, without a model; ``summary``, ``per_prompt``, ``set_aside`` work.

        Args:
            path: the run's folder.
            resamples: of the bootstrap intervals, 0 for none.
            confidence: what share of the resampled means the intervals hold.
            seed: of the resamples.

        Returns:
            A run that cannot go on.

        Raises:
            InputError: there is no run.
        """
        folder = Path(path)
        if read_plan(folder) is None:
            raise InputError(
                f"path={str(path)!r} holds no run.", "Give the path that a DataRun was given."
            )
        run: DataRun = cls.__new__(cls)
        run._path, run._recipe = folder, None
        run._interval = _interval(resamples, confidence, seed)
        return run

    def run(self) -> xr.Dataset:
        """Computes what is not done yet, and returns the summary of everything.

        Returns:
            As of ``summary``: means with the dims and units of the quantities.

        Raises:
            InputError: no record can be used; the path holds another run, or cannot be written; a
                quantity, or the recipe of the model, fails; Ray does not answer. It names the
                records, and what was done is kept.
        """
        recipe = self._recipe
        if recipe is None:
            raise InputError(
                "This run was opened from its folder, without a model.",
                "summary() gives its means; to go on, make a DataRun with the same arguments.",
            )
        with writing(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
        with self._locked(), self._pools(recipe) as pool:
            parts = chunks(iter(self._dataset))
            first = next(parts, [])
            wanted = self._planned(recipe, first)
            journal = Journal(self._path / JOURNAL)
            journal.mend()
            work = Work(Store(self._path), journal, pool, self._progress, self._stop)
            read(work, chain([first], parts), wanted)
            if not work.store.n_rows:
                raise self._none_usable()
            compute(work, wanted, self._batch_size)
        return self.summary()

    def summary(self) -> xr.Dataset:
        """Means over the records that are done.

        Returns:
            For each quantity its mean, with the same name, dims and units; ``<name>_sem``, the
            standard error over records; ``<name>_low`` and ``<name>_high``, a bootstrap interval;
            ``<name>_n``, how many records have a value. With groups, the same by group, as
            ``<name>_by_group``, ``<name>_by_group_sem`` and so on, group as the first dim.

        Raises:
            InputError: nothing is stored yet.
        """
        return summary(self.per_prompt, self._interval)

    @property
    def path(self) -> Path:
        """The folder where everything is stored: what ``lw.DataView`` is given."""
        return self._path

    @property
    def per_prompt(self) -> xr.Dataset:
        """The stored values of each record, opened lazily: as of ``lens_widgets.data.per_prompt``,
        dims [record, ...]."""
        return per_prompt(self._path)

    @property
    def set_aside(self) -> SetAside:
        """The records that could not be used: iterate for each one's index ``record``, ``reason``
        and ``message``; ``counts`` has their number by reason."""
        return SetAside(Journal(self._path / JOURNAL))

    # --- parts of a run ---------------------------------------------------------------------

    def _planned(self, recipe: Recipe, first: Chunk) -> Wanted:
        """Writes down what this run is, or checks that the folder holds the same one."""
        record = next((one for one in first if isinstance(one, Record)), None)
        if record is None:
            why = first_few((str(getattr(one, "message", one)) for one in first), " ", limit=1)
            raise InputError(
                f"dataset: none of the first {len(first)} records can be used. {why}".strip(),
                "Give records with a prompt; columns= says which column is which.",
            )
        wanted = wanted_of(recipe.metric, record)
        metric = recipe.metric
        given = {
            "version": VERSION,
            "quantities": {name: described(f) for name, f in recipe.quantities.items()},
            "metric": described(metric) if callable(metric) else metric,
            "prepend_bos": recipe.prepend_bos,
            "batch_size": self._batch_size,
            "threads": recipe.threads,
            "first_records": digest([repr(one) for one in first]),
        }
        stored = read_plan(self._path)
        if stored is None:
            write_plan(self._path, given)
        else:
            check_same(self._path, stored, given)
        return wanted

    def _none_usable(self) -> InputError:
        aside = self.set_aside
        example = next(iter(aside))
        return InputError(
            f"dataset: none of its {len(aside)} records can be used. {example.message}",
            "run.set_aside lists all of them, and run.set_aside.counts counts the reasons.",
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        filelock = extra("filelock", "keep two runs from writing to one folder")
        with writing(self._path):
            lock = filelock.FileLock(str(self._path / "lock"))
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                raise InputError(
                    f"path={str(self._path)!r} is being written by another run.",
                    "Wait until it is done, stop it, or give another path.",
                ) from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _pools(self, recipe: Recipe) -> Iterator[Callable[[], Pool]]:
        """Gives the pool, which is started when it is first needed and closed at the end."""
        started: list[Pool] = []

        def pool() -> Pool:
            if not started:
                started.append(self._start(recipe))
            return started[0]

        try:
            yield pool
        finally:
            for one in started:
                one.close()

    def _start(self, recipe: Recipe) -> Pool:
        if self._engine == "ray":
            return RayActors(recipe, self._workers, self._address)
        return Processes(recipe, self._workers) if self._workers > 1 else InThisProcess(recipe)


def _interval(resamples: int, confidence: float, seed: int) -> Interval:
    check_count("resamples", resamples, 0)
    check_count("seed", seed, 0)
    if not isinstance(confidence, float) or not 0 < confidence < 1:
        raise InputError(f"confidence={shown(confidence)} is no share.", "For example 0.95.")
    return Interval(resamples, confidence, seed)
