"""From tensors to labelled arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

_OF_ALL_PROMPTS = ("total", "rest", "before")

_AT_ONCE = 1 << 24
"""Numbers of which standard errors are made together."""


def of_prompt(values: xr.DataArray, prompt: int) -> xr.DataArray:
    """One prompt of an array, without the attributes that are means over all prompts."""
    chosen = values.sel(prompt=prompt)
    chosen.attrs = {k: v for k, v in chosen.attrs.items() if k not in _OF_ALL_PROMPTS}
    return chosen


def standard_error(values: Float[Tensor, "prompt *rest"]) -> Float[Tensor, "*rest"]:
    """The standard error of the mean over prompts: sample standard deviation / sqrt(n).

    Of the prompts that have a value (are not NaN); NaN where fewer than two do.
    """
    flat = values.detach().reshape(len(values), -1)
    # Of all edges on many prompts a copy is large, and this makes several.
    width = max(1, _AT_ONCE // max(1, len(values)))
    errors = [_standard_error(part.float()) for part in flat.split(width, dim=1)]
    return torch.cat(errors).view(values.shape[1:])


def _standard_error(values: Float[Tensor, "prompt n"]) -> Float[Tensor, "n"]:
    known = ~values.isnan()
    count = known.sum(dim=0)
    centred = torch.where(known, values - values.nanmean(dim=0), 0.0)
    variance = centred.square().sum(dim=0) / (count - 1)
    error = (variance / count).sqrt()
    return torch.where(count > 1, error, torch.full_like(error, float("nan")))


def labelled(
    values: Tensor,
    dims: Sequence[str],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any],
    per_prompt: bool = True,
    *,
    ragged: bool = False,
) -> xr.DataArray:
    """``values`` [prompt, *dims] as an array; without ``per_prompt`` its mean over prompts.

    A mean carries its standard error over prompts as the coordinate ``sem``, of the same dims (NaN
    for one prompt). ``ragged``: a NaN is a place that a prompt does not have, and is left out of
    the mean. Dims without a coordinate in ``coords`` are numbered from 0.
    """
    extra: dict[str, Any] = {}
    if per_prompt:
        dims = ("prompt", *dims)
    else:
        extra["sem"] = (tuple(dims), _numbers(standard_error(values)))
        values = values.nanmean(dim=0) if ragged else values.mean(dim=0)
    numbered = {
        dim: range(size) for dim, size in zip(dims, values.shape, strict=True) if dim not in coords
    }
    coords = {**numbered, **coords, **extra}
    return xr.DataArray(_numbers(values), dims=tuple(dims), coords=coords, attrs=dict(attrs))


def _numbers(values: Tensor) -> Any:
    return values.detach().float().cpu().numpy()
