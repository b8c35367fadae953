"""Patterns as the largest value of each block of positions: small enough to keep and to send.

An activation can be asked for in that form by name, and is then pooled as the model makes it, so
that the patterns of all heads of a long prompt are never held at once.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

CELLS = 1_000_000
"""All heads' thumbnails on one prompt together: at a byte a cell, one message."""

_BY = " in blocks of "


def finest_pool(n_heads: int, n_pos: int, cells: int = CELLS) -> int:
    """The smallest block's side at which ``n_heads`` patterns have at most ``cells`` in all."""
    pool = max(1, math.ceil(math.sqrt(n_heads * n_pos**2 / cells)))
    while n_heads * math.ceil(n_pos / pool) ** 2 > cells:
        pool += 1
    return pool


def pooled_name(name: str, pool: int) -> str:
    """The name under which the pooled activation at a hook point is captured."""
    return f"{name}{_BY}{pool}"


def split_name(name: str) -> tuple[str, int]:
    """The hook point and the side of the blocks; 1 for the activation as it is."""
    point, _, pool = name.partition(_BY)
    return point, int(pool or 1)


def pooled(
    values: Float[Tensor, "*n row column"], pool: int | tuple[int, int], *, signed: bool = False
) -> Tensor:
    """The largest value of each block (``signed``: of largest magnitude), NaN left out.

    ``pool``: a block's side, or its rows and columns. A block without any value is NaN when
    ``signed``; unsigned values have no NaN.
    """
    sides = (pool, pool) if isinstance(pool, int) else pool
    if sides == (1, 1):
        return values
    if not signed:
        return _largest(values, sides)
    none = values.isnan()
    high = _largest(values.masked_fill(none, -torch.inf), sides)
    low = -_largest(-values.masked_fill(none, torch.inf), sides)
    strongest = high.where(high.abs() >= low.abs(), low)
    # Nothing is below minus infinity and above infinity at once but a block without a value.
    return strongest.masked_fill(high < low, torch.nan)


def _largest(values: Tensor, sides: tuple[int, int]) -> Tensor:
    # Whole rows first: torch takes those in vectors, and the rest is a small part of the work.
    for dim, pool in zip((-2, -1), sides, strict=True):
        full = values.shape[dim] // pool * pool
        parts = []
        if full:
            parts.append(values.narrow(dim, 0, full).unflatten(dim, (-1, pool)).amax(dim))
        if full < values.shape[dim]:
            rest = values.narrow(dim, full, values.shape[dim] - full)
            parts.append(rest.amax(dim, keepdim=True))
        values = torch.cat(parts, dim)
    return values
