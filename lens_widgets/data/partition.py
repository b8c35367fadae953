"""Which records are computed together: a division that depends on the records and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lens_widgets.data.tasks import Numbers

TOKENS_A_BATCH = 1024


def batches(lengths: Numbers, size: int | None) -> Iterator[tuple[int, list[int]]]:
    """Numbered batches of rows of one length each, so that nothing is padded.

    The longest come first, and rows of one length in the order of the data set. ``lengths`` are the
    tokens of each row. ``size`` is how many records a batch has at most; without it, as many as
    make ``TOKENS_A_BATCH`` tokens.
    """
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    found, counts = np.unique(lengths, return_counts=True)
    number = start = 0
    for length, count in zip(found[::-1].tolist(), counts[::-1].tolist(), strict=True):
        step = size or max(1, TOKENS_A_BATCH // length)
        for first in range(start, start + count, step):
            yield number, order[first : min(first + step, start + count)].tolist()
            number += 1
        start += count


def n_batches(lengths: Numbers, size: int | None) -> int:
    """How many there are."""
    found, counts = np.unique(lengths, return_counts=True)
    steps = [size or max(1, TOKENS_A_BATCH // length) for length in found.tolist()]
    return sum(-(-count // step) for count, step in zip(counts.tolist(), steps, strict=True))
