"""Several patching maps at once: estimates first, then exact values, the largest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.analysis.labels import standard_error
from lens_widgets.analysis.patching.nodes import Cell, Grid, make_grid, node_kind
from lens_widgets.analysis.patching.patching import (
    Into,
    both_metrics,
    effects_of_maps,
    estimates,
    normalized,
    put,
    rank_agreement,
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


@dataclass
class PatchMap:
    """One map as far as it is known: ``exact`` [prompt, *cell] is NaN where it is not."""

    grid: Grid
    exact: Float[Tensor, "prompt *cell"]
    estimate: Float[Tensor, "prompt *cell"] | None
    finished: set[Cell] = field(default_factory=set)

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
    def rank_correlation(self) -> float:
        """Of the estimate with the exact values known so far."""
        if self.estimate is None:
            return float("nan")
        return rank_agreement(self.estimate, self.exact)


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
    session: Session, nodes: list[str], by_pos: bool, into: Into
) -> Iterator[tuple[int, int, list[PatchMap]]]:
    """Cells done, of how many, and the maps: first as estimates, in the end exact.

    InputError when there are no corrupted prompts, or more than 40,000 cells.
    """
    grids = [make_grid(session, node, by_pos) for node in nodes]
    total = sum(len(grid.cells) for grid in grids)
    if total > MAX_CELLS:
        raise InputError(
            f"{total:,} cells are too many for one view.",
            "Look at all positions at once, at one activation at a time, or at shorter prompts.",
        )
    found = _estimates(session, grids, into)
    maps = [
        PatchMap(grid, _nothing(session, grid), estimate)
        for grid, estimate in zip(grids, found, strict=True)
    ]
    yield 0, total, maps
    base = both_metrics(session)[1 if into == "corrupted" else 0]
    orders = [_order(one, base) for one in maps]
    done = 0
    for share in ROUNDS:
        wanted = [
            (one.grid, [c for c in order[: -(-len(order) // share)] if c not in one.finished])
            for one, order in zip(maps, orders, strict=True)
        ]
        for index, cell, metric in effects_of_maps(session, wanted, into=into):
            put(maps[index].exact, grids[index], cell, metric)
            maps[index].finished.add(cell)
            done += 1
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


def _nothing(session: Session, grid: Grid) -> Tensor:
    shape = (session.prompt_set.n_prompts, *grid.shape)
    return torch.full(shape, torch.nan, device=session.device)


def _estimates(
    session: Session, grids: list[Grid], into: Into
) -> Sequence[Float[Tensor, "prompt *cell"] | None]:
    """None where the model gives no gradients: its blocks cannot be called one by one."""
    if not session.run().trace.calls:
        return [None] * len(grids)
    return estimates(session, grids, into)


def _order(one: PatchMap, base: Float[Tensor, "prompt"]) -> list[Cell]:
    """Cells by the size of their estimated effect, largest first."""
    if one.estimate is None:
        return list(one.grid.cells)
    effect = (one.estimate - base.view(-1, *[1] * (one.estimate.dim() - 1))).nanmean(dim=0).abs()
    sizes = effect.cpu()
    keyed = [(float(sizes[tuple(getattr(c, d) for d in one.grid.dims)]), c) for c in one.grid.cells]
    return [cell for _, cell in sorted(keyed, key=lambda pair: -pair[0])]
