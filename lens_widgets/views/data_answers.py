"""What ``DataView`` is told of a store: datasets, declared."""

from __future__ import annotations

from jaxtyping import Float, Int, Shaped
from typing_extensions import TypedDict

from lens_widgets.wire.dataset import Answer, Numbers, Texts


class AxisInfo(TypedDict):
    """One of a quantity's own dimensions: the name of a place is ``prefix`` and its index, or
    one of ``texts``."""

    dim: str
    size: int
    prefix: str
    texts: list[str] | None


class QuantityInfo(TypedDict):
    """A stored quantity; a cell's name is its places' names with ``between`` between them."""

    name: str
    axes: list[AxisInfo]
    between: str


class Store(Answer):
    """What is stored. ``expected``: how many records the run will have, None where that is not
    known or all are there."""

    quantities: list[QuantityInfo]
    n_records: int
    expected: int | None


class Rows(Answer):
    """Some of the records that pass, in order, from ``first`` on; ``n_found`` of ``n_records`` do.

    ``value``: NaN where a record has none. ``open``: 1 where the session's selected prompt is the
    record's. ``followed``: the cell is the selected head.
    """

    coords = ("record",)
    record: Int[Numbers, "row"]
    group: Shaped[Texts, "row"]
    prompt: Shaped[Texts, "row"]
    corrupted: Shaped[Texts, "row"]
    answers: Shaped[Texts, "row"]
    value: Float[Numbers, "row"]
    open: Int[Numbers, "row"]
    first: int
    n_found: int
    n_records: int
    quantity: str
    cell: str
    followed: bool
    units: str
    definition: str


class Bars(Answer):
    """How many records have a value of ``edge[i]`` up to, not including, ``edge[i + 1]``, by group.

    ``sem``: standard error of a group's mean, NaN for one record; ``mean_all`` and ``sem_all`` of
    the ``n_all`` records together. ``n_missing`` have no number.
    """

    coords = ("edge",)
    edge: Float[Numbers, "bound"]
    group: Shaped[Texts, "group"]
    count: Int[Numbers, "group bin"]
    n: Int[Numbers, "group"]
    mean: Float[Numbers, "group"]
    sem: Float[Numbers, "group"]
    n_all: int
    mean_all: float
    sem_all: float | None
    n_missing: int
    quantity: str
    cell: str
    units: str
    definition: str


class Means(Answer):
    """Means over all records by cell: a map of a quantity's last dimension by the others where it
    is not too large, and the cells of the largest mean magnitude, largest first."""

    coords = ("row", "column")
    row: Shaped[Texts, "row"]
    column: Shaped[Texts, "column"]
    mean: Float[Numbers, "row column"] | None
    strongest: Shaped[Texts, "rank"]
    strongest_mean: Float[Numbers, "rank"]
    quantity: str
    units: str
    definition: str
