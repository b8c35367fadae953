"""Patching maps estimated by slopes: attribution patching (Nanda 2023; Syed et al. 2023), with
integrated gradients (Hanna et al. 2024), or by RelP (Rezaei Jafari et al. 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.patching.agreement import map_agreement
from lens_widgets.analysis.patching.nodes import Grid, make_grid, node_kind
from lens_widgets.analysis.patching.passes import (
    GRADIENT,
    IG_STEPS,
    METHODS,
    Estimation,
    Method,
    check_estimation,
    passes,
)
from lens_widgets.analysis.patching.patching import (
    INTO,
    Into,
    both_runs,
    empty_map,
    known_cells,
    labelled_map,
    put,
)
from lens_widgets.engine.current import one_call
from lens_widgets.engine.gradients import Slopes
from lens_widgets.errors import check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


@one_call()
def estimate_sweep(
    session: Session,
    node: str,
    by_pos: bool = False,
    *,
    method: Method = "gradient",
    into: Into = "corrupted",
    per_prompt: bool = False,
    normalize: bool = False,
    ig_steps: int = IG_STEPS,
    detach_patterns: bool = False,
) -> xr.DataArray:
    """``patch_sweep`` estimated: two forwards and one backward pass for the whole map.

    A slope of the metric of the run that is patched, times the difference of the activations, added
    to that run's metric.

    Args:
        session: whose prompts, corrupted prompts, metric and interventions.
        node: as in ``patch_sweep``.
        by_pos: heads position by position.
        method: ``"gradient"`` at the run that is patched, which overlooks how norms and activation
            functions bend and fails most at MLPs and the stream; ``"integrated"``, its mean over
            ``ig_steps`` runs between the two; or ``"relp"``, whose backward pass holds the scales
            of norms and counts an activation function by its chord from zero.
        into: which run is patched, ``"corrupted"`` or ``"clean"``.
        per_prompt: keep the prompts apart instead of their mean.
        normalize: 0 for the run that is patched, 1 for the metric of the other one.
        ig_steps: runs of ``"integrated"``, evenly from the one that is patched on; the other one is
            not among them.
        detach_patterns: with ``"relp"``, attention patterns count as constants, so that nothing
            goes through queries and keys.

    Returns:
        Dims, coordinates and units of ``patch_sweep``. ``attrs["estimate"]`` is True;
        ``rank_correlation`` (Spearman) and ``linear_correlation`` (Pearson) compare it with the
        ``n_exact`` cells that are known exactly so far (NaN before there are two).

    Raises:
        InputError: as ``patch_sweep``; an unknown ``method``; ``ig_steps`` below 1; a model whose
            blocks cannot be called one by one; for ``"relp"``, one that has parts without a rule.

    Source:
        Attribution patching, Nanda (2023) and TransformerLens's demo of it; integrated over inputs
        as in Hanna et al., Have Faith in Faithfulness (2024); RelP, Rezaei Jafari et al. (2025).

    Examples:
        >>> exact = lw.analysis.patch_sweep(session, "z")
        >>> lw.analysis.estimate_sweep(session, "z").attrs["rank_correlation"] > 0.5
        True
    """
    check_choice("into", into, INTO)
    known: dict[str, Method] = {name: name for name in METHODS}
    estimation = check_estimation(method, ig_steps, detach_patterns, known)
    grid = make_grid(session, node, by_pos)
    (values,) = estimates(session, [grid], into, estimation)
    exact = empty_map(session, grid)
    for cell, metric in known_cells(both_runs(session, into)[0], grid).items():
        put(exact, grid, cell, metric)
    attrs = {"estimate": True, "method": method, **map_agreement(values, exact).attrs()}
    return labelled_map(session, grid, values, per_prompt, normalize, into, attrs)


def estimates(
    session: Session,
    grids: Sequence[Grid],
    into: Into = "corrupted",
    estimation: Estimation = GRADIENT,
) -> list[Float[Tensor, "prompt *cell"]]:
    """Estimates of the metric at every cell of some maps, prompt by prompt."""
    return session.by_parts(lambda some: _estimates(some, grids, into, estimation))


def _estimates(
    session: Session, grids: Sequence[Grid], into: Into, estimation: Estimation
) -> list[Float[Tensor, "prompt *cell"]]:
    base, source = both_runs(session, into)
    kinds = [node_kind(grid.node) for grid in grids]
    names = list(
        dict.fromkeys(
            kind.name(cell.layer)
            for kind, grid in zip(kinds, grids, strict=True)
            for cell in grid.cells
        )
    )
    # Both of runs made alike: where prompts begin alike, they differ by nothing at all.
    given, replaced = source.activations(names), base.activations(names)
    changes = {name: given[name].float() - replaced[name].float() for name in names}
    moved = {name: torch.zeros_like(change) for name, change in changes.items()}
    n_passes = 0
    for found in passes(session, Slopes(names), into, estimation):
        n_passes += 1
        for name, change in changes.items():
            moved[name] += change * found.gradients[name].float()
    maps = []
    for kind, grid in zip(kinds, grids, strict=True):
        values = empty_map(session, grid)
        for cell in grid.cells:
            change = moved[kind.name(cell.layer)][kind.index(cell.head, cell.pos)]
            put(values, grid, cell, base.metric + change.flatten(1).sum(dim=1) / n_passes)
        maps.append(values)
    return maps
