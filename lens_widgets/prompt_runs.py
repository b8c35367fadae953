"""Every run over one set of prompts: the clean one, the corrupted one, those with interventions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.execution import Execution, Outcome
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.handle import ModelHandle
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.sweep import Base, Variant, sweep
from lens_widgets.interventions import Intervention
from lens_widgets.metrics import Metric
from lens_widgets.prompt_set import PromptSet
from lens_widgets.run import Run

KEPT_BYTES = 1 << 30
"""Runs with interventions are kept up to this size, so that undo and redo cost nothing."""

Active = tuple[Intervention, ...]


class PromptRuns:
    """Belongs to one prompt set and metric for good: a session with new prompts makes a new one.

    Making it runs the model once, without interventions. It is what interventions are told about
    the session when they make their hooks.
    """

    def __init__(
        self, handle: ModelHandle, facts: ModelFacts, prompt_set: PromptSet, metric: Metric
    ) -> None:
        self.handle = handle
        self.facts = facts
        self.prompt_set = prompt_set
        self.metric = metric
        self._lock = threading.RLock()
        self._edited: OrderedDict[Active, Run] = OrderedDict()
        self._corrupted: Run | None = None
        self._execution = self._execute(prompt_set)
        self.clean = self._run(self._execution.clean, prompt_set)

    @property
    def device(self) -> torch.device:
        return self.prompt_set.tokens.device

    def clean_activation(self, name: str) -> Tensor:
        """An activation of the run without interventions: [prompt, pos, ...]."""
        return self.clean.activation(name)

    def corrupted_activation(self, name: str) -> Tensor:
        """The same on the corrupted prompts."""
        return self.corrupted().activation(name)

    def corrupted(self) -> Run:
        """The corrupted prompts without interventions; InputError when there are none."""
        with self._lock:
            if self._corrupted is not None:
                return self._corrupted
        prompts = self.prompt_set.corrupted()
        run = self.handle.run_inline(lambda: self._run(self._execute(prompts).clean, prompts))
        with self._lock:
            self._corrupted = run
        return run

    def run(self, active: Active) -> Run:
        """The run under ``active``, kept for the next time it is asked for."""
        if not active:
            return self.clean
        known = self._known(active)
        if known is not None:
            return known
        run = self.handle.run_inline(lambda: self._edit(active, self._capture))
        with self._lock:
            self._edited[active] = run
            kept = self._edited
            while len(kept) > 1 and sum(r.n_bytes for r in kept.values()) > KEPT_BYTES:
                kept.popitem(last=False)
        return run

    def metric_with(self, active: Active) -> Float[Tensor, "prompt"]:
        """The metric under ``active``, keeping nothing else of the run: for sweeps."""
        if not active:
            return self.clean.metric
        known = self._known(active)
        if known is not None:
            return known.metric
        return self.handle.run_inline(lambda: self._edit(active, ())).metric

    def sweep(
        self, active: Active, variants: Sequence[Variant], max_memory_gb: float | None = None
    ) -> Iterator[tuple[int, Float[Tensor, "prompt"]]]:
        """The metric [prompt] under ``active`` and one variant each: (index, metric) as known.

        Runs that cannot be resumed are made one whole forward at a time.
        """
        run = self.run(active)
        hooks = self._hooks(active)
        clean = self.clean.outcome
        if not run.outcome.calls:
            for index, variant in enumerate(variants):
                made = self._execution.edited([*hooks, variant.hook], ())
                yield index, self.metric.of(made, self.prompt_set, clean)
            return
        last = self.metric.reads == "last"
        positions = self.prompt_set.positions if last else None
        reference = clean.logits_at(self.prompt_set.positions).float() if last else clean.logits

        def read(logits: Tensor) -> Tensor:
            return self.metric.compute(logits, self.prompt_set, reference)

        base = Base(run.outcome.calls, hooks)
        for chunk in sweep(self.handle, base, variants, read, positions, max_memory_gb):
            yield from chunk

    def release(self) -> None:
        """Lets go of all runs but the clean one's metric."""
        with self._lock:
            self._edited.clear()
            self._corrupted = None

    def _known(self, active: Active) -> Run | None:
        with self._lock:
            run = self._edited.get(active)
            if run is not None:
                self._edited.move_to_end(active)
            return run

    @property
    def _capture(self) -> list[str]:
        return self.facts.standard_capture(*self.prompt_set.tokens.shape)

    def _execute(self, prompts: PromptSet) -> Execution:
        return Execution(self.handle, prompts.tokens, prompts.attention_mask, self._capture)

    def _edit(self, active: Active, capture: Sequence[str]) -> Run:
        return self._run(self._execution.edited(self._hooks(active), capture), self.prompt_set)

    def _hooks(self, active: Active) -> list[Hook]:
        return [hook for item in active for hook in item.hooks(self)]

    def _run(self, outcome: Outcome, prompts: PromptSet) -> Run:
        clean = self._execution.clean
        metric = self.metric.of(outcome, prompts, None if outcome is clean else clean)
        return Run(self.handle, outcome, prompts, metric, self.facts.hooks)
