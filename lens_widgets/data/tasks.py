"""What goes to a replica of the model and comes back, as plain data that any process can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from lens_widgets.data.quantities import Quantity
from lens_widgets.data.records import Record, Unusable

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Wanted:
    """What a session is given of each record: those without it are set aside."""

    answers: bool
    wrong: bool
    corrupted: bool


@dataclass(frozen=True)
class Recipe:
    """All that a replica needs to begin; pickled by value, so that lambdas can be in it."""

    make_model: Callable[[], Any]
    quantities: dict[str, Quantity]
    metric: Any
    prepend_bos: bool | None
    threads: int


@dataclass(frozen=True)
class Prepare:
    """Records, by their index in the data set, whose tokens are to be counted."""

    number: int
    wanted: Wanted
    records: list[tuple[int, Record]]


@dataclass(frozen=True)
class Batch:
    """Records of one length, of which the quantities are to be computed. ``rows`` are where they
    are stored. One batch of several is also ``checked`` against one prompt alone."""

    number: int
    wanted: Wanted
    rows: list[int]
    records: list[tuple[int, Record]]
    checked: bool = False


Task = Prepare | Batch


@dataclass(frozen=True)
class Values:
    """One quantity of a batch: [record, *dims], with the labels of each dim."""

    numbers: Numbers
    dims: tuple[str, ...]
    labels: dict[str, Numbers]
    attrs: dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """How many tokens each record has, or why it cannot be used."""

    model: str
    lengths: list[int | Unusable]


@dataclass(frozen=True)
class Computed:
    """The quantities of the records of a batch, without those that turned out not to be usable.

    ``kept`` are indices into the batch's records; ``aside`` says why the others are not.
    """

    model: str
    kept: list[int]
    values: dict[str, Values]
    aside: list[Unusable] = field(default_factory=list)


@dataclass(frozen=True)
class Failed:
    """Why a task cannot be done, whoever does it."""

    kind: Literal["recipe", "task"]
    message: str
    hint: str


Result = Prepared | Computed | Failed


def digest(value: Any) -> str:
    """A short name for anything that JSON can say."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
