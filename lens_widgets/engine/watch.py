"""What a model is at a moment, so that numbers of before and after a change are never mixed.

A model changes in a user's code only: in a cell, in a script between two calls of ours, in a
callback of a widget of theirs. So it is looked at before every turn on it, and before a run that is
kept is handed out. What a view asks for comes between cells: it is then looked at after every cell,
and hooks and modules when that was a tenth of a second ago, the weights when it was a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from lens_widgets.engine import current
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.engine.forward import Check
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.structure import Structure, read_structure, structure_changes
from lens_widgets.engine.weights import (
    Named,
    WeightSums,
    changed_contents,
    changed_sums,
    contents,
    writes,
)

WEIGHTS_STAND_S = 1.0
"""For what views ask for in a row the weights are read once in this time."""


@dataclass(frozen=True)
class ModelState:
    """A model's structure and weights at a moment. ``contents`` are the weights in a form that
    does not depend on how memory is laid out."""

    structure: Structure
    sums: WeightSums
    contents: list[tuple[str, list[float]]]


@dataclass(frozen=True)
class _Reading:
    """When the weights were read: for which call of a user, which waits for it, or how many cells
    had begun, for a view that asks between them."""

    sums: WeightSums
    writes: list[tuple[int, int, int]]
    call: object | None
    cells: int | None
    time: float


class ModelWatch:
    """Looks at one model. Its methods but ``weights`` are for whoever has the model to itself, when
    no hook of ours is on it."""

    def __init__(self) -> None:
        self._reading: _Reading | None = None
        self._anew = False
        self._contents: tuple[WeightSums, list[tuple[str, list[float]]]] | None = None

    def look_anew(self) -> None:
        """The weights are read the next time, however recently that was done."""
        self._anew = True

    def state(self, model: TransformerModel, check: Check | None = None) -> ModelState:
        """What the model is now. ``check`` is called while it is read, and may raise."""
        structure, tensors = read_structure(model)
        sums = self._read(tensors, check)
        known = self._contents
        if known is None or known[0] is not sums:
            known = self._contents = sums, contents(tensors)
        return ModelState(structure, sums, known[1])

    def weights(self, model: TransformerModel) -> tuple[int, ...]:
        """Numbers of which one is another when any weight is."""
        _, tensors = read_structure(model)
        return tuple(value for _, value in self._read(tensors, None).sums)

    def changes(
        self, model: TransformerModel, before: ModelState, check: Check | None = None
    ) -> tuple[list[str], list[str]]:
        """What was done to the model since, in words, and which of its weights differ."""
        structure, tensors = read_structure(model)
        changed = structure_changes(before.structure, structure)
        if changed:
            return changed, []
        sums = self._read(tensors, check)
        if sums is before.sums or sums.same(before.sums):
            return [], []
        if sums.layout == before.sums.layout:
            return [], changed_sums(before.sums, sums)
        # It was moved or cast, and back: its memory can be in another order since.
        return [], changed_contents(before.contents, contents(tensors))

    def _read(self, tensors: Named, check: Check | None) -> WeightSums:
        """The sums of ``tensors``; the very object of the last time when they are the same."""
        now, written, known = time.monotonic(), writes(tensors), self._reading
        cells, views = CELL_PAUSE.cells, current.waits_for_cells()
        between_cells = views and not CELL_PAUSE.active and cells > 0
        call = None if views else current.call() or current.token()
        if known is not None and known.writes == written and not self._anew:
            same_call = call is not None and known.call is call
            recent = known.cells == cells and now < known.time + WEIGHTS_STAND_S
            if same_call or (between_cells and recent):
                return known.sums
        self._anew = False
        sums = WeightSums(tensors, check)
        if known is not None and sums.same(known.sums):
            sums = known.sums
        self._reading = _Reading(sums, written, call, cells if between_cells else None, now)
        return sums
