"""How well an estimate agrees with what is known exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

Name = TypeVar("Name", bound=str)


@dataclass(frozen=True)
class Agreement:
    """``rank`` (Spearman) and ``linear`` (Pearson) correlation, from -1 to 1, over ``n_exact``
    values that both know; NaN for fewer than two, or where one of them is the same everywhere."""

    rank: float
    linear: float
    n_exact: int

    def attrs(self) -> dict[str, float | int]:
        """As attributes of an estimate."""
        return {
            "rank_correlation": self.rank,
            "linear_correlation": self.linear,
            "n_exact": self.n_exact,
        }


def agreement(estimate: Float[Tensor, "*cell"], exact: Float[Tensor, "*cell"]) -> Agreement:
    """Of the values that are not NaN in either."""
    pairs = torch.stack([estimate.flatten().cpu().double(), exact.flatten().cpu().double()])
    pairs = pairs[:, pairs.isfinite().all(dim=0)]
    n_exact = pairs.shape[1]
    if n_exact < 2:
        return Agreement(float("nan"), float("nan"), n_exact)
    ranks = torch.stack([_ranks(row) for row in pairs])
    rank, linear = (float(torch.corrcoef(values)[0, 1]) for values in (ranks, pairs))
    return Agreement(rank, linear, n_exact)


ENOUGH = 3
"""Exact values before estimates are compared by them."""


def best_of(found: Mapping[Name, Agreement]) -> Name | None:
    """Of several estimates by name the one whose linear correlation is highest; None where too
    little is known exactly to tell."""
    rated = [
        (each.linear, name)
        for name, each in found.items()
        if each.n_exact >= ENOUGH and not math.isnan(each.linear)
    ]
    return max(rated)[1] if rated else None


def map_agreement(
    estimate: Float[Tensor, "prompt *cell"], exact: Float[Tensor, "prompt *cell"]
) -> Agreement:
    """Of two maps' means over prompts."""
    return agreement(estimate.nanmean(dim=0), exact.nanmean(dim=0))


def rank_correlation(estimate: xr.DataArray, exact: xr.DataArray) -> float:
    """How well an estimate orders what is exactly known.

    Args:
        estimate: a map of ``estimate_sweep``.
        exact: the same map of ``patch_sweep``, or a part of it, the rest NaN.

    Returns:
        Spearman's rank correlation over the cells that both know, from -1 to 1, where values that
        differ by rounding alone are ties; NaN for fewer than two.

    Source:
        Spearman (1904); ``scipy.stats.spearmanr``.

    Examples:
        >>> estimate = lw.analysis.estimate_sweep(session, "v")
        >>> lw.analysis.rank_correlation(estimate, lw.analysis.patch_sweep(session, "v")) > 0.5
        True
    """
    first, second = (torch.as_tensor(m.values.ravel(), device="cpu") for m in (estimate, exact))
    return agreement(first, second).rank


ROUNDING = 1e-6
"""Of the largest value: neighbours that differ by less have one rank. What a change does not reach
is the run's own metric, as rounding leaves it; without this, chance would order such cells."""


def _ranks(values: Float[Tensor, "cell"]) -> Float[Tensor, "cell"]:
    """Ranks from 0, ties sharing their mean."""
    ordered, order = values.sort()
    apart = ordered.diff(prepend=ordered[:1]) > ROUNDING * values.abs().max()
    ties = apart.cumsum(0)
    counts = ties.bincount().double()
    last = counts.cumsum(0)
    return torch.empty_like(ordered).scatter(0, order, (last - (counts + 1) / 2)[ties])
