"""Many variants of one run, each exact, for a fraction of a forward each.

A variant changes one activation of one block. It joins the batch at that block, computes only the
positions it can have changed, and at the end only the logits that are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from torch import Tensor

from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.batch import SweepSetup, run_batch, set_up
from lens_widgets.engine.memory import is_out_of_memory, row_budget
from lens_widgets.engine.repeatable import is_repeatable
from lens_widgets.engine.shares import GivenInputs, ReplacedShares
from lens_widgets.engine.threads import SweepThreads
from lens_widgets.engine.variants import BaseRun, Reading, Variant

BLOCK_SECONDS = 0.1
"""Batches are sized so that a block takes about this long: a stop is noticed between blocks."""

FIRST_TOKENS = 1024

REPEATABLE_TOKENS = 4096
"""In a batch whose size must not depend on how long a block takes."""


class TooLarge(RuntimeError):
    """One variant alone does not fit the memory."""

    def __init__(self, n_prompts: int, n_pos: int) -> None:
        self.message = (
            f"One variant of {n_prompts} prompts x {n_pos} tokens does not fit the memory."
        )
        self.hint = "Use fewer or shorter prompts, or free memory on the device."
        super().__init__(f"{self.message} {self.hint}")


def sweep(
    access: ModelAccess,
    base: BaseRun,
    variants: Sequence[Variant],
    reading: Reading,
    max_memory_gb: float | None = None,
) -> Iterator[list[tuple[int, Tensor]]]:
    """Runs every variant; yields (index, what ``reading`` gave), batch by batch as they finish.

    Variants of one layer are batched together, in the order given. Raises TooLarge when a single
    variant does not fit.
    """
    order = sorted(range(len(variants)), key=lambda i: variants[i].layer)
    setup: SweepSetup | None = None
    adapts = not is_repeatable()
    tokens = FIRST_TOKENS if adapts else REPEATABLE_TOKENS
    size = max(1, tokens // (base.n_prompts * base.n_pos))
    threads = SweepThreads(adapts)
    while order:
        all_logits = reading.positions is None
        n_shares = max(_n_writers(variants[i]) for i in order[:size])
        budget = row_budget(access.model, base.n_pos, all_logits, max_memory_gb, n_shares)
        size = min(size, max(1, budget // base.n_prompts))
        chunk = order[:size]
        chosen = [variants[i] for i in chunk]
        try:
            if setup is None:
                names = _hook_names(base, variants)
                setup = access.exclusively(partial(set_up, base=base, reading=reading, names=names))
            work = partial(run_batch, setup=setup, variants=chosen, threads=threads)
            values, slowest_s = access.exclusively(work)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise TooLarge(base.n_prompts, base.n_pos) from error
            size = max(1, size // 2)
            continue
        del order[: len(chunk)]
        if adapts and slowest_s < BLOCK_SECONDS / 2:
            size *= 2
        elif adapts and slowest_s > BLOCK_SECONDS * 2:
            size = max(1, size // 2)
        yield list(zip(chunk, values, strict=True))


def _n_writers(variant: Variant) -> int:
    """Of how many writers a row keeps what they write."""
    return sum(len(shares.writers) for shares in variant.shares)


def _hook_names(base: BaseRun, variants: Sequence[Variant]) -> list[str]:
    """The hook points that a sweep edits or looks at."""
    names = dict.fromkeys(name for name, _ in base.hooks)
    names |= dict.fromkeys(name for v in variants for name, _ in v.hooks)
    shares = [one for v in variants for one in v.shares] + list(base.shares)
    changed: list[ReplacedShares | GivenInputs] = [*shares]
    changed += [v.given for v in variants if v.given is not None]
    stages = dict.fromkeys(stage for one in changed for stage in one.stages)
    writers = {number for one in shares for number in one.writers}
    for stream in [one.stream for one in changed[:1]]:
        names |= dict.fromkeys(stream.input_hook(layer, kind) for layer, kind in stages)
        names |= dict.fromkeys(stream.hooks_of(sorted(writers)))
    return list(names)
