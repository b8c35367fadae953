"""What is predicted at each token of the prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lens_widgets.analysis.labels import labelled
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


def token_loss(session: Session) -> xr.DataArray:
    """The loss of predicting each next token.

    Under the session's interventions.

    Args:
        session: whose prompts and interventions.

    Returns:
        Dims prompt, pos, in nats: minus the log probability of the token at pos + 1. NaN at each
        prompt's last position and beyond, and where the model has no logit for the next token.

    Source:
        TransformerLens's ``loss_fn(..., per_token=True)``.

    Examples:
        >>> loss = lw.analysis.token_loss(session)
        >>> loss.dims, loss.attrs["units"]
        (('prompt', 'pos'), 'nats')
    """
    attrs = {"units": "nats", "metric": session.metric.name, "definition": "next-token loss"}
    return labelled(session.run().loss_per_token, ("pos",), {}, attrs)


def token_accuracy(session: Session) -> xr.DataArray:
    """The share of each prompt's next tokens that the model puts first.

    Under the session's interventions; of the real tokens only, without padding.

    Args:
        session: whose prompts and interventions.

    Returns:
        Dim prompt, a share from 0 to 1; NaN for a prompt without a next token to predict.
        Coordinates ``hits`` and ``tokens`` count for each prompt, ``attrs`` for all together.

    Source:
        TransformerLens's ``utilities.lm_accuracy``.

    Examples:
        >>> accuracy = lw.analysis.token_accuracy(session)
        >>> accuracy.dims, accuracy.attrs["tokens"]
        (('prompt',), 112)
    """
    first = first_ranked(session, session.run())
    hits, tokens = first.sum(dim=1), session.prompt_set.predicted.sum(dim=1)
    share = torch.where(tokens > 0, hits / tokens, torch.full_like(hits / tokens, float("nan")))
    attrs = {
        "units": "share",
        "metric": session.metric.name,
        "definition": "share of next tokens that rank first",
        "hits": int(hits.sum()),
        "tokens": int(tokens.sum()),
    }
    counts = {name: ("prompt", n.cpu().numpy()) for name, n in (("hits", hits), ("tokens", tokens))}
    return labelled(share, (), counts, attrs)


def first_ranked(session: Session, run: Run) -> Bool[Tensor, "prompt next"]:
    """Where the true next token ranks first; false past a prompt's last."""
    return session.by_parts(_first_ranked, run)


def _first_ranked(session: Session, run: Run) -> Bool[Tensor, "prompt next"]:
    predicted = session.prompt_set.predicted[:, :-1]
    following = session.tokens[:, 1:].where(predicted, 0)
    logits = run.logits[:, :-1]
    true = logits.gather(-1, following[..., None])
    return ((logits > true).sum(dim=-1) == 0) & predicted


@dataclass(frozen=True)
class TokenStats:
    """Per position of one prompt: loss in nats, probability and rank (0 = first) of the true next
    token, NaN and -1 where there is none, and the likeliest next tokens."""

    loss: Float[Tensor, "pos"]
    prob: Float[Tensor, "pos"]
    rank: Int[Tensor, "pos"]
    top_probs: Float[Tensor, "pos k"]
    top_tokens: Int[Tensor, "pos k"]


def token_stats(session: Session, run: Run, prompt: int, k: int = 5) -> TokenStats:
    """The predictions of ``run`` at every token of one prompt, kept with the run."""
    key = f"token_stats {prompt} {k}"
    if key not in run.derived:
        run.derived[key] = _token_stats(session, run, prompt, k)
    found: TokenStats = run.derived[key]
    return found


def _token_stats(session: Session, run: Run, prompt: int, k: int) -> TokenStats:
    session, prompt, run = session.around(prompt, run)
    length = int(session.prompt_set.lengths[prompt])
    logits = run.logits_of(prompt)[:length].float()
    log_probs = logits.log_softmax(dim=-1)
    predicted = session.prompt_set.predicted[prompt, :length]
    following = session.tokens[prompt, :length].roll(-1).where(predicted, 0)[:, None]
    true = log_probs.gather(-1, following)[:, 0].masked_fill(~predicted, float("nan"))
    rank = (logits > logits.gather(-1, following)).sum(dim=-1).masked_fill(~predicted, -1)
    top = log_probs.topk(min(k, log_probs.shape[-1]), dim=-1)
    return TokenStats(-true, true.exp(), rank, top.values.exp(), top.indices)
