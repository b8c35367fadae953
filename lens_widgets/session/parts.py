"""Many prompts, of which some are run at a time: as many as fit the memory together.

Their numbers are those of one batch: prompts do not see each other, and the few things that are
means over all of them are asked of the whole (see ``Part``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine import memory
from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.current import check_cancelled, one_call
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.written import KnownWritten, Source
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.session.base_runs import BaseRuns
from lens_widgets.session.joined import Joined, joined
from lens_widgets.session.metrics import Metric
from lens_widgets.session.own_in_parts import in_parts
from lens_widgets.session.part import Active, Part
from lens_widgets.session.run import Run
from lens_widgets.session.runs import KEPT_BYTES, PromptRuns

T = TypeVar("T")

KEPT_RUNS = 100
"""Runs of which the metric, and what analysis made of them, are kept."""


def make_runs(
    access: ModelAccess, facts: ModelFacts, prompt_set: PromptSet, metric: Metric
) -> PromptRuns | PartedRuns:
    """The runs of a session, in parts where the prompts do not fit the memory together, and where a
    metric of the user's can be had of parts."""
    size = memory.rows_together(access.model, *prompt_set.tokens.shape)
    parted = prompt_set.n_prompts > size
    if parted and metric.own is not None:
        rows = part_rows(prompt_set, size)
        metric, parted = in_parts(access, facts, prompt_set, metric, rows)
    if not parted:
        return PromptRuns(access, facts, prompt_set, metric)
    return PartedRuns(access, facts, prompt_set, metric, size)


def part_rows(prompt_set: PromptSet, size: int) -> list[slice]:
    """The prompts of each part of ``size``."""
    n_prompts = prompt_set.n_prompts
    return [slice(i, min(i + size, n_prompts)) for i in range(0, n_prompts, size)]


class PartedRuns(BaseRuns):
    """The runs of a session whose prompts are run in parts of ``size``.

    Parts are kept as long as what they recorded fits ``memory.KEPT_BYTES``, those that came first;
    the others are made again whenever they are used.
    """

    def __init__(
        self,
        access: ModelAccess,
        facts: ModelFacts,
        prompt_set: PromptSet,
        metric: Metric,
        size: int,
    ) -> None:
        super().__init__(access, facts, prompt_set, metric)
        self.size = size
        self.rows = part_rows(prompt_set, size)
        self._kept: dict[int, PromptRuns] = {}
        self._sizes: dict[int, int] = {}
        self._latest: tuple[int, PromptRuns] | None = None
        self._runs: OrderedDict[tuple[bool, Active], PartedRun] = OrderedDict()
        self._means: dict[str, Tensor] = {}
        self._mean_writes: dict[tuple[Active, int], Tensor] = {}
        self.clean = self.run(())

    # --- parts ------------------------------------------------------------------------------

    def part(self, index: int) -> PromptRuns:
        """The runs of one part; of those used before it, what can be made again is let go of."""
        with self._lock:
            latest, known = self._latest, self._kept.get(index)
        if latest is not None:
            if latest[0] == index:
                return latest[1]
            latest[1].rest()
            self._settle(*latest)
        if known is None:
            rows, kept_bytes = self.rows[index], KEPT_BYTES // len(self.rows)
            prompts = self.prompt_set.of_prompts(rows)
            part = Part(self, rows, kept_bytes)
            known = PromptRuns(self.access, self.facts, prompts, self.metric, part)
        with self._lock:
            self._latest = index, known
        return known

    def each(self) -> Iterator[PromptRuns]:
        """One part after the other."""
        given_back = memory.GivesBack()
        with one_call():
            for index in range(len(self.rows)):
                check_cancelled()
                part = self.part(index)
                yield part
                part.rest()
                self._settle(index, part)
                given_back.after_part()

    def _settle(self, index: int, runs: PromptRuns) -> None:
        """Keeps a part, or lets go of it: of its runs with interventions first."""
        with self._lock:
            others = sum(size for each, size in self._sizes.items() if each != index)
        size = sum(runs.held.values())
        if others + size > memory.KEPT_BYTES:
            runs.release()
            size = sum(runs.held.values())
        with self._lock:
            if others + size <= memory.KEPT_BYTES:
                self._kept[index], self._sizes[index] = runs, size
            else:
                self._kept.pop(index, None)
                self._sizes.pop(index, None)

    # --- runs -------------------------------------------------------------------------------

    def run(self, active: Active, *, corrupted: bool = False) -> Run:
        with self._lock:
            known = self._runs.get((corrupted, active))
        if known is not None:
            self.access.check_unchanged()
            return known
        self.access.look_anew()

        def measured() -> Tensor:
            found = (
                part.run(own_interventions(part, active), corrupted=corrupted)
                for part in self.each()
            )
            return joined(run.metric for run in found)

        made = PartedRun(self, active, corrupted, self.access.run_inline(measured))
        with self._lock:
            kept = self._runs
            made = kept.setdefault((corrupted, active), made)
            while len(kept) > KEPT_RUNS:
                # The clean one came first and stays.
                del kept[list(kept)[1]]
            return made

    def known_metric(self, active: Active) -> Float[Tensor, "prompt"] | None:
        with self._lock:
            known = self._runs.get((False, active))
        return None if known is None else known.metric

    def _measured(self, active: Active) -> Float[Tensor, "prompt"]:
        return joined(part.metric_with(own_interventions(part, active)) for part in self.each())

    def release(self) -> None:
        """Lets go of all parts, and of all runs but the clean one's metric."""
        with self._lock:
            self._kept.clear()
            self._sizes.clear()
            self._latest = None
            self._runs = OrderedDict({(False, ()): self._runs[False, ()]})

    # --- of all prompts ---------------------------------------------------------------------

    def clean_mean(self, name: str) -> Float[Tensor, "*axes"]:
        """The mean of a clean activation over positions and prompts."""
        known = self._means.get(name)
        if known is None:
            sums = _Sums()
            for part in self.each():
                sums.add(part.prompt_set.real(part.clean.activation(name)))
            known = self._means[name] = sums.mean
        return known

    def mean_written(self, writers: Iterable[int], active: Active = ()) -> Source:
        """The mean of what some writers write under ``active``, over positions and prompts."""
        wanted = list(writers)
        missing = [number for number in wanted if (active, number) not in self._mean_writes]
        if missing:
            sums = {number: _Sums() for number in missing}
            for part in self.each():
                written = part.written(own_interventions(part, active), missing)
                for number in missing:
                    sums[number].add(part.prompt_set.real(written.write([number])[0]))
            for number, each in sums.items():
                self._mean_writes[active, number] = each.mean
        return KnownWritten({number: self._mean_writes[active, number] for number in wanted})


class _Sums:
    """The mean of rows that come in parts, summed in float64 where the device has it."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._count = 0
        self._dtype = torch.float32

    def add(self, rows: Float[Tensor, "n *axes"]) -> None:
        wide = torch.float32 if rows.device.type == "mps" else torch.float64
        total = rows.sum(dim=0, dtype=wide)
        self._total = total if self._total is None else self._total + total
        self._count += len(rows)
        self._dtype = rows.dtype

    @property
    def mean(self) -> Float[Tensor, "*axes"]:
        assert self._total is not None
        return (self._total / self._count).to(self._dtype)


def own_interventions(part: PromptRuns, active: Active) -> Active:
    """The interventions of all prompts for those of one part."""
    assert part.part is not None
    return part.part.narrowed(active)


class PartedRun(Run):
    """A run of prompts in parts: what is read of it is put together from theirs."""

    def __init__(self, runs: PartedRuns, active: Active, corrupted: bool, metric: Tensor) -> None:
        prompts = runs.prompt_set.corrupted() if corrupted else runs.prompt_set
        super().__init__(runs.access, None, prompts, metric, runs.facts.points)
        self._runs = runs
        self._active = active
        self._corrupted = corrupted

    def of(self, part: PromptRuns) -> Run:
        """The same of one part."""
        return part.run(own_interventions(part, self._active), corrupted=self._corrupted)

    @property
    def resumes(self) -> bool:
        return self._runs.facts.resumable

    @property
    def n_bytes(self) -> int:
        return self.metric.numel() * self.metric.element_size()

    @property
    def logits(self) -> Float[Tensor, "prompt pos d_vocab"]:
        """Logits at every position, put together anew each time: they can be many."""
        return self._joined(lambda run: run.logits)

    def logits_of(self, prompt: int) -> Float[Tensor, "pos d_vocab"]:
        index = prompt // self._runs.size
        part = self._runs.part(index)
        return self.of(part).logits_of(prompt - self._runs.rows[index].start)

    @property
    def loss_per_token(self) -> Float[Tensor, "prompt pos"]:
        if self._loss is None:
            self._loss = self._joined(lambda run: run.loss_per_token)
        return self._loss

    @property
    def last_logits(self) -> Float[Tensor, "prompt d_vocab"]:
        return self._joined(lambda run: run.last_logits)

    def activations(self, names: Sequence[str]) -> dict[str, Tensor]:
        for name in names:
            self.check_name(name)
        return self._of_parts(lambda run: run.activations(names))

    def uncached_activation(self, name: str) -> Tensor:
        self.check_name(name)
        return self._of_parts(lambda run: {name: run.uncached_activation(name)})[name]

    def pooled_patterns(self, layers: Sequence[int], pool: int) -> list[Tensor]:
        return self._joined(lambda run: run.pooled_patterns(layers, pool))

    def _of_parts(self, read: Callable[[Run], dict[str, Tensor]]) -> dict[str, Tensor]:
        """Activations by name; one that prompts share is the same in every part."""
        found = Joined(self._runs.prompt_set.n_prompts)
        shared: dict[str, Tensor] = {}
        for part in self._runs.each():
            n_prompts, by_prompt = part.prompt_set.n_prompts, {}
            for name, value in read(self.of(part)).items():
                if name not in shared and self._has_prompts(name, value, n_prompts):
                    by_prompt[name] = value.reshape(n_prompts, -1, *value.shape[1:])
                else:
                    shared[name] = value
            found.add(by_prompt, n_prompts)
        return shared | {name: value.flatten(0, 1) for name, value in found.whole.items()}

    def _has_prompts(self, name: str, value: Tensor, n_prompts: int) -> bool:
        whole = value.dim() == len(self._runs.facts.hooks[name])
        return whole and value.dim() > 0 and value.shape[0] % n_prompts == 0

    def _joined(self, read: Callable[[Run], T]) -> T:
        found = Joined(self._runs.prompt_set.n_prompts)
        for part in self._runs.each():
            found.add(read(self.of(part)), part.prompt_set.n_prompts)
        whole: T = found.whole
        return whole
