"""Several patching maps at once: estimates first, then exact values, the largest first."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.analysis.labels import standard_error
from lens_widgets.analysis.patching.agreement import Agreement, best_of, map_agreement
from lens_widgets.analysis.patching.estimates import estimates
from lens_widgets.analysis.patching.nodes import Cell, Grid, make_grid, node_kind
from lens_widgets.analysis.patching.passes import METHODS, Estimation, Method
from lens_widgets.analysis.patching.patching import (
    Into,
    both_metrics,
    effects_of_maps,
    empty_map,
    normalized,
    put,
    without_padding,
)
from lens_widgets.engine.parts import layers_with
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

MAX_CELLS = 40_000
"""Cells of all maps together; more would neither fit a message nor an afternoon."""

ROUNDS = (8, 2, 1)
"""Shares of the cells that are known after each round: an eighth, half, all."""


Wanted = Literal["best", "gradient", "integrated", "relp"]
"""A method of estimates, or for each map the one that agrees best with what is known exactly."""

MANY_LEFT = 400
"""Cells that are still to be computed where integrated gradients are tried as well: their five
passes take as long as about 40 cells."""

log = logging.getLogger(__name__)


@dataclass
class PatchMap:
    """One map as far as it is known: ``exact`` [prompt, *cell] is NaN where it is not.

    ``estimates``: by their method, as far as they were made; ``method`` is the one that is shown.
    """

    grid: Grid
    exact: Float[Tensor, "prompt *cell"]
    estimates: dict[Method, Float[Tensor, "prompt *cell"]]
    method: Method | None
    finished: set[Cell] = field(default_factory=set)

    @property
    def estimate(self) -> Float[Tensor, "prompt *cell"] | None:
        """What stands for the cells that are not known; None where nothing does."""
        return None if self.method is None else self.estimates[self.method]

    def best(self) -> Float[Tensor, "prompt *cell"]:
        """Exact values where they are known, else estimates."""
        if self.estimate is None:
            return self.exact
        return torch.where(self.exact.isnan(), self.estimate, self.exact)

    @property
    def known(self) -> Bool[Tensor, "*cell"]:
        """Which cells are exact."""
        return ~self.exact.isnan().all(dim=0)

    @property
    def agreement(self) -> Agreement:
        """Of the estimate with the exact values known so far."""
        if self.estimate is None:
            return Agreement(float("nan"), float("nan"), len(self.finished))
        return map_agreement(self.estimate, self.exact)

    def choose(self) -> None:
        """Takes the method whose linear correlation with the exact cells is highest."""
        found = {name: map_agreement(each, self.exact) for name, each in self.estimates.items()}
        self.method = best_of(found) or self.method


@dataclass(frozen=True)
class Shown:
    """A map ready to be drawn: mean or one prompt, its standard error, raw or normalised."""

    values: Float[Tensor, "*cell"]
    sem: Float[Tensor, "*cell"]


def available_nodes(session: Session, nodes: tuple[str, ...]) -> list[str]:
    """Of some nodes those that this model can be patched at; InputError when it is none."""
    facts = session.facts
    found = []
    for node in nodes:
        kind = node_kind(node)
        if layers_with(facts, kind.part) and facts.edits_count(kind):
            found.append(node)
    if not found:
        # Says what the first of them lacks.
        make_grid(session, nodes[0], by_pos=False)
    return found


def patch_maps(
    session: Session, nodes: list[str], by_pos: bool, into: Into, method: Wanted = "best"
) -> Iterator[tuple[int, int, list[PatchMap]]]:
    """Cells done, of how many, and the maps: first as estimates, in the end exact.

    With ``"best"`` the maps begin with RelP's estimates, or with the gradient's in a model that
    RelP does not fit; when an eighth is exact, methods are compared by it, of which integrated
    gradients are worth their passes only where many cells are left.

    InputError when there are no corrupted prompts, or more than 40,000 cells; with a ``method``
    that does not fit the model.
    """
    grids = [make_grid(session, node, by_pos) for node in nodes]
    total = sum(len(grid.cells) for grid in grids)
    if total > MAX_CELLS:
        raise InputError(
            f"{total:,} cells are too many for one view.",
            "Look at all positions at once, at one activation at a time, or at shorter prompts.",
        )
    maps = [PatchMap(grid, empty_map(session, grid), {}, None) for grid in grids]
    _first_estimates(session, maps, into, method)
    yield 0, total, maps
    base = both_metrics(session)[1 if into == "corrupted" else 0]
    done = 0
    for share in ROUNDS:
        wanted = []
        for one in maps:
            order = _order(one, base)
            due = -(-len(order) // share) - len(one.finished)
            wanted.append((one.grid, [c for c in order if c not in one.finished][:due]))
        for index, cell, metric in effects_of_maps(session, wanted, into=into):
            put(maps[index].exact, grids[index], cell, metric)
            maps[index].finished.add(cell)
            done += 1
            yield done, total, maps
        if method == "best":
            _compare(session, maps, into, total - done)
    yield done, total, maps


def shown(
    session: Session, one: PatchMap, prompt: int | None, into: Into, normalize: bool
) -> Shown:
    """The mean over prompts with its standard error, or one prompt's values."""
    values = without_padding(session, one.grid, one.best())
    if normalize:
        values = normalized(session, values, into)
    if prompt is not None:
        return Shown(values[prompt], torch.full_like(values[prompt], torch.nan))
    return Shown(values.nanmean(dim=0), standard_error(values))


def _first_estimates(session: Session, maps: list[PatchMap], into: Into, method: Wanted) -> None:
    """None where the model gives no gradients: its blocks cannot be called one by one, or have no
    backward pass."""
    if not session.run().resumes or not session.facts.differentiable:
        return
    if method != "best":
        _estimate(session, maps, into, method)
        return
    try:
        # Chords agree best by far at MLPs and the stream, and as well as gradients at heads.
        _estimate(session, maps, into, "relp")
    except InputError:
        log.debug("no rule of RelP for %s", session.facts.name, exc_info=True)
        _estimate(session, maps, into, "gradient")


def _estimate(session: Session, maps: list[PatchMap], into: Into, method: Method) -> None:
    found = estimates(session, [one.grid for one in maps], into, Estimation(method))
    for one, estimate in zip(maps, found, strict=True):
        one.estimates[method] = estimate
        one.method = one.method or method


def _compare(session: Session, maps: list[PatchMap], into: Into, n_left: int) -> None:
    """Makes the estimates that are not there yet, and has each map choose."""
    if any(one.method is None for one in maps):
        return
    for method in METHODS:
        if method == "integrated" and n_left < MANY_LEFT:
            continue
        if any(method not in one.estimates for one in maps):
            try:
                _estimate(session, maps, into, method)
            except InputError:
                log.debug("%s does not fit %s", method, session.facts.name, exc_info=True)
    for one in maps:
        one.choose()


def _order(one: PatchMap, base: Float[Tensor, "prompt"]) -> list[Cell]:
    """Cells by the size of their estimated effect, largest first."""
    if one.estimate is None:
        return list(one.grid.cells)
    effect = (one.estimate - base.view(-1, *[1] * (one.estimate.dim() - 1))).nanmean(dim=0).abs()
    sizes = effect.cpu()
    keyed = [(float(sizes[tuple(getattr(c, d) for d in one.grid.dims)]), c) for c in one.grid.cells]
    return [cell for _, cell in sorted(keyed, key=lambda pair: -pair[0])]
