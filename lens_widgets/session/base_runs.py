"""What the runs of a session are, whether its prompts are run together or in parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor
from typing_extensions import Self

from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.locks import lock
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.stream import StreamParts
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span
from lens_widgets.session.fitness import check_batch
from lens_widgets.session.metrics import Metric
from lens_widgets.session.part import Active, found_stream
from lens_widgets.session.run import Run


class BaseRuns(ABC):
    """Belongs to one prompt set and metric for good: a session with new prompts makes a new one.

    It is what interventions are told about the session when they make their hooks.
    """

    clean: Run
    """The run without interventions."""

    def __init__(
        self, access: ModelAccess, facts: ModelFacts, prompt_set: PromptSet, metric: Metric
    ) -> None:
        self.access = access.bound(facts)
        self.facts = facts
        self.prompt_set = prompt_set
        self.metric = metric
        self._lock = lock("runs")
        self._stream: StreamParts | None = None
        check_batch(facts, prompt_set)

    @property
    def stream(self) -> StreamParts:
        """How the parts of the model read and write its residual stream, found out when first asked
        for; InputError where that is no sum of what they write."""
        known = self._stream
        if known is None:
            known = self._stream = found_stream(self.access, self.facts)
        return known

    @abstractmethod
    def run(self, active: Active, *, corrupted: bool = False) -> Run:
        """The run under ``active``, kept for the next time it is asked for.

        On the corrupted prompts the metric is still that of the prompts: the same function of the
        logits, with the same targets. InputError when there are no corrupted prompts.
        """

    @abstractmethod
    def known_metric(self, active: Active) -> Float[Tensor, "prompt"] | None:
        """The metric under ``active`` if that run is kept."""

    @abstractmethod
    def _measured(self, active: Active) -> Float[Tensor, "prompt"]:
        """The metric under ``active`` of a run that is not kept."""

    @abstractmethod
    def release(self) -> None:
        """Lets go of all runs but the clean one's metric."""

    def metric_with(self, active: Active) -> Float[Tensor, "prompt"]:
        """The metric under ``active``, keeping nothing else of the run: for sweeps."""
        known = self.known_metric(active)
        if known is not None:
            self.access.check_unchanged()
            return known
        # Not kept, so a look at the model for the run that it is compared with is enough.
        return self.access.run_inline(lambda: self._measured(active))

    def clean_activation(self, name: str) -> Tensor:
        """An activation of the run without interventions: [prompt, pos, ...]."""
        return self.clean.activation(name)

    def corrupted_activation(self, name: str) -> Tensor:
        """The same on the corrupted prompts."""
        return self.run((), corrupted=True).activation(name)

    def with_spans(self, spans: tuple[Span, ...]) -> Self:
        """The same runs, of prompts whose positions have other names."""
        named = copy(self)
        named.prompt_set = replace(self.prompt_set, spans=spans)
        return named
