"""Prompts by what one stored number is for each: sorted, filtered, counted."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from lens_widgets.errors import InputError

SortBy = Literal["record", "group", "value"]

BINS = 40
"""Bars of a histogram, at most by one or two."""

Array = np.ndarray[Any, np.dtype[Any]]


def chosen_rows(
    *,
    record: Int[Array, "record"],
    group: Sequence[str],
    value: Float[Array, "record"],
    sort_by: SortBy,
    descending: bool,
    groups: Collection[str] = (),
    matching: Array | None = None,
    at_least: float | None = None,
    below: float | None = None,
) -> Int[Array, "row"]:
    """Indices of the records that pass, in order.

    Args:
        record: the record numbers.
        group: each record's group.
        value: each record's number, NaN where there is none.
        sort_by: what the order is by; equal ones stay in the order of their records.
        descending: the largest first. What has no number is last in both directions.
        groups: those that pass; empty: all.
        matching: whether a record's text passes; None: all.
        at_least: the lowest value that passes.
        below: all values that pass are lower.
    """
    names = np.asarray(group, dtype=object)
    passes = np.ones(len(record), dtype=bool)
    if groups:
        passes &= np.isin(names.astype(str), list(groups))
    if matching is not None:
        passes &= matching
    # Comparisons with NaN are false: what has no number is in no range.
    if at_least is not None:
        passes &= value >= at_least
    if below is not None:
        passes &= value < below
    rows = np.flatnonzero(passes)
    rows = rows[np.argsort(record[rows], kind="stable")]
    if sort_by == "record":
        return rows[::-1] if descending else rows
    if sort_by == "group":
        _, key = np.unique(names[rows].astype(str), return_inverse=True)
        key = key.astype(np.float64)
    else:
        key = value[rows].astype(np.float64)
    # NaN sorts behind everything, also behind what is turned round.
    return rows[np.argsort(-key if descending else key, kind="stable")]


@dataclass(frozen=True)
class Counted:
    """How many values lie in each bar, by group, and each group's mean.

    ``count`` [group, bin]; bar i holds ``edge[i] <= value < edge[i + 1]``. ``sem``: standard error
    of the mean over records, NaN for one record. ``n`` counts what is a number.
    """

    edge: Float[Array, "edge"]
    count: Int[Array, "group bin"]
    group: tuple[str, ...]
    n: Int[Array, "group"]
    mean: Float[Array, "group"]
    sem: Float[Array, "group"]
    overall: tuple[int, float, float]
    n_missing: int


def histogram(value: Float[Array, "record"], group: Sequence[str], bins: int = BINS) -> Counted:
    """Values counted in bars of a round width, zero at an edge, by group in order of their names.

    Raises:
        InputError: where not one value is a number.
    """
    known = np.isfinite(value)
    if not known.any():
        raise InputError(
            "Not one record has a number here.", "Choose another cell, or look at the run's errors."
        )
    names, which = np.unique(np.asarray(group, dtype=object).astype(str), return_inverse=True)
    values = value[known]
    edges = round_edges(float(values.min()), float(values.max()), bins)
    place = np.searchsorted(edges, values, side="right") - 1
    count = np.zeros((len(names), len(edges) - 1), dtype=np.int64)
    np.add.at(count, (which[known], place), 1)
    told = [mean_and_error(values[which[known] == at]) for at in range(len(names))]
    return Counted(
        edge=edges,
        count=count,
        group=tuple(names.tolist()),
        n=np.array([n for n, _, _ in told]),
        mean=np.array([mean for _, mean, _ in told]),
        sem=np.array([sem for _, _, sem in told]),
        overall=mean_and_error(values),
        n_missing=int((~known).sum()),
    )


def mean_and_error(values: Float[Array, "record"]) -> tuple[int, float, float]:
    """Number, mean, and standard error of the mean (with n - 1); NaN where it takes more values."""
    n = len(values)
    wide = values.astype(np.float64)
    mean = float(wide.mean()) if n else math.nan
    sem = float(wide.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return n, mean, sem


def round_edges(low: float, high: float, bins: int) -> Float[Array, "edge"]:
    """Edges at multiples of 1, 2 or 5 times a power of ten, the last above ``high``; float32, as
    the values are that are held against them."""
    width = _round_width((high - low) / bins or abs(high) / bins or 1.0)
    first, last = math.floor(low / width), math.floor(high / width) + 1
    edges = (np.arange(first, last + 1) * width).astype(np.float32)
    # Rounding to float32 may push an edge past the outermost values.
    if edges[0] > low:
        edges = np.concatenate([[np.float32((first - 1) * width)], edges])
    if edges[-1] <= high:
        edges = np.concatenate([edges, [np.float32((last + 1) * width)]])
    return edges


def _round_width(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))
