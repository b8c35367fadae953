"""Work whose last bits must not depend on the moment: batches of the same sizes every time.

A sum over a batch of another size can differ in its last bit. Sweeps choose their sizes by the
memory that is free and by how long a block takes, which suits somebody who waits and differs from
run to run. Within ``repeatable()`` they depend on nothing but the model and the prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lens_widgets.engine.locks import lock

_lock = lock("registry")
_depth = 0


@contextmanager
def repeatable() -> Iterator[None]:
    """Fixes the sizes of batches for the length of the block.

    In all threads: the model is run in other ones than the caller's. What runs beside it is not
    wrong for it, only sized otherwise.
    """
    global _depth
    with _lock:
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1


def is_repeatable() -> bool:
    """Whether sizes must not depend on free memory or on time."""
    return _depth > 0


@contextmanager
def threads_of_torch(count: int) -> Iterator[None]:
    """Computes with so many threads for the length of the block: a product can differ in its last
    bit with the number of threads that share it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
