"""Whether a metric that is a user's function can be given some of the prompts at a time.

A function that means each prompt by itself can. One that compares prompts, or holds something of
every prompt, cannot, and nothing but its values tells the two apart. So it is given the logits of
all prompts once, and those of the very parts that they would be run in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from torch import Tensor

from lens_widgets.engine import memory
from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.current import check_cancelled, one_call
from lens_widgets.engine.forward import Check, forward
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.session.fitness import check_batch, check_finite
from lens_widgets.session.joined import Joined
from lens_widgets.session.metrics import Metric, of_own


def in_parts(
    access: ModelAccess,
    facts: ModelFacts,
    prompts: PromptSet,
    metric: Metric,
    rows: Sequence[slice],
) -> tuple[Metric, bool]:
    """The metric as it is to be used, and whether parts of the prompts have the values of all.

    Costs a forward of all prompts. Where they must be run together the metric's notes say why.
    """
    assert metric.own is not None
    logits_gb = 4 * prompts.tokens.numel() * prompts.n_logits / 2**30
    if logits_gb * 2**30 > memory.WHOLE_BYTES:
        return _noted(metric, "as their logits are too many to try it on parts", logits_gb), False
    with one_call():
        logits = _logits(access.bound(facts), facts, prompts, rows)
    values = metric.own(logits, prompts)
    settled = metric.own.settled()
    for each in rows:
        check_cancelled()
        if not settled.gives(values[each], logits[each], prompts.of_prompts(each)):
            return _noted(metric, "since it has other values on some of them", logits_gb), False
    return of_own(settled), True


def _logits(
    access: ModelAccess, facts: ModelFacts, prompts: PromptSet, rows: Sequence[slice]
) -> Tensor:
    """Logits [prompt, pos, d_vocab] of all prompts, run in parts."""
    check_batch(facts, prompts)
    found = Joined(prompts.n_prompts)
    for each in rows:
        check_cancelled()
        part = prompts.of_prompts(each)
        logits = access.exclusively(partial(_of_part, part))
        check_finite(facts, logits, part, "prompts", each.start)
        found.add(logits, part.n_prompts)
    whole: Tensor = found.whole
    return whole


def _of_part(part: PromptSet, model: TransformerModel, check: Check | None) -> Tensor:
    return forward(model, part.tokens, attention_mask=part.attention_mask, check=check).logits


def _noted(metric: Metric, why: str, logits_gb: float) -> Metric:
    note = (
        f"The metric {metric.name!r} is given all prompts at once, {why}: every run holds all "
        f"their logits ({logits_gb:.1f} GB) and what blocks compute. A function of each prompt by "
        "itself is run in parts."
    )
    return replace(metric, notes=(note,))
