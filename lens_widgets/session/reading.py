"""What sweeps are told of a session: how its metric reads logits, and which prompts begin alike."""

from __future__ import annotations

from jaxtyping import Int
from torch import Tensor

from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.recompute import first_alike
from lens_widgets.engine.variants import Reading
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span
from lens_widgets.session.metrics import Metric
from lens_widgets.session.part import Active


def reading_of(metric: Metric, prompts: PromptSet, facts: ModelFacts, reference: Tensor) -> Reading:
    """A metric as a function of the logits it reads; ``reference``: those of the clean run."""

    def compute(logits: Tensor) -> Tensor:
        return metric.compute(logits, prompts, reference)

    if metric.reads == "all":
        return Reading(compute)
    if metric.reads == "answers" and facts.token_logits:
        return Reading(compute, prompts.positions, prompts.answer_tokens)
    return Reading(lambda last: compute(metric.narrow(last, prompts)), prompts.positions)


def prefix_owner(
    facts: ModelFacts, prompts: PromptSet, active: Active
) -> Int[Tensor, "prompt pos"] | None:
    """Which prompts begin alike, unless what follows or an intervention tells them apart."""
    if not facts.batch.causal:
        return None
    places = [item.acts_at for item in active]
    # A negative position, or a span, is another one in each of them.
    if any(isinstance(each, Span) or min(each or (0,)) < 0 for each in places):
        return None
    batches = [prompts.tokens]
    if prompts.corrupted_tokens is not None:
        batches.append(prompts.corrupted_tokens)
    return first_alike(*batches)
