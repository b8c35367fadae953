"""From tensors to labelled arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr
from torch import Tensor

_OF_ALL_PROMPTS = ("total", "rest", "before")


def of_prompt(values: xr.DataArray, prompt: int) -> xr.DataArray:
    """One prompt of an array, without the attributes that are means over all prompts."""
    chosen = values.sel(prompt=prompt)
    chosen.attrs = {k: v for k, v in chosen.attrs.items() if k not in _OF_ALL_PROMPTS}
    return chosen


def labelled(
    values: Tensor,
    dims: Sequence[str],
    coords: Mapping[str, Any],
    attrs: Mapping[str, Any],
    per_prompt: bool = True,
) -> xr.DataArray:
    """``values`` [prompt, *dims] as an array; without ``per_prompt`` its mean over prompts.

    Dims without a coordinate in ``coords`` are numbered from 0.
    """
    if per_prompt:
        dims = ("prompt", *dims)
    else:
        values = values.mean(dim=0)
    numbered = {
        dim: range(size) for dim, size in zip(dims, values.shape, strict=True) if dim not in coords
    }
    array = values.detach().float().cpu().numpy()
    return xr.DataArray(array, dims=tuple(dims), coords={**numbered, **coords}, attrs=dict(attrs))
