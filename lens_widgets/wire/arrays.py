"""Arrays on the wire: one buffer each, small where precision allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from lens_widgets.wire.protocol import ArrayRef


@dataclass(frozen=True)
class Packed:
    """An array to send: value = raw * scale + offset."""

    raw: np.ndarray[Any, np.dtype[Any]]
    dtype: Literal["uint8", "int8", "int32", "float32"]
    scale: float = 1.0
    offset: float = 0.0


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


def pack(result: Any) -> tuple[Any, list[bytes]]:
    """``result`` with every ``Packed`` replaced by its reference, and the buffers."""
    buffers: list[bytes] = []

    def walk(value: Any) -> Any:
        if isinstance(value, Packed):
            buffers.append(np.ascontiguousarray(value.raw).tobytes())
            return ArrayRef(
                buffer=len(buffers) - 1,
                dtype=value.dtype,
                shape=list(value.raw.shape),
                scale=value.scale,
                offset=value.offset,
            )
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return value

    return walk(result), buffers
