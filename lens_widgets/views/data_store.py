"""Stores of per-prompt values as views read them: opened once, and no more than is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from lens_widgets.analysis.stored.cells import (
    RECORD,
    Cell,
    Cells,
    Means,
    cells_of,
    means_by_cell,
    quantities_of,
)
from lens_widgets.data.store import FOLDER, per_prompt
from lens_widgets.errors import InputError, near
from lens_widgets.prompts.token_text import token_text, visible
from lens_widgets.session.session import Session

Array = np.ndarray[Any, np.dtype[Any]]

RUN = "lw.DataRun(make_model, dataset, quantities={...}, path=...).run()"

WHOLE_BYTES = 64 << 20
"""Quantities up to this size are read once where one cell takes as long as all."""

KEPT_STORES, KEPT_COLUMNS = 4, 24
"""What stays in memory: one number a record each, so that a click back costs nothing."""


class Stored:
    """One opened store. Values and texts are read when they are first asked for.

    ``expected``: how many records there will be once the run is done; None when it is.
    """

    def __init__(self, path: str, found: xr.Dataset, expected: int | None) -> None:
        self.path, self.found, self.expected = path, found, expected
        self.quantities = quantities_of(found)
        self._means: dict[str, Means] = {}

    @property
    def n_records(self) -> int:
        """The records whose values are stored."""
        return int(self.found.sizes[RECORD])

    @property
    def record(self) -> Int[Array, "record"]:
        """Each record's number in the data set."""
        return _whole(self, "record")

    @property
    def group(self) -> Sequence[str]:
        """Each record's group; "" for none."""
        return _whole(self, "group")

    def matching(self, find: str) -> Array | None:
        """Whether each record's prompt has this text in it, whatever the case; None: all."""
        if not find:
            return None
        wanted = find.casefold()
        texts = _whole(self, "prompt")
        return np.array([wanted in str(text).casefold() for text in texts], dtype=bool)

    def texts(self, name: str, rows: Int[Array, "row"]) -> list[str]:
        """A text of a few records, of which the others are not read."""
        return [str(text) for text in self.found[name].isel({RECORD: rows}).values.tolist()]

    def quantity(self, name: str | None) -> xr.DataArray:
        """A stored quantity, the first without a name; InputError where there is none."""
        if not self.quantities:
            raise InputError(f"path={self.path!r} has no values.", f"Fill it with {RUN}.")
        if name is not None and name not in self.quantities:
            known = ", ".join(self.quantities)
            hint = f"Stored: {known}. Compute it with {RUN.replace('...', f'{name!r}: ...', 1)}."
            raise InputError(
                f"quantity={name!r} is not stored.",
                f"{near(name, self.quantities)} {hint}".strip(),
            )
        return self.found[name or self.quantities[0]]

    def values(self, quantity: xr.DataArray, cell: Cell) -> Float[Array, "record"]:
        """One cell's value of every record, from the chunks that hold it."""
        return _column(self, str(quantity.name), cell)

    def means(self, quantity: xr.DataArray) -> Iterator[Means]:
        """Means by cell over all records, part by part; at once where they are known."""
        name = str(quantity.name)
        known = self._means.get(name)
        if known is not None:
            yield known
            return
        for found in means_by_cell(_quantity(self, name)):
            yield found
        self._means[name] = found


@lru_cache(maxsize=KEPT_COLUMNS)
def _column(stored: Stored, quantity: str, cell: Cell) -> Float[Array, "record"]:
    found = _quantity(stored, quantity)
    at = dict(zip(found.dims[1:], cell, strict=True))
    return found.isel(at).values.astype(np.float32)


@lru_cache(maxsize=2)
def _quantity(stored: Stored, name: str) -> xr.DataArray:
    """Lazily; where chunks hold all cells of a record, so that one takes as long as all, once."""
    found = stored.found[name]
    chunks = found.encoding.get("chunks") or ()
    together = found.ndim > 1 and tuple(chunks[1:]) == found.shape[1:]
    return found.load() if together and found.nbytes <= WHOLE_BYTES else found


@lru_cache(maxsize=KEPT_STORES * 3)
def _whole(stored: Stored, name: str) -> Any:
    values = stored.found[name].values
    return values if values.dtype.kind in "iu" else values.astype(object)


def opened(path: str) -> Stored:
    """The results at ``path``, as they are now; InputError where there are none."""
    return _opened(path, _stamp(path))


@lru_cache(maxsize=KEPT_STORES)
def _opened(path: str, stamp: Any) -> Stored:
    try:
        found = per_prompt(path)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"path={path!r} has no results that can be read: {error}", f"Write them: {RUN}."
        ) from error
    waiting = int(found.attrs["n_waiting"])
    return Stored(path, found, found.sizes[RECORD] + waiting if waiting else None)


def _stamp(path: str) -> Any:
    """What differs once a run has written more. Only folders: a page may say any path, and what
    names a host would be asked of the network."""
    folder = Path(path) / FOLDER
    if not folder.is_dir():
        raise InputError(f"path={path!r} holds no results.", f"Write some there: {RUN}.")
    # Each batch ends with the state of its records.
    written = [folder / "record" / "zarr.json", *sorted((folder / "state" / "c").glob("*"))]
    return tuple((each.name, each.stat().st_mtime_ns) for each in written if each.exists())


def find_cell(
    stored: Stored, quantity: xr.DataArray, cell: str | None, layer: int, head: int
) -> tuple[Cells, Cell, bool]:
    """The cell to show, and whether it is the selected head's.

    ``cell`` by name; without one the selected head, where the quantity has heads, and of what that
    leaves open the place of the largest mean magnitude.
    """
    cells = cells_of(quantity)
    if cell is not None:
        return cells, cells.parse(cell), False
    fixed = cells.of_head(layer, head)
    if fixed is not None and len(fixed) == len(cells.axes):
        return cells, tuple(fixed[axis] for axis in range(len(cells.axes))), True
    if not cells.axes:
        return cells, (), False
    *_, means = stored.means(quantity)
    return cells, means.largest(fixed), fixed is not None


def answer_of(text: str) -> Any:
    """A record's answers as ``Session`` takes them; None where it has none."""
    found = json.loads(text) if text else None
    return tuple(part for part in found if part) if found else None


def answer_text(session: Session, text: str) -> str:
    """Answers in words: "·Mary, not ·John"; several of one kind are joined by "or"."""
    found = answer_of(text)
    if found is None:
        return ""
    tokenizer = session.model.tokenizer

    def said(each: Any) -> str:
        if isinstance(each, list):
            return " or ".join(map(said, each))
        return token_text(tokenizer, each) if isinstance(each, int) else visible(each)

    return ", not ".join(map(said, found))
