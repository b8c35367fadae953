"""What some of a session's prompts, run by themselves, know of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.stream import StreamParts, stream_parts
from lens_widgets.engine.trace import NORMED
from lens_widgets.engine.written import Source
from lens_widgets.interventions.base import Intervention

Active = tuple[Intervention, ...]

PART_CAPTURE = ("hook_pos_embed", "ln_final.hook_in", "ln_final.hook_scale", NORMED)
"""What is captured of many prompts, which are run in parts: what no single block gives again."""


class AllPrompts(Protocol):
    """All prompts of a session."""

    @property
    def stream(self) -> StreamParts:
        """How the parts of the model read and write its residual stream."""

    def clean_mean(self, name: str) -> Float[Tensor, "*axes"]:
        """The mean of a clean activation over positions and prompts."""

    def mean_written(self, writers: Iterable[int], active: Active = ()) -> Source:
        """The mean of what writers write under ``active``."""


@dataclass(frozen=True)
class Part:
    """The prompts in ``rows`` of ``whole``; runs of theirs are kept up to ``kept_bytes``."""

    whole: AllPrompts
    rows: slice
    kept_bytes: int
    _wider: dict[Active, Active] = field(default_factory=dict)

    def narrowed(self, active: Active) -> Active:
        """Interventions on all prompts, for these."""
        own = tuple(item.of_prompts(self.rows) for item in active)
        self._wider[own] = active
        return own

    def widened(self, own: Active) -> Active:
        """What they were on all prompts."""
        return self._wider.get(own, own)


def found_stream(access: ModelAccess, facts: ModelFacts) -> StreamParts:
    """How the parts of the model read and write its residual stream; InputError where that is no
    sum of what they write."""
    return access.exclusively(lambda model, check: stream_parts(model, facts, lambda: access.model))
