"""The OpenMP threads that a thread of this process computes with, and how it lets them go.

Each thread that computes has helpers of its own, which stay when it has nothing more to do. GNU's
OpenMP counts them all: with more of them than cores, those that work sleep at the end of every
operation and have to be woken for the next, where they would otherwise wait for it awake. A sweep
that is called in a cell computes in a thread of its own, while the cell's waits with its helpers:
on two cores it then takes a twentieth longer.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch

_SOFT = 1
"""``omp_pause_soft``: helpers end, settings stay (OpenMP 5.0, 3.2.44)."""


def let_helpers_go() -> bool:
    """Ends the helpers of the calling thread, which come again with its next operation; both take
    some 0.1 ms. False where torch uses another OpenMP than GNU's, which does not count them."""
    pause = _pause()
    return pause is not None and pause(_SOFT) == 0


@cache
def _pause() -> Callable[[int], int] | None:
    """``omp_pause_resource_all`` of the library that torch has loaded."""
    packages = Path(torch.__file__).parent
    for folder in (packages / "lib", packages.parent / "torch.libs"):
        for path in sorted(folder.glob("libgomp*.so*")):
            try:
                # Of another copy of the library, it would end that one's.
                return ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD).omp_pause_resource_all
            except (OSError, AttributeError):
                continue
    return None
