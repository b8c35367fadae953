"""Arrays on the wire: one buffer each, small where precision allows it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lens_widgets.engine.pooling import pooled
from lens_widgets.wire.messages import ArrayRef

WireForm = Literal["exact", "unit", "positive", "signed"]
"""How numbers travel: as they are; or one byte each: weights in [0, 1], from 0, or around 0."""

Values = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Packed:
    """An array to send: value = raw * scale + offset; each the largest of a block of ``pool``."""

    raw: Values
    dtype: Literal["uint8", "int8", "int32", "float32"]
    scale: float = 1.0
    offset: float = 0.0
    pool: tuple[int, int] = (1, 1)


def packed(values: Values, form: WireForm) -> Packed:
    """``values`` in a form for the wire; truth values and integers are always sent as they are."""
    if values.dtype.kind == "b":
        return Packed(values.astype(np.uint8), "uint8")
    if values.dtype.kind in "iu":
        return Packed(values.astype(np.int32), "int32")
    floats = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    return _FORMS[form](floats)


def sent_bytes(values: Values, form: WireForm) -> int:
    """How many bytes ``packed`` makes of them."""
    one = values.dtype.kind == "b" or (values.dtype.kind == "f" and form != "exact")
    return values.size * (1 if one else 4)


def pooled_to_fit(values: Values, room: int) -> Packed:
    """The largest magnitude of each block of the last two dimensions, one byte each, so that all
    fit ``room`` bytes; RuntimeError where they cannot."""
    floats = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    if floats.dim() < 2:
        raise RuntimeError(f"an array of {floats.numel()} numbers does not fit a message")
    lead = math.prod(floats.shape[:-2])
    sides = [1, 1]
    counts = list(floats.shape[-2:])
    while lead * counts[0] * counts[1] > room:
        # A square stays one, as patterns of queries by keys are.
        square = floats.shape[-1] == floats.shape[-2]
        grown = (0, 1) if square else ((0,) if counts[0] >= counts[1] else (1,))
        if counts[grown[0]] == 1:
            raise RuntimeError(f"an array of {floats.numel()} numbers does not fit a message")
        for axis in grown:
            sides[axis] += 1
            counts[axis] = math.ceil(floats.shape[axis - 2] / sides[axis])
    whole = positive if not bool((floats < 0).any() or floats.isnan().any()) else signed
    side = (sides[0], sides[1])
    return replace(whole(pooled(floats, side, signed=whole is signed)), pool=side)


def exact(values: Tensor) -> Packed:
    """float32, as computed."""
    return Packed(values.detach().float().cpu().numpy(), "float32")


def integers(values: Tensor) -> Packed:
    """int32: ranks, ids."""
    return Packed(values.detach().cpu().numpy().astype(np.int32), "int32")


def weights(values: Tensor) -> Packed:
    """Attention weights in [0, 1] as uint8: off by at most 1/510."""
    raw = (values.detach().float().clamp(0, 1) * 255).round().byte().cpu().numpy()
    return Packed(raw, "uint8", scale=1 / 255)


def positive(values: Tensor) -> Packed:
    """Values from 0 as uint8: off by at most 1/510 of the largest."""
    values = values.detach().float()
    largest = float(values.max()) if values.numel() else 0.0
    scale = largest / 255 if largest > 0 else 1.0
    return Packed((values / scale).round().clamp(0, 255).byte().cpu().numpy(), "uint8", scale=scale)


def signed(values: Tensor) -> Packed:
    """Signed values as int8, zero exact: off by at most 1/254 of the largest magnitude.

    NaN travels as -128.
    """
    values = values.detach().float()
    known = values.nan_to_num(nan=0.0)
    largest = float(known.abs().max()) if values.numel() else 0.0
    scale = largest / 127 if largest > 0 else 1.0
    raw = (known / scale).round().masked_fill(values.isnan(), -128.0)
    return Packed(raw.char().cpu().numpy(), "int8", scale=scale)


_FORMS = {"exact": exact, "unit": weights, "positive": positive, "signed": signed}


def reference(array: Packed, buffers: list[bytes]) -> ArrayRef:
    """Appends the array's bytes to ``buffers`` and tells what they mean."""
    buffers.append(np.ascontiguousarray(array.raw).tobytes())
    ref = ArrayRef(
        buffer=len(buffers) - 1,
        dtype=array.dtype,
        shape=list(array.raw.shape),
        scale=array.scale,
        offset=array.offset,
    )
    if array.pool != (1, 1):
        ref["pool"] = list(array.pool)
    return ref
