"""How many rows fit the device, and what running out of memory looks like."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import torch

from lens_widgets.engine.model import TransformerModel, devices_of
from lens_widgets.engine.repeatable import is_repeatable

SHARE = 0.25
"""Of the free memory, what a sweep takes unless told otherwise."""

CEILING_BYTES = 1 << 30
"""More than this makes no sweep faster."""

WHOLE_BYTES = 3 << 30
"""Prompts are run together as far as a backward pass over them takes no more than this on the
host."""

PART_BYTES = 3 << 28
"""Else so many at a time that it takes no more than this."""

GROWN_BYTES = 1 << 28
"""By how much a process may grow before free memory is given back."""

KEPT_BYTES = 1 << 30
"""What is recorded of prompts that are run in parts: of those that do not fit it is made again."""


def rows_together(model: TransformerModel, n_prompts: int, n_pos: int) -> int:
    """How many of some prompts of ``n_pos`` tokens are run together.

    A backward pass holds what every block computed, which is the most that is ever held of them. A
    GPU, which wants large batches, is given ``SHARE`` of its free memory.
    """
    cfg = model.cfg
    d_mlp = getattr(cfg, "d_mlp", None) or 4 * cfg.d_model
    block = 24 * cfg.d_model + 7 * d_mlp + 5 * cfg.n_heads * n_pos
    row = 4 * n_pos * (cfg.n_layers * block + 4 * cfg.d_vocab)
    whole, part = WHOLE_BYTES, PART_BYTES
    if not is_repeatable():
        devices = devices_of(model)
        share = int(SHARE * min(free_bytes(device) for device in devices))
        on_gpus = all(device.type == "cuda" for device in devices)
        whole, part = (share, share) if on_gpus else (min(whole, share), min(part, share))
    return n_prompts if n_prompts * row <= whole else max(1, part // row)


def row_budget(
    model: TransformerModel,
    n_pos: int,
    all_logits: bool,
    max_memory_gb: float | None,
    n_kept: int = 0,
) -> int:
    """Rows of ``n_pos`` tokens that fit the budget, by the widest moment of a block.

    A batch passes all devices that blocks are on: the one with the least memory left decides.

    ``n_kept``: how many vectors of the stream each token keeps through all blocks.
    """
    cfg = model.cfg
    d_mlp = getattr(cfg, "d_mlp", None) or 4 * cfg.d_model
    per_token = 4 * (3 * d_mlp + (12 + n_kept) * cfg.d_model)
    if all_logits:
        per_token += 3 * 4 * cfg.d_vocab
    row = n_pos * (per_token + 3 * 4 * cfg.n_heads * n_pos)
    if max_memory_gb is None:
        free = CEILING_BYTES
        if not is_repeatable():
            free = int(SHARE * min(free_bytes(device) for device in devices_of(model)))
        budget = min(CEILING_BYTES, free)
    else:
        budget = int(max_memory_gb * 2**30)
    return max(1, budget // row)


def give_back() -> None:
    """Gives memory of the host that is free to the system.

    glibc keeps what each of its arenas had at most, and every thread has its own: of prompts that
    are run in many parts that comes to more than any part takes.
    """
    # glibc alone has it.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class GivesBack:
    """Gives back what is free now and then: what is given back and used again has to be cleared."""

    def __init__(self) -> None:
        self._resident = resident_bytes()

    def after_part(self) -> None:
        """Does so where the process has grown by ``GROWN_BYTES``."""
        if resident_bytes() > self._resident + GROWN_BYTES:
            give_back()
            self._resident = resident_bytes()


def resident_bytes() -> int:
    """The process's memory; 0 where that is not told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError):
        return 0


def free_bytes(device: torch.device) -> int:
    """Free memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 4 * CEILING_BYTES


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch failed for want of memory, on a GPU or on the host."""
    text = str(error).lower()
    return (
        isinstance(error, torch.cuda.OutOfMemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
        or "not enough memory" in text
    )
