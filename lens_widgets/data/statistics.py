"""Means over records with their standard errors and bootstrap intervals, in one fixed order.

Everything is summed block by block over rows in the order of the data set, so the memory that is
needed does not grow with their number, and the bits do not depend on who computed the rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from lens_widgets.data.quantities import STORED
from lens_widgets.data.tasks import Numbers
from lens_widgets.engine.repeatable import threads_of_torch

ROWS_AT_ONCE = 512
SUMS_AT_ONCE = 1 << 21
"""Of all resamples of some cells; more are gone through in turns."""


@dataclass(frozen=True)
class Interval:
    """How bootstrap intervals are made: so many resamples of the records, drawn by ``seed``, and
    between their percentiles so much ``confidence``."""

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0


def summary(values: xr.Dataset, interval: Interval) -> xr.Dataset:
    """Means of stored values, overall and by group.

    Args:
        values: of ``per_prompt``.
        interval: how intervals are made; without resamples there are none.

    Returns:
        For each quantity its mean over the records that have a value, with the same name, dims,
        units; ``_sem``, the standard error; ``_low`` and ``_high``, the percentile bootstrap
        interval; ``_n``, how many have a value. Where records have groups, the same once more with
        ``_by_group`` in the name and group as the first dim.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    blocks = _Rows(values)
    names = [str(name) for name in values.data_vars if name == "metric" or str(name) not in STORED]
    found: dict[str, Any] = {}
    for name in names:
        array = values[name]
        dims = array.dims[1:]
        parts: dict[str, tuple[list[int | None], tuple[Any, ...]]] = {"": ([None], dims)}
        if blocks.groups:
            parts["_by_group"] = ([*range(len(blocks.groups))], ("group", *dims))
        for suffix, (groups, own) in parts.items():
            shape = [values.sizes[dim] for dim in dims]
            if suffix:
                shape = [len(groups), *shape]
            for statistic, numbers in _statistics(blocks, name, groups, interval).items():
                attrs = {**array.attrs, "definition": _definition(statistic, array, interval)}
                if statistic == "n":
                    attrs["units"] = "records"
                key = f"{name}{suffix}" + (f"_{statistic}" if statistic != "mean" else "")
                found[key] = (own, numbers.reshape(shape), attrs)
    coords = {k: v for k, v in values.coords.items() if k not in ("record", "group")}
    if blocks.groups:
        coords["group"] = ("group", np.array(blocks.groups, dtype=object))
    attrs = {"n_records": values.sizes["record"], "confidence": interval.confidence}
    return xr.Dataset(found, coords=coords, attrs={**attrs, "resamples": interval.resamples})


class _Rows:
    """Blocks of rows, and which group each row is of."""

    def __init__(self, values: xr.Dataset) -> None:
        self._values = values
        self.n_rows = values.sizes["record"]
        counts: dict[str, int] = {}
        for block in self._slices():
            for group in values["group"].isel(record=block).values.tolist():
                counts[group] = counts.get(group, 0) + 1
        named = sorted(counts)
        self.groups: list[str] = [] if named in ([], [""]) else named
        self.counts = [counts[group] for group in self.groups]

    def count(self, group: int | None) -> int:
        """How many rows a group has; of None, how many there are."""
        return self.n_rows if group is None else self.counts[group]

    def blocks(self, name: str) -> Iterator[tuple[Numbers, Numbers]]:
        """Of each block of rows, the number of each row's group and [row, cell]."""
        number = {group: index for index, group in enumerate(self.groups)}
        for block in self._slices():
            chosen = self._values.isel(record=block)
            groups = [number.get(x, 0) for x in chosen["group"].values.tolist()]
            cells = np.asarray(chosen[name].values, dtype=np.float64)
            yield np.array(groups), cells.reshape(len(groups), -1)

    def _slices(self) -> Iterator[slice]:
        for start in range(0, self.n_rows, ROWS_AT_ONCE):
            yield slice(start, min(start + ROWS_AT_ONCE, self.n_rows))


def _definition(statistic: str, array: xr.DataArray, interval: Interval) -> str:
    share = f"{interval.confidence:.0%} bootstrap interval of the mean"
    words = {
        "mean": "mean over records",
        "sem": "standard error of the mean over records",
        "low": f"lower end of the {share}",
        "high": f"upper end of the {share}",
        "n": "records with a value",
    }
    return f"{words[statistic]}: {array.attrs.get('definition', array.name)}"


def _statistics(
    rows: _Rows, name: str, groups: Sequence[int | None], interval: Interval
) -> dict[str, Numbers]:
    """[group, cell] of each statistic."""
    n_cells = next((cells.shape[1] for _, cells in rows.blocks(name)), 0)
    moments = [_Moments(n_cells) for _ in groups]
    for of_row, cells in rows.blocks(name):
        for group, found in zip(groups, moments, strict=True):
            found.add(cells if group is None else cells[of_row == group])
    result = {
        "mean": np.stack([m.mean() for m in moments]),
        "sem": np.stack([m.standard_error() for m in moments]),
        "n": np.stack([m.count for m in moments]),
    }
    if interval.resamples:
        # A product can differ in its last bit with the number of threads that share it.
        with threads_of_torch(1):
            ends = _intervals(rows, name, groups, n_cells, interval)
        ends[:, result["n"] < 2] = np.nan
        result["low"], result["high"] = ends
    return result


class _Moments:
    """Count, mean and summed squares of [cell], block by block (Chan, Golub and LeVeque 1979)."""

    def __init__(self, n_cells: int) -> None:
        self.count = np.zeros(n_cells, dtype=np.int64)
        self._mean = np.zeros(n_cells)
        self._squares = np.zeros(n_cells)

    def add(self, cells: Numbers) -> None:
        known = ~np.isnan(cells)
        count = known.sum(axis=0)
        mean = np.where(known, cells, 0.0).sum(axis=0) / np.maximum(count, 1)
        squares = np.where(known, (cells - mean) ** 2, 0.0).sum(axis=0)
        both = np.maximum(self.count + count, 1)
        apart = mean - self._mean
        self._squares += squares + apart**2 * self.count * count / both
        self._mean += apart * count / both
        self.count += count

    def mean(self) -> Numbers:
        return np.where(self.count > 0, self._mean, np.nan)

    def standard_error(self) -> Numbers:
        variance = self._squares / np.maximum(self.count - 1, 1)
        return np.where(self.count > 1, np.sqrt(variance / np.maximum(self.count, 1)), np.nan)


# --- bootstrap ----------------------------------------------------------------------------------


def _intervals(
    rows: _Rows, name: str, groups: Sequence[int | None], n_cells: int, interval: Interval
) -> Numbers:
    """[end, group, cell]: percentiles of the means of resampled records."""
    ends = np.full((2, len(groups), n_cells), np.nan)
    outside = (1 - interval.confidence) / 2
    cells_at_once = max(1, SUMS_AT_ONCE // interval.resamples)
    for start in range(0, n_cells, cells_at_once):
        cells = slice(start, start + cells_at_once)
        width = len(range(*cells.indices(n_cells)))
        groups_at_once = max(1, cells_at_once // width)
        for first in range(0, len(groups), groups_at_once):
            some = slice(first, first + groups_at_once)
            means = _resampled(rows, name, groups[some], cells, width, interval)
            with warnings.catch_warnings():
                # A resample in which no record has a value has no mean.
                warnings.filterwarnings("ignore", "All-NaN slice encountered")
                ends[:, some, cells] = np.nanquantile(means, [outside, 1 - outside], axis=1)
    return ends


def _resampled(
    rows: _Rows,
    name: str,
    groups: Sequence[int | None],
    cells: slice,
    width: int,
    interval: Interval,
) -> Numbers:
    """Means [group, resample, cell] of records drawn with replacement."""
    sums = torch.zeros(len(groups), interval.resamples, width, dtype=torch.float64, device="cpu")
    counts = torch.zeros_like(sums)
    draws = [_Draws(rows.count(group), group, interval) for group in groups]
    for of_row, block in rows.blocks(name):
        for index, group in enumerate(groups):
            chosen = (block if group is None else block[of_row == group])[:, cells]
            if not len(chosen):
                continue
            times = torch.from_numpy(draws[index].next(len(chosen)))
            known = ~np.isnan(chosen)
            sums[index] += times @ torch.from_numpy(np.where(known, chosen, 0.0))
            if known.all():
                counts[index] += times.sum(dim=1, keepdim=True)
            else:
                counts[index] += times @ torch.from_numpy(known.astype(np.float64))
    return (sums / counts).numpy()


class _Draws:
    """How often each row is drawn in each resample, block by block.

    The counts of all rows together are multinomial. So the count of a block is binomial, given
    what the rows before have got, and within the block they are multinomial again.
    """

    def __init__(self, n_rows: int, group: int | None, interval: Interval) -> None:
        stream = 0 if group is None else group + 1
        self._random = np.random.default_rng([interval.seed, stream])
        self._rows = n_rows
        self._left = np.full(interval.resamples, n_rows, dtype=np.int64)

    def next(self, n_rows: int) -> Numbers:
        """[resample, row] of the next ``n_rows`` rows."""
        of_block = self._random.binomial(self._left, min(1.0, n_rows / self._rows))
        self._left -= of_block
        self._rows -= n_rows
        drawn = self._random.multinomial(of_block, np.full(n_rows, 1 / n_rows))
        return drawn.astype(np.float64)
