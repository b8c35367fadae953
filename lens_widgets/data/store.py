"""What is stored of each record, in one zarr group: written batch by batch, read lazily.

Rows are the records that can be used, in the order of the data set. A row of ``state`` says whether
its quantities are there; ``per_prompt`` shows those rows alone. Chunks are replaced whole or not at
all, so a process that is killed leaves nothing half written in a row that says it is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lens_widgets.data.extras import extra
from lens_widgets.data.records import Record
from lens_widgets.data.tasks import Numbers, Values
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

FOLDER = "values.zarr"
WAITING, DONE, ASIDE = 0, 1, 2
ROWS_A_CHUNK = 1024
CHUNK_BYTES = 1 << 20
_TEXTS = ("prompt", "corrupted", "answers", "group")


class Store:
    """The stored records of one run, for the one process that writes."""

    def __init__(self, path: Path) -> None:
        self._path = path / FOLDER
        self._zarr = extra("zarr", "store the values of each record")
        with writing(self._path):
            self._group = self._zarr.open_group(str(self._path), mode="a", zarr_format=3)

    # --- records ----------------------------------------------------------------------------

    @property
    def n_rows(self) -> int:
        """How many records can be used, of those that were read so far."""
        return int(self._group["record"].shape[0]) if "record" in self._group else 0

    def keep_rows(self, count: int) -> None:
        """Takes off what was appended after the first ``count`` rows: a step that was cut off."""
        for name in (*_TEXTS, "record", "n_tokens", "state"):
            if name in self._group and self._group[name].shape[0] > count:
                self._group[name].resize((count,))

    def add(self, records: Sequence[tuple[int, Record]], lengths: Sequence[int]) -> None:
        """Appends records, by their index in the data set, with their numbers of tokens."""
        columns: dict[str, Numbers] = {
            "prompt": _texts(record.prompt for _, record in records),
            "corrupted": _texts(record.corrupted or "" for _, record in records),
            "answers": _texts(record.answers_json for _, record in records),
            "group": _texts(record.group for _, record in records),
            "record": np.array([index for index, _ in records], dtype=np.int64),
            "n_tokens": np.array(lengths, dtype=np.int32),
            "state": np.full(len(records), WAITING, dtype=np.int8),
        }
        with writing(self._path):
            for name, values in columns.items():
                if name not in self._group:
                    self._group.create_array(
                        name,
                        shape=(0,),
                        chunks=(ROWS_A_CHUNK,),
                        dtype=str if name in _TEXTS else values.dtype,
                        dimension_names=["record"],
                    )
                self._group[name].append(values)

    def lengths(self) -> Numbers:
        """The number of tokens of each row."""
        return np.asarray(self._group["n_tokens"][:])

    def records(self, rows: Sequence[int]) -> list[tuple[int, Record]]:
        """The records of some rows, with their indices in the data set."""
        chosen = np.asarray(rows)
        prompts, corrupted, answers, groups, indices = (
            self._group[name].oindex[chosen].tolist() for name in (*_TEXTS, "record")
        )
        each = zip(indices, prompts, answers, corrupted, groups, strict=True)
        return [(index, Record.stored(*texts)) for index, *texts in each]

    # --- quantities -------------------------------------------------------------------------

    @property
    def has_arrays(self) -> bool:
        """Whether a batch has been stored, which made the arrays of all quantities."""
        return "metric" in self._group

    def put(self, rows: Sequence[int], values: dict[str, Values], aside: Sequence[int]) -> None:
        """Stores the quantities of ``rows``; rows ``aside`` have none.

        The first batch has the longest prompts, and so makes arrays that hold all others; a place
        that a shorter prompt does not have is NaN.
        """
        with writing(self._path):
            if rows:
                if not self.has_arrays:
                    self._create(values)
                chosen = np.asarray(rows)
                for name, found in values.items():
                    self._put(name, chosen, found)
                self._group["state"].oindex[chosen] = np.int8(DONE)
            if aside:
                self._group["state"].oindex[np.asarray(aside)] = np.int8(ASIDE)

    def _create(self, values: dict[str, Values]) -> None:
        """Makes all arrays, over those of an attempt that was cut off: an array that is there need
        not have its labels yet. ``metric``, the last one, says that all are."""
        labels: dict[str, Numbers] = {}
        for name, found in values.items():
            for dim, own in found.labels.items():
                if dim in (*_TEXTS, "record", "n_tokens", "state", "metric"):
                    raise InputError(
                        f"quantities[{name!r}] has a dim {dim!r}, which every record has already.",
                        "Rename it: lambda session: f(session).rename(...).",
                    )
                if labels.setdefault(dim, own).tolist() != own.tolist():
                    raise _other_labels(name, found)
        for dim, each in labels.items():
            texts = each.dtype.kind in "US"
            array = self._group.create_array(
                dim,
                shape=each.shape,
                chunks=(max(1, len(each)),),
                dtype=str if texts else each.dtype,
                dimension_names=[dim],
                overwrite=True,
            )
            array[:] = _texts(each) if texts else each
        for name, found in values.items():
            row = found.numbers.shape[1:]
            in_bytes = max(1, int(np.prod(row))) * found.numbers.dtype.itemsize
            chunk = max(1, min(ROWS_A_CHUNK, CHUNK_BYTES // in_bytes))
            self._group.create_array(
                name,
                shape=(self.n_rows, *row),
                chunks=(chunk, *(max(1, n) for n in row)),
                dtype=found.numbers.dtype,
                fill_value=float("nan"),
                dimension_names=["record", *found.dims],
                attributes=found.attrs,
                overwrite=True,
            )

    def _put(self, name: str, rows: Numbers, found: Values) -> None:
        array = self._group[name]
        sizes = found.numbers.shape[1:]
        dims = list(array.metadata.dimension_names[1:])
        fits = dims == list(found.dims) and all(
            n <= size and self._same_labels(dim, found.labels[dim])
            for dim, n, size in zip(found.dims, sizes, array.shape[1:], strict=True)
        )
        if not fits:
            raise _other_labels(name, found)
        padded = np.full((len(rows), *array.shape[1:]), np.nan, dtype=array.dtype)
        padded[(slice(None), *(slice(0, n) for n in sizes))] = found.numbers
        array.oindex[(rows, *(slice(None) for _ in sizes))] = padded

    def _same_labels(self, dim: str, labels: Numbers) -> bool:
        stored = np.asarray(self._group[dim][: len(labels)])
        return stored.tolist() == labels.tolist()


def per_prompt(path: str | os.PathLike[str]) -> xr.Dataset:
    """The stored values of each record of a data run, opened lazily, without a model.

    Args:
        path: where the run stores, as it was given to ``DataRun``.

    Returns:
        Dim record first, with the coordinates ``record``, the index in the data set, and ``group``.
        A variable for each quantity with its own dims behind, in its own units, NaN where a prompt
        has no such place; ``metric``, the metric without interventions, in the metric's units; and
        ``prompt``, ``corrupted`` ("" without one), ``answers`` (JSON: the correct and the wrong
        ones) and ``n_tokens``. Of a run that goes on, the records that are done; the attribute
        ``n_waiting`` says how many are not.

    Raises:
        InputError: nothing is stored there; ``zarr`` is not installed.
    """
    folder = Path(path) / FOLDER
    extra("zarr", "read the values of each record")
    if not folder.is_dir():
        raise InputError(
            f"path={str(path)!r} has no stored values.", "Give the path that a DataRun was given."
        )
    import xarray as xr

    try:
        stored = xr.open_zarr(str(folder), chunks=None, consolidated=False)
    except (FileNotFoundError, ValueError) as error:
        # Records are appended column by column: until all have them, none is there.
        raise _no_records(path) from error
    if "state" not in stored:
        raise _no_records(path)
    state = stored["state"].values
    stored = stored.drop_vars("state").set_coords("group")
    stored.attrs["n_waiting"] = int((state == WAITING).sum())
    if not (state == DONE).all():
        stored = stored.isel(record=np.flatnonzero(state == DONE))
    return stored


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """InputError where the system refuses to write; what was there before stays."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"path={str(path)!r} cannot be written: {error.strerror or error}.",
            "What was done is kept: make room, then run again with the same path.",
        ) from error


def _no_records(path: str | os.PathLike[str]) -> InputError:
    return InputError(
        f"path={str(path)!r} has no records yet.",
        "Run the DataRun; one that was stopped goes on with the same path.",
    )


def _other_labels(name: str, found: Values) -> InputError:
    sizes = dict(zip(found.dims, found.numbers.shape[1:], strict=True))
    return InputError(
        f"quantities[{name!r}] has dims {sizes} with other labels than what is stored already "
        "under these names.",
        "A dim must have the same labels in all records and all quantities of a run: rename it, or "
        "compute this quantity in a run of its own.",
    )


def _texts(values: Any) -> Numbers:
    return np.array([str(x) for x in values], dtype=object)
