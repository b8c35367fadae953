"""The arithmetic that a sweep cannot do without, and the rate this machine does it at."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

D_MODEL, N_LAYER, N_HEAD = 768, 12, 12
QUERY, KEY_VALUE, AFTER = 2 * D_MODEL**2, 4 * D_MODEL**2, 18 * D_MODEL**2
"""Operations a token: queries; keys and values; output projection and MLP."""
BLOCK = QUERY + KEY_VALUE + AFTER


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """The median of ``times`` runs, the device's queue included."""
    taken = []
    for _ in range(times):
        wait_for_device()
        start = time.perf_counter()
        work()
        wait_for_device()
        taken.append(time.perf_counter() - start)
    return median(taken)


def wait_for_device() -> None:
    """Returns when a GPU, if there is one, has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matrix_rate(device: torch.device) -> float:
    """Operations a second of a large float32 matrix product, best of several."""
    a, b = torch.randn(2048, 768, device=device), torch.randn(768, 3072, device=device)
    work = 2 * 2048 * 768 * 3072
    return max(work / seconds(lambda: a @ b) for _ in range(30))


def beginnings(tokens: Tensor, first: int = 0) -> int:
    """Different beginnings of the prompts that end at position ``first`` or later.

    A causal model computes the same for equal ones.
    """
    rows = tokens.tolist()
    return len({tuple(row[: end + 1]) for row in rows for end in range(first, len(row))})


def sweep_flops(tokens: Tensor, cells: list[tuple[int, int, int]], at: Callable[[int], int]) -> int:
    """Operations of a sweep that reads the answers' logits at the last position.

    Args:
        tokens: what tells prompts apart, [prompt, pos].
        cells: (layer, position from which later blocks differ, operations before attention in the
            own block).
        at: how many tokens the own block computes after attention, by that position.
    """
    n_prompts, total = len(tokens), 0
    onward = {first: beginnings(tokens, first) for first in {first for _, first, _ in cells}}
    for layer, first, before in cells:
        total += before
        if layer == N_LAYER - 1:
            total += AFTER * min(n_prompts, at(first))
            continue
        total += AFTER * at(first) + BLOCK * onward[first] * (N_LAYER - 2 - layer)
        total += KEY_VALUE * onward[first] + (QUERY + AFTER) * n_prompts
    return total
