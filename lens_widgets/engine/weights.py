"""What a model's weights are, in a few numbers: enough to notice that they changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from lens_widgets.engine.transformer_lens_private import plain_name

COLUMNS = 1021
"""Words are summed in this many columns. A prime, so that the width of a matrix is no multiple of
it: entries that change places change columns."""

ROWS = 32
"""And in blocks of this many rows: a matrix has as many rows as ``COLUMNS`` before two of them lie
in the same columns, and those are blocks apart."""

LARGE_BYTES = 64 << 20
"""Less is read by one thread before another has begun."""

MOST_THREADS = 4
"""Memory is read as quickly by so many as by more."""

SAMPLES = 64
"""Of each tensor, how many entries are remembered."""

Named: TypeAlias = "Sequence[tuple[str, Tensor]]"

_WORD = 8
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_SUMS = {1: torch.int32, 2: torch.int32, 4: torch.int32, 8: torch.int64}
_GOLDEN = 0x1E3779B97F4A7C15
"""Makes numbers that have little to do with each other of 0, 1, 2, ..."""


class WeightSums:
    """A sum over the bits of every parameter and buffer, weighted by position.

    torch counts writes to a tensor, but not those through ``.data``, so all memory is read: 15 ms
    for GPT-2 small on two cores, a fraction of the shortest forward, which reads it as well. One
    entry that differs always shows, and so do rows or columns that changed places.

    Args:
        tensors: by name, in a fixed order.
        check: called between tensors; what it raises ends the reading.
    """

    def __init__(self, tensors: Named, check: Callable[[], None] | None = None) -> None:
        parts = [(name, part) for name, whole in tensors for part in _plain(whole)]
        self.layout = [(tuple(part.shape), part.stride()) for _, part in parts]
        self.sums: list[tuple[str, int]] = []
        memories = list(_memories(parts))
        with _mapping(sum(len(memory) for _, memory in memories)) as each:
            found = each(_sum, [memory for _, memory in memories])
            for (name, _), value in zip(memories, found, strict=True):
                if check is not None:
                    check()
                self.sums.append((plain_name(name), value))

    def same(self, other: WeightSums) -> bool:
        """Whether both are of the same weights, laid out in the same way."""
        mine, its = ([value for _, value in each.sums] for each in (self, other))
        return mine == its and self.layout == other.layout


@contextmanager
def _mapping(n_bytes: int) -> Iterator[Callable[..., Iterator[int]]]:
    """``map``, in several threads for so much memory that these pay."""
    if n_bytes < LARGE_BYTES:
        yield map
        return
    # NumPy lets go of the interpreter while it adds.
    several = ThreadPoolExecutor(min(MOST_THREADS, torch.get_num_threads()))
    try:
        yield several.map
    finally:
        several.shutdown(cancel_futures=True)


def changed_sums(before: WeightSums, now: WeightSums) -> list[str]:
    """Names of the tensors that differ."""
    if len(before.sums) != len(now.sums):
        return ["tensors share their memory in another way"]
    pairs = zip(before.sums, now.sums, strict=True)
    return [name for (_, was), (name, is_now) in pairs if was != is_now]


def contents(tensors: Named) -> list[tuple[str, list[float]]]:
    """Of each tensor the sum of its bits and some entries: the same in whatever order its memory
    is, so that a model that was moved or cast to and fro is known again."""
    return [
        (plain_name(name), [_element_sum(part), *_spaced(part)])
        for name, whole in tensors
        for part in _plain(whole)
    ]


def changed_contents(
    before: Sequence[tuple[str, list[float]]], now: Sequence[tuple[str, list[float]]]
) -> list[str]:
    """Names of the tensors that differ."""
    if len(before) != len(now):
        return ["their number"]
    # Compared as text, in which NaN equals NaN.
    return [
        name
        for (_, was), (name, is_now) in zip(before, now, strict=True)
        if repr(was) != repr(is_now)
    ]


def writes(tensors: Named) -> list[tuple[int, int, int]]:
    """What torch itself knows: which tensors there are, where, and how often each was written."""
    return [
        (id(whole), part.data_ptr(), 0 if part.is_inference() else part._version)
        for _, whole in tensors
        for part in _plain(whole)
    ]


def _plain(tensor: Tensor) -> Iterator[Tensor]:
    """The tensors with memory that one is made of: quantised and distributed ones have several."""
    inner = getattr(tensor, "__tensor_flatten__", None)
    if inner is not None:
        for name in inner()[0]:
            yield from _plain(getattr(tensor, name))
    elif tensor.device.type != "meta":
        tensor = tensor.detach()
        yield tensor if tensor.layout is torch.strided else tensor.to_dense()


def _memories(parts: Named) -> Iterator[tuple[str, UInt8[Tensor, "byte"]]]:
    """The memory of all tensors as bytes. What several share is read once, as it lies."""
    sharing: dict[tuple[torch.device, int], list[tuple[str, Tensor]]] = {}
    for name, part in parts:
        if part.numel():
            key = part.device, part.untyped_storage().data_ptr()
            sharing.setdefault(key, []).append((name, part))
    for group in sharing.values():
        storage = group[0][1].untyped_storage()
        if storage.nbytes() <= sum(part.nbytes for _, part in group):
            name, _ = max(group, key=lambda item: item[1].nbytes)
            whole = torch.empty(0, dtype=torch.uint8, device=storage.device)
            yield name, whole.set_(storage, 0, (storage.nbytes(),), (1,))
        else:
            # The rest of that memory is somebody else's.
            for name, part in group:
                yield name, part.contiguous().reshape(-1).view(torch.uint8)


def _sum(memory: UInt8[Tensor, "byte"]) -> int:
    if memory.storage_offset() % _WORD:
        memory = memory.clone()
    n_words = len(memory) // _WORD
    words: Any = memory[: n_words * _WORD].view(torch.int64)
    rest: Any = memory[n_words * _WORD :].to(torch.int64)
    if memory.device.type == "cpu":
        # It takes half of torch's time for this, on one core.
        words, rest = words.numpy(), rest.numpy()
    whole = n_words // (ROWS * COLUMNS) * ROWS * COLUMNS
    by_column = words[:whole].reshape(-1, ROWS, COLUMNS).sum(1)
    by_column *= _factors(COLUMNS, words)
    # Sums and products wrap around at 2^64.
    return sum(
        int((values * _factors(len(values), words)).sum())
        for values in (by_column.sum(1), words[whole:], rest)
        if len(values)
    )


def _factors(n: int, like: Any) -> Any:
    """Odd numbers, one a position: a difference in one entry is multiplied to nothing by none."""
    if isinstance(like, np.ndarray):
        return _kept_factors(n)
    return (torch.arange(1, n + 1, device=like.device, dtype=torch.int64) * _GOLDEN) | 1


@lru_cache(maxsize=64)
def _kept_factors(n: int) -> Any:
    """At most one block of them, which small tensors ask for again and again."""
    return (np.arange(1, n + 1, dtype=np.int64) * _GOLDEN) | 1


def _element_sum(part: Tensor) -> int:
    """Of the bits of each entry, in whatever order."""
    return int(part.view(_INTEGERS[part.element_size()]).sum(dtype=_SUMS[part.element_size()]))


def _spaced(values: Tensor) -> list[float]:
    step = max(1, values.numel() // SAMPLES)
    # Nothing is copied, even of a view that is not contiguous.
    indices = torch.arange(0, values.numel(), step, device=values.device)
    found: list[float] = torch.take(values, indices).float().tolist()
    return found
