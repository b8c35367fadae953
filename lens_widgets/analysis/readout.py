"""From a residual-stream vector to the metric's logits: the linear map behind direct attribution.

With the final norm's scale held at the value the run had, logits are linear in what each component
wrote. A readout is that linear map for one place of one prompt: a vector whose dot product with a
component's output is its direct effect. Post-norms (Gemma 2/3, OLMo 2) and output scaling
(Granite, Cohere) are part of the map; a soft cap enters as the secant between raw and capped value,
so the effects still sum to the metric's logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.run import Run

if TYPE_CHECKING:
    from lens_widgets.session import Session

Target = Literal["answer_difference", "answer", "next_token"]

DEFINITIONS: dict[Target, str] = {
    "answer_difference": "logit of the correct answer minus logit of the wrong one, "
    "at the last position",
    "answer": "logit of the correct answer minus the mean logit, at the last position",
    "next_token": "logit of the true next token minus the mean logit, mean over positions",
}


@dataclass(frozen=True)
class Readout:
    """``n`` places that the metric reads. ``weight`` sums to 1 over the places of each prompt.

    ``direction`` maps the final residual stream to the target's logits; ``bias`` is what the final
    norm and the unembedding add by themselves.
    """

    target: Target
    rows: Int[Tensor, "n"]
    positions: Int[Tensor, "n"]
    weight: Float[Tensor, "n"]
    direction: Float[Tensor, "n d_model"]
    bias: Float[Tensor, "n"]
    n_prompts: int

    def at(self, activation: Tensor) -> Float[Tensor, "n d"]:
        """The activation [prompt, pos, ...] at the places read, in float32."""
        return activation[self.rows, self.positions].float()

    def per_prompt(self, effects: Float[Tensor, "n *rest"]) -> Float[Tensor, "prompt *rest"]:
        """Weighted sums over each prompt's places."""
        weighted = effects * self.weight.view(-1, *[1] * (effects.dim() - 1))
        total = torch.zeros(self.n_prompts, *effects.shape[1:], device=effects.device)
        return total.index_add_(0, self.rows, weighted)


def attribution_target(session: Session) -> Target:
    """Which logits a session's metric is about."""
    if session.prompt_set.answer_tokens is None or session.metric.name == "loss":
        return "next_token"
    return "answer" if session.metric.name == "prob" else "answer_difference"


def make_readout(session: Session, run: Run) -> Readout:
    """The readout of the session's metric, linearised at ``run``."""
    model, prompts = session.model, session.prompt_set
    target = attribution_target(session)
    unembed = model.W_U.detach()
    bias = model.b_U.detach() if model.b_U is not None else unembed.new_zeros(unembed.shape[1])
    if target == "next_token":
        length = prompts.tokens.shape[1]
        places = torch.arange(length, device=prompts.tokens.device)
        rows, positions = torch.nonzero(places[None] < prompts.positions[:, None], as_tuple=True)
        wanted = prompts.tokens[rows, positions + 1]
        weight = 1.0 / prompts.positions[rows].float()
    else:
        assert prompts.answer_tokens is not None
        rows = torch.arange(prompts.n_prompts, device=prompts.tokens.device)
        positions, wanted = prompts.positions, prompts.answer_tokens[:, 0]
        weight = torch.ones(len(rows), device=rows.device)
    if target == "answer_difference":
        assert prompts.answer_tokens is not None
        against = unembed[:, prompts.answer_tokens[:, 1]].float()
        bias_against = bias[prompts.answer_tokens[:, 1]].float()
    else:
        against = unembed.float().mean(dim=1, keepdim=True)
        bias_against = bias.float().mean()
    direction = (unembed[:, wanted].float() - against).T
    offset = bias[wanted].float() - bias_against
    readout = Readout(target, rows, positions, weight, direction, offset, prompts.n_prompts)
    return _through_transform(session, run, _through_final_norm(session, run, readout))


def _through_final_norm(session: Session, run: Run, readout: Readout) -> Readout:
    model = session.model
    bias = getattr(model.ln_final, "bias", None)
    added = readout.bias
    if isinstance(bias, Tensor):
        added = added + readout.direction @ bias.detach().float()
    direction = through_norm(session, run, readout, "ln_final", model.ln_final, readout.direction)
    return _with(readout, direction, added)


def through_norm(
    session: Session,
    run: Run,
    readout: Readout,
    name: str,
    norm: Any,
    direction: Float[Tensor, "n d_model"],
) -> Float[Tensor, "n d_model"]:
    """The direction before a norm that has ``direction`` after it, its scale held fixed."""
    hook = f"{name}.hook_scale"
    if hook not in session.facts.hooks:
        return direction
    weight = getattr(norm, "weight", None)
    if isinstance(weight, Tensor):
        gain = weight.detach().float()
        direction = direction * (gain + 1.0 if norm.uses_weight_offset else gain)
    if not norm.uses_rms_norm:
        direction = direction - direction.mean(dim=-1, keepdim=True)
    return direction / readout.at(run.activation(hook))


def _through_transform(session: Session, run: Run, readout: Readout) -> Readout:
    """Multiplies by what the architecture does to raw logits, as a secant where it is curved."""
    adapter = getattr(session.model, "adapter", None)
    transform = getattr(adapter, "apply_output_logits_transform", None)
    if transform is None or _is_identity(transform, readout.direction):
        return readout
    raw = _raw_logits(session, run, readout)
    capped = transform(raw.clone()).float()
    factor = target_logits(session, readout, capped) / target_logits(session, readout, raw)
    # Two equal raw logits leave the secant undefined; the slope at that point is its limit.
    factor = torch.where(factor.isfinite(), factor, torch.ones_like(factor))
    return _with(readout, readout.direction * factor[:, None], readout.bias * factor)


def _is_identity(transform: Any, like: Tensor) -> bool:
    probe = torch.linspace(-200.0, 200.0, 9, device=like.device)
    return bool(torch.equal(transform(probe.clone()), probe))


def _raw_logits(session: Session, run: Run, readout: Readout) -> Float[Tensor, "n d_vocab"]:
    model = session.model
    normed = readout.at(run.activation("ln_final.hook_out"))
    logits = normed @ model.W_U.detach().float()
    return logits if model.b_U is None else logits + model.b_U.detach().float()


def target_logits(session: Session, readout: Readout, logits: Float[Tensor, "n d_vocab"]) -> Tensor:
    """The target's value of these logits, at each place."""
    prompts = session.prompt_set
    if readout.target == "next_token":
        wanted = prompts.tokens[readout.rows, readout.positions + 1]
    else:
        assert prompts.answer_tokens is not None
        wanted = prompts.answer_tokens[:, 0]
    chosen = logits.gather(1, wanted[:, None])[:, 0]
    if readout.target == "answer_difference":
        assert prompts.answer_tokens is not None
        return chosen - logits.gather(1, prompts.answer_tokens[:, 1:])[:, 0]
    return chosen - logits.mean(dim=1)


def _with(readout: Readout, direction: Tensor, bias: Tensor) -> Readout:
    return Readout(
        readout.target,
        readout.rows,
        readout.positions,
        readout.weight,
        direction,
        bias,
        readout.n_prompts,
    )
