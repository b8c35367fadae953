"""Work on a session's prompts, as many at a time as are run together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import Self

from lens_widgets.engine.shares import ReplacedShares
from lens_widgets.engine.variants import Variant
from lens_widgets.interventions.history import Entry
from lens_widgets.session.joined import Joined
from lens_widgets.session.measured import MeasuredModel
from lens_widgets.session.parts import PartedRun, PartedRuns, own_interventions
from lens_widgets.session.run import Run
from lens_widgets.session.runs import PromptRuns

T = TypeVar("T")
K = TypeVar("K")

TOGETHER = 64
"""Variants that go through all parts before the next ones: each part is set up for them once."""


class InParts(MeasuredModel):
    """The half of a session that knows of parts. Prompts that are run together are the plain case:
    then all of these are the work itself."""

    def _derived(
        self, entries: tuple[Entry, ...], runs: PromptRuns | PartedRuns | None = None
    ) -> Self:
        raise NotImplementedError

    def _of_part(self, runs: PromptRuns) -> Self:
        """A session of some of the prompts, under the same interventions."""
        entries = self.interventions.entries
        own_interventions(runs, tuple(entry.intervention for entry in entries if entry.enabled))
        narrowed = own_interventions(runs, tuple(entry.intervention for entry in entries))
        return self._derived(
            tuple(
                replace(entry, intervention=one)
                for entry, one in zip(entries, narrowed, strict=True)
            ),
            runs,
        )

    def by_parts(self, work: Callable[..., T], *runs: Run) -> T:
        """``work(session, *runs)`` of some prompts at a time, put together along the prompts.

        Args:
            work: gives tensors [prompt, ...]; tuples, lists or dicts of them; or an object whose
                class has a ``joined`` of a list of them.
            runs: of this session; ``work`` is given those of its prompts.

        Returns:
            What ``work`` would give of all prompts at once.
        """
        parted = self._runs
        if isinstance(parted, PromptRuns):
            return work(self, *runs)
        found = Joined(self.prompt_set.n_prompts)
        for part in parted.each():
            own = [_of(run, part) for run in runs]
            found.add(work(self._of_part(part), *own), part.prompt_set.n_prompts)
        whole: T = found.whole
        return whole

    def around(self, prompt: int, *runs: Run) -> tuple[Any, ...]:
        """A session of the prompts that are run together with one of them.

        Args:
            prompt: from 0.
            runs: of this session.

        Returns:
            That session, the prompt's number in it, and those runs of its prompts; this session
            itself for a number that no prompt has.
        """
        parted = self._runs
        if isinstance(parted, PromptRuns) or not 0 <= prompt < self.prompt_set.n_prompts:
            return (self, prompt, *runs)
        index = prompt // parted.size
        part = parted.part(index)
        own = [_of(run, part) for run in runs]
        return (self._of_part(part), prompt - parted.rows[index].start, *own)

    def sweep_by_parts(
        self,
        wanted: Sequence[K],
        variants: Callable[[Self, Sequence[K]], Sequence[Variant]],
        max_memory_gb: float | None = None,
        *,
        corrupted: bool = False,
        shares: Callable[[Self], Sequence[ReplacedShares]] | None = None,
    ) -> Iterator[tuple[int, Float[Tensor, "prompt"]]]:
        """``sweep`` over all prompts, some of them at a time.

        Args:
            wanted: what is changed, one at a time.
            variants: those of some of ``wanted``, for a session of some of the prompts.
            max_memory_gb: as of ``sweep``.
            corrupted: as of ``sweep``.
            shares: as of ``sweep``, for a session of some of the prompts.

        Yields:
            An index into ``wanted`` and the metric [prompt].
        """
        parted = self._runs

        def swept(session: Self, some: Sequence[K]) -> Iterator[tuple[int, Tensor]]:
            replaced = () if shares is None else shares(session)
            return session.sweep(
                variants(session, some), max_memory_gb, corrupted=corrupted, shares=replaced
            )

        if isinstance(parted, PromptRuns):
            yield from swept(self, wanted)
            return
        for start in range(0, len(wanted), TOGETHER):
            some = wanted[start : start + TOGETHER]
            found: list[list[Tensor]] = [[] for _ in some]
            for part in parted.each():
                for index, metric in swept(self._of_part(part), some):
                    found[index].append(metric)
            for index, metrics in enumerate(found):
                yield start + index, torch.cat(metrics)


def _of(run: Run, part: PromptRuns) -> Run:
    assert isinstance(run, PartedRun), "a run of another session"
    return run.of(part)
