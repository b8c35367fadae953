"""One copy of the model, and what it is asked: tokens of records, quantities of batches."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from lens_widgets.data.quantities import check_alone, of_each_prompt
from lens_widgets.data.records import Record, Unusable
from lens_widgets.data.sending import unpacked
from lens_widgets.data.tasks import (
    Batch,
    Computed,
    Failed,
    Prepare,
    Prepared,
    Recipe,
    Result,
    Task,
    Values,
    Wanted,
    digest,
)
from lens_widgets.engine.repeatable import repeatable, threads_of_torch
from lens_widgets.errors import InputError, UnusableError
from lens_widgets.prompts.prompt_set import make_prompt_set
from lens_widgets.session.fingerprint import fingerprint
from lens_widgets.session.fitness import check_model
from lens_widgets.session.session import Session

Indexed = tuple[int, Record]

COLLECT_EVERY = 8
"""Batches. Sessions are circles of references, which Python looks for so seldom where there are
many objects that those of a long run would pile up."""


class Replica:
    """A model made by a recipe; what it answers is data, failures included.

    In a worker the recipe is what the driver ``packed``.
    """

    def __init__(self, recipe: Recipe | bytes) -> None:
        found = unpacked(recipe) if isinstance(recipe, bytes) else recipe
        self._unread = found if isinstance(found, Failed) else None
        if isinstance(found, Recipe):
            self._recipe = found
        self._model: Any = None
        self._digest = ""
        self._computed_batches = 0

    def do(self, task: Task) -> Result:
        """The result of a task. The model is made for the first one."""
        if self._unread is not None:
            return self._unread
        with threads_of_torch(self._recipe.threads), repeatable():
            if self._model is None:
                try:
                    model = self._recipe.make_model()
                    check_model(model)
                    self._digest = digest(fingerprint(model))
                    self._model = model
                except Exception as error:
                    return Failed("recipe", f"make_model fails: {_said(error)}", _hint(error))
            try:
                return self._prepared(task) if isinstance(task, Prepare) else self._computed(task)
            except Exception as error:
                named = ", ".join(str(index) for index, _ in task.records[:5])
                more = ", …" if len(task.records) > 5 else ""
                message = f"Records {named}{more}: {_said(error)}"
                return Failed("task", message, _hint(error))

    # --- tokens -----------------------------------------------------------------------------

    def _prepared(self, task: Prepare) -> Prepared:
        lengths = [self._length(index, record, task.wanted) for index, record in task.records]
        return Prepared(self._digest, lengths)

    def _length(self, index: int, record: Record, wanted: Wanted) -> int | Unusable:
        for needed, there, reason in (
            (wanted.answers, bool(record.correct), "no answers"),
            (wanted.wrong, bool(record.wrong), "no wrong answers"),
            (wanted.corrupted, record.corrupted is not None, "no corrupted prompt"),
        ):
            if needed and not there:
                return Unusable(index, reason, f"Record {index} has {reason}.")
        try:
            prompts = make_prompt_set(
                self._model, **_given([record], wanted), prepend_bos=self._recipe.prepend_bos
            )
        except InputError as error:
            reason = error.reason if isinstance(error, UnusableError) else "not usable"
            return Unusable(index, reason, _of_record(index, error))
        return int(prompts.lengths[0])

    # --- quantities -------------------------------------------------------------------------

    def _computed(self, batch: Batch) -> Computed:
        kept = list(range(len(batch.records)))
        aside: list[Unusable] = []
        try:
            session = self._session(batch, kept)
        except InputError:
            kept, aside = self._one_by_one(batch)
            if not aside:
                # No record is to blame.
                raise
            if not kept:
                return Computed(self._digest, [], {}, aside)
            session = self._session(batch, kept)
        try:
            values = {name: self._of(name, session) for name in self._recipe.quantities}
            # Last: where it is stored, all are.
            values["metric"] = _metric(session)
            if batch.checked and len(kept) > 1:
                self._check_alone(batch, kept[0], values)
        finally:
            session.close()
        self._computed_batches += 1
        if self._computed_batches % COLLECT_EVERY == 0:
            del session
            gc.collect()
        return Computed(self._digest, kept, {k: _as_data(v) for k, v in values.items()}, aside)

    def _session(self, batch: Batch, kept: Sequence[int]) -> Session:
        given = _given([batch.records[i][1] for i in kept], batch.wanted)
        recipe = self._recipe
        return Session(self._model, **given, metric=recipe.metric, prepend_bos=recipe.prepend_bos)

    def _one_by_one(self, batch: Batch) -> tuple[list[int], list[Unusable]]:
        """Which records of a batch a session takes, and why not the others."""
        kept, aside = [], []
        for i, (index, _) in enumerate(batch.records):
            try:
                self._session(batch, [i]).close()
            except InputError as error:
                reason = error.reason if isinstance(error, UnusableError) else "refused"
                aside.append(Unusable(index, reason, _of_record(index, error)))
            else:
                kept.append(i)
        return kept, aside

    def _of(self, name: str, session: Session) -> xr.DataArray:
        try:
            return of_each_prompt(name, self._recipe.quantities[name], session)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"quantities[{name!r}] fails: {_said(error)}", "Try it on a session by itself."
            ) from error

    def _check_alone(self, batch: Batch, first: int, together: dict[str, xr.DataArray]) -> None:
        session = self._session(batch, [first])
        try:
            full = session.facts.dtype in ("float32", "float64")
            for name in self._recipe.quantities:
                check_alone(name, together[name], self._of(name, session), full)
        finally:
            session.close()


def _given(records: Sequence[Record], wanted: Wanted) -> dict[str, Any]:
    """What a session or a prompt set takes of these records."""
    given: dict[str, Any] = {"prompts": [record.prompt for record in records]}
    if wanted.answers:
        given["answers"] = [
            (list(record.correct), list(record.wrong) if wanted.wrong else []) for record in records
        ]
    if wanted.corrupted:
        given["corrupted"] = [record.corrupted for record in records]
    return given


def _metric(session: Session) -> xr.DataArray:
    values = session.baseline.detach().float().cpu().numpy()
    attrs = {
        "units": session.metric.units,
        "metric": session.metric.name,
        "definition": f"{session.metric.label} without interventions",
    }
    return xr.DataArray(values, dims=("prompt",), attrs=attrs)


def _as_data(array: xr.DataArray) -> Values:
    numbers = np.asarray(array.values)
    if numbers.dtype.kind not in "biuf":
        raise InputError(f"A quantity holds {numbers.dtype}, and only numbers can be stored.")
    dims = tuple(map(str, array.dims[1:]))
    labels = {}
    for dim in dims:
        if dim in array.coords and array.coords[dim].dtype.kind != "O":
            labels[dim] = np.asarray(array.coords[dim].values)
        elif dim in array.coords:
            labels[dim] = np.array([str(x) for x in array.coords[dim].values])
        else:
            labels[dim] = np.arange(array.sizes[dim])
    kind = np.float64 if numbers.dtype.itemsize > 4 else np.float32
    return Values(numbers.astype(kind), dims, labels, array.attrs)


def _of_record(index: int, error: InputError) -> str:
    """An error about the only prompt there was, about record ``index``."""
    text = str(error)
    for argument in ("prompts", "corrupted", "answers"):
        text = text.replace(
            f"{argument}[0]", argument.removesuffix("s") if argument == "prompts" else argument
        )
    return f"Record {index}: {text}"


def _said(error: Exception) -> str:
    if isinstance(error, InputError):
        return error.message
    return f"{type(error).__name__}: {error}."


def _hint(error: Exception) -> str:
    return error.hint if isinstance(error, InputError) else ""
