"""Activation patching: which activations carry the answer from the clean to the corrupted run.

Exact patching after Meng et al. (2022) and TransformerLens's ``patching``; the estimate is
attribution patching (Nanda 2023; Syed et al. 2023): a first-order one from a single backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.nodes import (
    Cell,
    Grid,
    Node,
    differing,
    hook_name,
    index_of,
    make_grid,
    patch_variant,
)
from lens_widgets.analysis.patterns import token_texts

if TYPE_CHECKING:
    from lens_widgets.session import Session


def patch_sweep(
    session: Session,
    node: Node,
    by_pos: bool = False,
    *,
    per_prompt: bool = False,
    normalize: bool = False,
    max_memory_gb: float | None = None,
) -> xr.DataArray:
    """The metric of the corrupted run after patching one cell from the clean run, exactly.

    ``"resid_pre"``, ``"attn_out"``, ``"mlp_out"``: dims layer, pos. ``"z"``, ``"q"``, ``"k"``,
    ``"v"``, ``"pattern"``: dims layer, head, and pos with ``by_pos`` (the query position for
    patterns). The session's interventions are in force in both runs. ``normalize`` maps the
    corrupted metric to 0 and the clean one to 1; both are in ``attrs``. NaN where a prompt has no
    such position or a layer no such activation. Needs ``corrupted`` prompts.
    """
    grid = make_grid(session, node, by_pos)
    values = _empty(session, grid)
    for cell, metric in patch_effects(session, grid, max_memory_gb=max_memory_gb):
        _put(values, grid, cell, metric)
    return _map(session, grid, values, per_prompt, normalize, estimate=False)


def patch_effects(
    session: Session,
    grid: Grid,
    cells: tuple[Cell, ...] | None = None,
    max_memory_gb: float | None = None,
) -> Iterator[tuple[Cell, Float[Tensor, "prompt"]]]:
    """The metric [prompt] of each cell as it is known; ``cells`` chooses some, in any order."""
    chosen = grid.cells if cells is None else cells
    layers = sorted({cell.layer for cell in chosen})
    names = {layer: hook_name(grid.node, layer) for layer in layers}
    clean = session.run().activations(list(names.values()))
    corrupted = session.corrupted_run().activations(list(names.values()))
    # On the host in one go: a GPU is waited for once.
    differs = torch.stack(
        [differing(grid.node, clean[name], corrupted[name]) for name in names.values()]
    ).cpu()
    variants = [
        patch_variant(grid.node, cell, clean[names[cell.layer]], differs[layers.index(cell.layer)])
        for cell in chosen
    ]
    for index, metric in session.sweep(variants, max_memory_gb, corrupted=True):
        yield chosen[index], metric


def estimate_sweep(
    session: Session,
    node: Node,
    by_pos: bool = False,
    *,
    per_prompt: bool = False,
    normalize: bool = False,
) -> xr.DataArray:
    """``patch_sweep`` estimated to first order: two forwards and one backward for the whole map.

    The gradient of the corrupted run's metric times (clean minus corrupted) activation, added to
    the corrupted metric. ``attrs["estimate"]`` is True: curvature and saturation are ignored.
    """
    grid = make_grid(session, node, by_pos)
    names = list(dict.fromkeys(hook_name(node, cell.layer) for cell in grid.cells))
    clean = session.run().activations(names)
    corrupted, gradients = session.corrupted_gradients(names)
    base = session.corrupted_run().metric
    moved = {
        name: (clean[name].float() - corrupted[name].float()) * gradients[name].float()
        for name in names
    }
    values = _empty(session, grid)
    for cell in grid.cells:
        change = moved[hook_name(node, cell.layer)][index_of(cell, node)]
        _put(values, grid, cell, base + change.flatten(1).sum(dim=1))
    return _map(session, grid, values, per_prompt, normalize, estimate=True)


def rank_correlation(estimate: xr.DataArray, exact: xr.DataArray) -> float:
    """Spearman's rank correlation over the cells both know; NaN for fewer than two."""
    pairs = torch.stack([torch.as_tensor(m.values.ravel()).double() for m in (estimate, exact)])
    pairs = pairs[:, pairs.isfinite().all(dim=0)]
    ranks = torch.stack([_ranks(row) for row in pairs])
    return float(torch.corrcoef(ranks)[0, 1]) if pairs.shape[1] > 1 else float("nan")


def _ranks(values: Tensor) -> Tensor:
    """Ranks from 0, ties sharing their mean."""
    _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts.double() + 1) / 2)[inverse]


def _empty(session: Session, grid: Grid) -> Float[Tensor, "prompt *cell"]:
    shape = (session.prompt_set.n_prompts, *grid.shape)
    return torch.full(shape, float("nan"), device=session.device)


def _put(values: Tensor, grid: Grid, cell: Cell, metric: Tensor) -> None:
    place = [getattr(cell, dim) for dim in grid.dims]
    values[(slice(None), *place)] = metric


def _map(
    session: Session,
    grid: Grid,
    values: Float[Tensor, "prompt *cell"],
    per_prompt: bool,
    normalize: bool,
    estimate: bool,
) -> xr.DataArray:
    clean, corrupted = session.current, session.corrupted_run().metric
    if "pos" in grid.dims:
        lengths = session.prompt_set.lengths
        beyond = torch.arange(grid.shape[-1], device=lengths.device)[None] >= lengths[:, None]
        beyond = beyond.view(len(lengths), *[1] * (values.dim() - 2), -1)
        values = values.masked_fill(beyond, float("nan"))
    if normalize:
        # Of the means, as in TransformerLens's demos: single prompts can have no difference at all.
        low, high = corrupted.mean(), clean.mean()
        values = (values - low) / (high - low)
    attrs: dict[str, Any] = {
        "units": "fraction restored" if normalize else session.metric.units,
        "metric": session.metric.name,
        "definition": f"{session.metric.label} of the corrupted run after patching {grid.node}",
        "clean": float(clean.mean()),
        "corrupted": float(corrupted.mean()),
        "estimate": estimate,
    }
    dims = grid.dims
    if per_prompt:
        dims = ("prompt", *dims)
    else:
        values = values.nanmean(dim=0)
    coords: dict[str, Any] = {
        dim: range(size) for dim, size in zip(dims, values.shape, strict=True)
    }
    if "pos" in dims:
        texts = token_texts(session, int(session.prompt_set.lengths.argmax()))
        coords["token"] = ("pos", [f"{t} {i}" for i, t in enumerate(texts)])
    return xr.DataArray(values.cpu().numpy(), dims=dims, coords=coords, attrs=attrs)
