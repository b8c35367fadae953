"""From a residual-stream vector to the metric's logits: the linear map behind direct attribution.

With the final norm's scale held at the value the run had, logits are linear in what each component
wrote. A readout is that linear map for one place of one prompt: a vector whose dot product with a
component's output is its direct effect. Post-norms (Gemma 2/3, OLMo 2) and output scaling
(Granite, Cohere) are part of the map; a soft cap enters as the secant between raw and capped value,
so the effects still sum to the metric's logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.norms import norm_of_run
from lens_widgets.engine.model import unembedding, weights_of
from lens_widgets.engine.transformer_lens_private import logits_transform
from lens_widgets.errors import InputError
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Target = Literal["answer_difference", "mean_difference", "answer", "mean_answer", "next_token"]
Where = Literal["metric", "everywhere"] | int
"""Where the logits are read: where the metric reads them, at every position, or at one."""

DEFINITIONS: dict[Target, str] = {
    "answer_difference": "logit of the correct answer minus logit of the wrong one, "
    "at the last position",
    "mean_difference": "mean logit of the correct answers minus mean logit of the wrong ones, "
    "at the last position",
    "answer": "logit of the correct answer minus the mean logit, at the last position",
    "mean_answer": "mean logit of the correct answers minus the mean logit, at the last position",
    "next_token": "logit of the true next token minus the mean logit, mean over positions",
}


def definition_of(target: Target, where: Where = "metric") -> str:
    """What is read, in words."""
    if where == "metric":
        return DEFINITIONS[target]
    what, _, _ = DEFINITIONS[target].partition(", ")
    return f"{what}, at {'each position' if where == 'everywhere' else f'position {where}'}"


@dataclass(frozen=True)
class Readout:
    """``n`` places where logits are read, those of one prompt after those of the prompt before.

    ``weight`` sums to 1 over the places of each prompt that has any, unless ``n_pos`` is given:
    then each place is a result of its own. The target of a place is the sum of its ``tokens``'
    logits times ``shares``, less the mean logit where the shares do not cancel. ``direction`` maps
    the final residual stream to it; ``bias`` is what the final norm and the unembedding add.
    """

    target: Target
    rows: Int[Tensor, "n"]
    positions: Int[Tensor, "n"]
    weight: Float[Tensor, "n"]
    tokens: Int[Tensor, "n token"]
    shares: Float[Tensor, "n token"]
    direction: Float[Tensor, "n d_model"]
    bias: Float[Tensor, "n"]
    n_prompts: int
    n_pos: int | None = None

    @classmethod
    def joined(cls, parts: Sequence[Readout]) -> Readout:
        """Those of some prompts after those of others."""
        starts = accumulate((part.n_prompts for part in parts), initial=0)
        rows = [part.rows + start for part, start in zip(parts, starts, strict=False)]
        names = ("positions", "weight", "tokens", "shares", "direction", "bias")
        whole: dict[str, Any] = {
            name: torch.cat([getattr(part, name) for part in parts]) for name in names
        }
        n_prompts = sum(part.n_prompts for part in parts)
        return replace(parts[0], rows=torch.cat(rows), n_prompts=n_prompts, **whole)

    @property
    def against_mean(self) -> bool:
        """Whether the mean logit is taken off."""
        return not is_difference(self.target)

    def at(self, activation: Tensor) -> Float[Tensor, "n *rest"]:
        """The activation [prompt, pos, ...] at the places read, in float32."""
        return activation[self.rows, self.positions].float()

    def per_prompt(self, effects: Float[Tensor, "n *rest"]) -> Float[Tensor, "prompt *rest"]:
        """Weighted sums over each prompt's places; NaN for prompts without any."""
        weighted = effects * self.weight.view(-1, *[1] * (effects.dim() - 1))
        total = torch.zeros(self.n_prompts, *effects.shape[1:], device=effects.device)
        total.index_add_(0, self.rows, weighted)
        read = torch.zeros(self.n_prompts, dtype=torch.bool, device=effects.device)
        read[self.rows] = True
        return torch.where(read.view(-1, *[1] * (total.dim() - 1)), total, float("nan"))

    def collect(self, effects: Float[Tensor, "n *rest"]) -> Float[Tensor, "prompt *results"]:
        """``per_prompt``, or with ``n_pos`` the places as [prompt, pos, *rest], NaN elsewhere."""
        if self.n_pos is None:
            return self.per_prompt(effects)
        shape = (self.n_prompts, self.n_pos, *effects.shape[1:])
        spread = torch.full(shape, float("nan"), device=effects.device)
        spread[self.rows, self.positions] = effects
        return spread


def attribution_target(session: Session) -> Target:
    """Which logits a session's metric is about."""
    answers = session.prompt_set.answers
    if answers is None or session.metric.name == "loss":
        return "next_token"
    single = all(len(ids) == 1 for ids in answers.correct)
    if session.metric.name in ("prob", "log_prob") or not answers.have_wrong:
        return "answer" if single else "mean_answer"
    return "answer_difference" if answers.are_pairs else "mean_difference"


def is_difference(target: Target) -> bool:
    """Whether correct answers are compared with wrong ones, and not with all tokens."""
    return target in ("answer_difference", "mean_difference")


def readout_of(session: Session, run: Run, where: Where = "metric") -> Readout:
    """``make_readout``, kept with the run."""
    key = f"readout {where}"
    if key not in run.derived:
        run.derived[key] = session.by_parts(lambda some, own: make_readout(some, own, where), run)
    readout: Readout = run.derived[key]
    return readout


def make_readout(session: Session, run: Run, where: Where = "metric") -> Readout:
    """The readout of the session's metric, linearised at ``run``.

    Read ``"everywhere"``, or at one position, each place is read as the metric reads its own: for
    the answers of its prompt, or for the token that follows it.
    """
    model, prompts = session.model, session.prompt_set
    target = attribution_target(session)
    unembed, bias = unembedding(model)
    bias = unembed.new_zeros(unembed.shape[1]) if bias is None else bias
    here, there = prompts.tokens.device, unembed.device
    rows, positions, weight = read_places(session, target, where)
    if target == "next_token":
        tokens = prompts.tokens[rows, positions + 1][:, None]
        shares = torch.ones_like(tokens, dtype=torch.float32)
    else:
        assert prompts.answers is not None
        answers = prompts.answers
        tokens = answers.tokens[rows]
        shares = (answers.weights if is_difference(target) else answers.correct_weights)[rows]
    columns = unembed[:, tokens.to(there)].float().to(here)
    direction = torch.einsum("dnt,nt->nd", columns, shares)
    offset = (bias[tokens.to(there)].float().to(here) * shares).sum(dim=-1)
    if not is_difference(target):
        direction = direction - unembed.float().mean(dim=1).to(here)
        offset = offset - bias.float().mean().to(here)
    n_pos = int(prompts.tokens.shape[1]) if where == "everywhere" else None
    readout = Readout(
        target,
        rows,
        positions,
        weight,
        tokens,
        shares,
        direction,
        offset,
        prompts.n_prompts,
        n_pos,
    )
    return _through_transform(session, run, _through_final_norm(session, run, readout))


def check_where(session: Session, where: Where) -> None:
    """InputError for a position at which nothing can be read in any prompt."""
    if not isinstance(where, int):
        return
    longest = int(_ends(session, attribution_target(session)).max())
    if not 0 <= where < longest:
        raise InputError(
            f"pos={where} is out of range: "
            + ("nothing can be read there." if where >= 0 else "positions count from 0."),
            f"Positions that can be read run from 0 to {longest - 1}.",
        )


def _ends(session: Session, target: Target) -> Int[Tensor, "prompt"]:
    """Up to where each prompt can be read: the last token of a prompt has no next one."""
    prompts = session.prompt_set
    return prompts.positions if target == "next_token" else prompts.lengths


def read_places(session: Session, target: Target, where: Where) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, positions and weights of the places read."""
    prompts = session.prompt_set
    ends = _ends(session, target)
    device = prompts.tokens.device
    if where == "metric" and target != "next_token":
        rows = torch.arange(prompts.n_prompts, device=device)
        return rows, prompts.positions, torch.ones(len(rows), device=device)
    every = torch.arange(prompts.tokens.shape[1], device=device)
    read = prompts.predicted if target == "next_token" else every[None] < ends[:, None]
    if isinstance(where, int):
        read = read & (every[None] == where)
    rows, positions = torch.nonzero(read, as_tuple=True)
    return rows, positions, 1.0 / read.sum(dim=1)[rows].float()


def _through_final_norm(session: Session, run: Run, readout: Readout) -> Readout:
    model = session.model
    bias = weights_of(model.ln_final, "bias")
    added = readout.bias
    if bias is not None:
        added = added + readout.direction @ bias.float().to(readout.direction.device)
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
    """The direction before a norm that has ``direction`` after it, its scale held fixed; itself
    where the model has no such norm.

    InputError for a norm that is no linear map once its scale is held.
    """
    held = norm_of_run(session, name, norm, lambda hook: readout.at(run.activation(hook)))
    return direction if held is None else held.back(direction)


def _through_transform(session: Session, run: Run, readout: Readout) -> Readout:
    """Multiplies by what the architecture does to raw logits, as a secant where it is curved."""
    transform = logits_transform(session.model)
    if transform is None or is_identity(transform, readout.direction):
        return readout
    raw = _raw_logits(session, run, readout)
    capped = transform(raw.clone()).float()
    factor = target_logits(readout, capped) / target_logits(readout, raw)
    # Two equal raw logits leave the secant undefined; the slope at that point is its limit.
    factor = torch.where(factor.isfinite(), factor, torch.ones_like(factor))
    return _with(readout, readout.direction * factor[:, None], readout.bias * factor)


def is_identity(transform: Any, like: Tensor) -> bool:
    """Whether an architecture leaves raw logits as they are."""
    probe = torch.linspace(-200.0, 200.0, 9, device=like.device)
    return bool(torch.equal(transform(probe.clone()), probe))


def _raw_logits(session: Session, run: Run, readout: Readout) -> Float[Tensor, "n d_vocab"]:
    model = session.model
    normed = readout.at(run.activation("ln_final.hook_out"))
    unembed, bias = unembedding(model)
    logits = normed.to(unembed.device) @ unembed.float()
    return (logits if bias is None else logits + bias.float()).to(normed.device)


def target_logits(readout: Readout, logits: Float[Tensor, "n d_vocab"]) -> Tensor:
    """The target's value of these logits, at each place."""
    chosen = (logits.gather(1, readout.tokens) * readout.shares).sum(dim=1)
    return chosen - logits.mean(dim=1) if readout.against_mean else chosen


def _with(readout: Readout, direction: Tensor, bias: Tensor) -> Readout:
    return replace(readout, direction=direction, bias=bias)
