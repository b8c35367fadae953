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

Logits = Float[Tensor, "prompt *read"]
NAMES = ("logit_diff", "loss", "prob", "kl")


@dataclass(frozen=True)
class Metric:
    """A named quantity of the logits.

    ``reads`` is where it looks: ``"answers"``, the (correct, wrong) logits at each prompt's last
    position, and it is given [prompt, 2]; ``"last"``, all logits there, [prompt, d_vocab]; or
    ``"all"``, and it is given [prompt, pos, d_vocab].
    """

    name: str
    label: str
    units: str
    reads: Literal["answers", "last", "all"]
    compute: Callable[[Logits, PromptSet, Logits | None], Float[Tensor, "prompt"]]

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
        metric = "loss" if prompts.answer_tokens is None else "logit_diff"
    if callable(metric):
        return _custom(metric)
    if not isinstance(metric, str):
        raise InputError(
            f"metric={metric!r} is neither a name nor a function.",
            "Pass a name, or a function from logits [prompt, pos, d_vocab] to one value a prompt.",
        )
    check_choice("metric", metric, NAMES)
    if metric in ("logit_diff", "prob") and prompts.answer_tokens is None:
        raise InputError(f"metric={metric!r} needs answers.", 'Pass answers=[(" Mary", " John")].')
    if metric == "loss" and bool((prompts.lengths < 2).any()):
        raise InputError(
            "metric='loss' needs prompts of two tokens or more: there is no next token to predict.",
            "Use a longer prompt, or pass answers.",
        )
    return _BUILT_IN[metric]


def loss_per_token(logits: Logits, prompts: PromptSet) -> Float[Tensor, "prompt pos"]:
    """Nats for predicting token pos + 1 at each pos; NaN at the last position and at padding."""
    log_probs = logits[:, :-1].float().log_softmax(dim=-1)
    nats = -log_probs.gather(-1, prompts.tokens[:, 1:, None])[..., 0]
    loss = torch.full(prompts.tokens.shape, float("nan"), device=logits.device)
    loss[:, :-1] = nats
    positions = torch.arange(loss.shape[1], device=logits.device)
    return loss.masked_fill(positions[None] >= prompts.positions[:, None], float("nan"))


def _logit_diff(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    return logits[:, 0] - logits[:, 1]


def _loss(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    return loss_per_token(logits, prompts).nanmean(dim=-1)


def _prob(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    assert prompts.answer_tokens is not None
    probs = logits.softmax(dim=-1)
    return probs.gather(-1, prompts.answer_tokens[:, :1])[:, 0]


def _kl(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
    if clean is None:
        return torch.zeros(prompts.n_prompts, device=logits.device)
    reference, changed = clean.log_softmax(dim=-1), logits.log_softmax(dim=-1)
    return (reference.exp() * (reference - changed)).sum(dim=-1)


_BUILT_IN = {
    "logit_diff": Metric("logit_diff", "logit difference", "logits", "answers", _logit_diff),
    "loss": Metric("loss", "next-token loss", "nats", "all", _loss),
    "prob": Metric("prob", "probability of the answer", "probability", "last", _prob),
    "kl": Metric("kl", "KL from the clean run", "nats", "last", _kl),
}


def _custom(function: Callable[[Logits], Any]) -> Metric:
    name = getattr(function, "__name__", type(function).__name__)

    def compute(logits: Logits, prompts: PromptSet, clean: Logits | None) -> Tensor:
        try:
            values = function(logits)
        except Exception as error:
            raise InputError(
                f"metric {name!r} raised {type(error).__name__}: {error}",
                f"It was called with logits of shape {list(logits.shape)}.",
            ) from error
        if not isinstance(values, Tensor) or values.shape != (prompts.n_prompts,):
            came = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InputError(
                f"metric {name!r} must return a tensor of shape [{prompts.n_prompts}], one value "
                f"per prompt; got {came}.",
                "Do not average over prompts: lens_widgets does that.",
            )
        values = values.float()
        if not logits.requires_grad:
            values = values.detach()
        if not bool(values.isfinite().all()):
            raise InputError(
                f"metric {name!r} returned values that are not finite: {values.tolist()}.",
                "Check for logs of zero and for padding positions.",
            )
        return values

    label = "metric" if name == "<lambda>" else name.replace("_", " ")
    units = str(getattr(function, "units", "metric units"))
    return Metric(name, label, units, "all", compute)
