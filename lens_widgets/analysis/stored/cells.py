"""Cells of a stored quantity: a head, a neuron, a direction, by name and by index.

A quantity is a variable of a store of per-prompt values, with dims ``("record", ...)``; the others
are its own, and one index along each of them is a cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float

from lens_widgets.errors import InputError

RECORD = "record"
OF_RECORDS = ("prompt", "corrupted", "answers", "n_tokens")
"""Variables of a store that are no quantities."""

METRIC = "metric"

_LETTERS: dict[tuple[str, ...], tuple[str, str]] = {
    ("layer", "head"): ("L", "H"),
    ("layer", "neuron"): ("L", "N"),
}
"""Cells that the field has names for: ``L1H4``, ``L3N1024``."""

CHUNK = 1024
"""Records that are read together where all are needed, so that memory does not grow with them."""


@dataclass(frozen=True)
class Axis:
    """One of a quantity's own dimensions: ``prefix`` and the index are the name of a place along
    it, or the place's own name in ``texts``."""

    dim: str
    size: int
    prefix: str
    texts: tuple[str, ...] | None

    def name(self, index: int) -> str:
        """What a place is called: "L3", "pos 5", or a name of its own."""
        return f"{self.prefix}{index}" if self.texts is None else self.texts[index]

    def index(self, name: str) -> int | None:
        """The place of this name; None where there is none."""
        if self.texts is not None:
            return self.texts.index(name) if name in self.texts else None
        digits = name.removeprefix(self.prefix)
        known = name.startswith(self.prefix) and re.fullmatch(r"\d{1,9}", digits)
        return int(digits) if known and int(digits) < self.size else None


Cell = tuple[int, ...]


@dataclass(frozen=True)
class Cells:
    """The cells of a quantity, and how they are called."""

    axes: tuple[Axis, ...]
    between: str

    @property
    def count(self) -> int:
        """How many there are; 1 for a quantity of one number a prompt."""
        return int(np.prod([axis.size for axis in self.axes], dtype=np.int64))

    def name(self, cell: Cell) -> str:
        """ "L1H4"; "" for a quantity of one number a prompt."""
        parts = [axis.name(index) for axis, index in zip(self.axes, cell, strict=True)]
        return self.between.join(parts)

    @property
    def columns(self) -> list[str]:
        """The names along the last axis; one without a name where there is no axis."""
        return _along(self.axes[-1:])

    @property
    def rows(self) -> list[str]:
        """The names along all other axes, the last of them counted first."""
        return _along(self.axes[:-1])

    def parse(self, name: str) -> Cell:
        """The cell of this name; InputError where there is none."""
        first = self.name((0,) * len(self.axes))
        if self.between:
            parts = name.split(self.between) if self.axes else []
        else:
            letters = "".join(rf"({axis.prefix}\d+)" for axis in self.axes)
            found = re.fullmatch(letters, name)
            parts = list(found.groups()) if found else []
        if len(parts) == len(self.axes):
            places = [axis.index(part) for axis, part in zip(self.axes, parts, strict=True)]
            cell = tuple(place for place in places if place is not None)
            if len(cell) == len(self.axes):
                return cell
        sizes = " x ".join(f"{axis.size} {axis.dim}" for axis in self.axes)
        hint = f"It has {sizes}; the first is {first!r}." if self.axes else "Leave cell out."
        raise InputError(f"cell={name!r} is not one of the quantity's.", hint)

    def of_head(self, layer: int, head: int) -> dict[int, int] | None:
        """The index along the axes of layers and heads, by axis, of one head; None where the
        quantity has no heads, or not this one."""
        found: dict[int, int] = {}
        for at, axis in enumerate(self.axes):
            if axis.dim not in ("layer", "head"):
                continue
            index = axis.index(f"{axis.prefix}{layer if axis.dim == 'layer' else head}")
            if index is not None:
                found[at] = index
        return found if len(found) == 2 else None


def _along(axes: tuple[Axis, ...]) -> list[str]:
    places = product(*([axis.name(i) for i in range(axis.size)] for axis in axes))
    return [", ".join(names) for names in places]


def quantities_of(store: xr.Dataset) -> list[str]:
    """The names of the stored quantities, in the order of the alphabet, as a store has none; the
    metric, which every run has, is last."""
    found = [
        str(name)
        for name, values in store.data_vars.items()
        if name not in OF_RECORDS and values.dims[:1] == (RECORD,)
    ]
    return sorted(found, key=lambda name: (name == METRIC, name))


def cells_of(quantity: xr.DataArray) -> Cells:
    """The cells of a stored quantity [record, ...]."""
    dims = tuple(str(dim) for dim in quantity.dims[1:])
    letters = _LETTERS.get(dims)
    prefixes: tuple[str, ...] = letters or tuple(f"{dim} " for dim in dims)
    axes = []
    for dim, prefix in zip(dims, prefixes, strict=True):
        size, texts = quantity.sizes[dim], None
        if dim in quantity.coords:
            places = quantity.coords[dim].values
            if places.dtype.kind in "iuf":
                same = bool((places == np.arange(size)).all())
                texts = None if same else tuple(f"{prefix}{place}" for place in places.tolist())
            else:
                texts = tuple(map(str, places.tolist()))
        axes.append(Axis(dim, size, prefix, texts))
    return Cells(tuple(axes), "" if letters else ", ")


@dataclass
class Means:
    """Means of a quantity over all records, cell by cell, as far as ``done`` records go.

    ``mean`` and ``size`` (of magnitudes) have the quantity's own dims; what is not a number is not
    counted.
    """

    mean: Float[np.ndarray, "*cell"]
    size: Float[np.ndarray, "*cell"]
    done: int
    total: int

    def largest(self, fixed: dict[int, int] | None = None) -> Cell:
        """The cell of the largest mean magnitude, among those with ``fixed`` indices by axis."""
        known = fixed or {}
        part = self.size[tuple(known.get(a, slice(None)) for a in range(self.size.ndim))]
        flat = int(np.nan_to_num(part, nan=-1.0).argmax()) if part.size else 0
        free = iter(np.unravel_index(flat, part.shape))
        return tuple(int(known[a] if a in known else next(free)) for a in range(self.size.ndim))


def means_by_cell(quantity: xr.DataArray) -> Iterator[Means]:
    """Means over records, part by part; the last is of all records."""
    total = quantity.sizes[RECORD]
    shape = quantity.shape[1:]
    sums, sizes = np.zeros(shape), np.zeros(shape)
    counts = np.zeros(shape, dtype=np.int64)
    for start in range(0, max(total, 1), CHUNK):
        part = quantity[start : start + CHUNK].values.astype(np.float64)
        sums += np.nansum(part, axis=0)
        sizes += np.nansum(np.abs(part), axis=0)
        counts += np.isfinite(part).sum(axis=0)
        with np.errstate(invalid="ignore"):
            yield Means(sums / counts, sizes / counts, min(start + CHUNK, total), total)
