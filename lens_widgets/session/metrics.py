"""What a session measures: one number per prompt, computed from the logits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.trace import Trace
from lens_widgets.errors import InputError, check_choice
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.session.own_metric import OwnMetric

Logits = Float[Tensor, "prompt *read"]
NAMES = ("logit_diff", "log_prob", "loss", "prob", "kl")


@dataclass(frozen=True)
class Metric:
    """A named quantity of the logits.

    ``reads`` is where it looks: ``"answers"``, the answers' logits at each prompt's last position,
    and it is given [prompt, answer]; ``"last"``, all logits there, [prompt, d_vocab]; or ``"all"``,
    and it is given [prompt, pos, d_vocab]. ``own`` is the user's function, where it is one, and
    ``notes`` are what is to be said of it.
    """

    name: str
    label: str
    units: str
    reads: Literal["answers", "last", "all"]
    compute: Callable[[Logits, PromptSet, Logits | None], Float[Tensor, "prompt"]]
    own: OwnMetric | None = None
    notes: tuple[str, ...] = ()

    def of(
        self, trace: Trace, prompts: PromptSet, clean: Trace | None = None
    ) -> Float[Tensor, "prompt"]:
        """The metric of each prompt of a run. ``clean``: the run without interventions."""
        reference = None if clean is None else self.read(clean, prompts)
        return self.compute(self.read(trace, prompts), prompts, reference)

    def read(self, trace: Trace, prompts: PromptSet) -> Logits:
        """The logits of a run that the metric is given."""
        if self.reads == "all":
            return trace.logits
        return self.narrow(trace.logits_at(prompts.positions).float(), prompts)

    def narrow(self, last: Float[Tensor, "prompt d_vocab"], prompts: PromptSet) -> Logits:
        """Of the logits at each prompt's last position, those that the metric is given."""
        if self.reads != "answers":
            return last
        assert prompts.answer_tokens is not None
        return last.gather(1, prompts.answer_tokens)


def resolve_metric(metric: Any, prompts: PromptSet) -> Metric:
    """The metric a session was asked for; without one, the one its answers suggest."""
    if metric is None:
        metric = _suggested(prompts)
    if callable(metric):
        return of_own(OwnMetric(metric))
    if not isinstance(metric, str):
        raise InputError(
            f"metric={metric!r} is neither a name nor a function.",
            "Pass a name, or a function from logits [prompt, pos, d_vocab] to one value a prompt.",
        )
    check_choice("metric", metric, NAMES)
    if metric in ("logit_diff", "log_prob", "prob") and prompts.answers is None:
        raise InputError(f"metric={metric!r} needs answers.", 'Pass answers=[(" Mary", " John")].')
    if metric == "logit_diff" and prompts.answers is not None and not prompts.answers.have_wrong:
        raise InputError(
            "metric='logit_diff' needs wrong answers too.",
            'Pass answers=[(" Mary", " John")], or measure "log_prob" or "prob".',
        )
    if metric == "loss" and bool((prompts.lengths < 2).any()):
        raise InputError(
            "metric='loss' needs prompts of two tokens or more: there is no next token to predict.",
            "Use a longer prompt, or pass answers.",
        )
    if metric == "loss" and not bool(prompts.predicted.any(dim=1).all()):
        raise InputError(
            f"metric='loss' needs next tokens that the model can predict: it has logits for ids 0 "
            f"to {prompts.n_logits - 1}, and a prompt has none of them after its first token.",
            "Use other prompts, or pass answers.",
        )
    return _BUILT_IN[metric]


def _suggested(prompts: PromptSet) -> str:
    if prompts.answers is None:
        return "loss"
    return "logit_diff" if prompts.answers.have_wrong else "log_prob"


def loss_per_token(logits: Logits, prompts: PromptSet) -> Float[Tensor, "prompt pos"]:
    """Nats for predicting token pos + 1 at each pos; NaN at the last position, at padding, and
    where the model has no logit for the next token."""
    predicted = prompts.predicted
    following = prompts.tokens.roll(-1, dims=1).where(predicted, 0)
    log_probs = logits.float().log_softmax(dim=-1)
    nats = -log_probs.gather(-1, following[..., None])[..., 0]
    return nats.masked_fill(~predicted, float("nan"))


def _logit_diff(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    assert prompts.answers is not None
    return (logits * prompts.answers.weights).sum(dim=-1)


def _log_prob(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    assert prompts.answers is not None
    found = logits.log_softmax(dim=-1).gather(-1, prompts.answers.tokens)
    return (found * prompts.answers.correct_weights).sum(dim=-1)


def _loss(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    return loss_per_token(logits, prompts).nanmean(dim=-1)


def _prob(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    assert prompts.answers is not None
    probs = logits.softmax(dim=-1).gather(-1, prompts.answers.tokens)
    # Of several correct answers, that one of them follows.
    return (probs * (prompts.answers.weights > 0)).sum(dim=-1)


def _kl(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    if clean is None:
        return torch.zeros(prompts.n_prompts, device=logits.device)
    reference, changed = clean.log_softmax(dim=-1), logits.log_softmax(dim=-1)
    return (reference.exp() * (reference - changed)).sum(dim=-1)


_BUILT_IN = {
    "logit_diff": Metric("logit_diff", "logit difference", "logits", "answers", _logit_diff),
    "log_prob": Metric("log_prob", "log probability of the answer", "nats", "last", _log_prob),
    "loss": Metric("loss", "next-token loss", "nats", "all", _loss),
    "prob": Metric("prob", "probability of the answer", "probability", "last", _prob),
    "kl": Metric("kl", "KL from the clean run", "nats", "last", _kl),
}


def of_own(own: OwnMetric) -> Metric:
    """A function of the user's as a metric."""

    def compute(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
        return own(logits, prompts)

    label = "metric" if own.name == "<lambda>" else own.name.replace("_", " ")
    return Metric(own.name, label, own.units, "all", compute, own)
