"""Which heads copy: of a token that is attended to, its own logit ends up among the highest.

After Wang et al. (2022), who tell name movers by it. The score of weights alone (the OV circuit
between embedding and unembedding) finds other heads: models rewrite their embeddings in the first
MLP, and later heads read what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.current import check_cancelled, one_call
from lens_widgets.engine.forward import unembed
from lens_widgets.engine.model import TransformerModel, call_there
from lens_widgets.engine.parts import HEADS, VALUE, check_layers, check_stream
from lens_widgets.engine.stream import StreamParts
from lens_widgets.errors import InputError
from lens_widgets.prompts.token_text import token_text

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

AMONG = 5
"""A token is copied when its logit is one of so many highest."""

MOST_TOKENS = 12
"""Each costs a whole vocabulary of every head."""

WORK = 1 << 27
"""Multiplications at once, or those of one head where these are more: a click may have to wait for
them, 20 to 30 ms on SmolLM2."""

NAMED_FROM = 0.5
"""The score from which a head is said to copy: those that do are far above it, others near 0."""

READ = "blocks.0.hook_resid_post"


@dataclass(frozen=True)
class Copied:
    """The tokens that heads are tried on: ids, and the prompt and position where each is read."""

    ids: tuple[int, ...]
    places: tuple[tuple[int, int], ...]


@one_call()
def copying_scores(session: Session) -> xr.DataArray:
    """Of some tokens, the share that each head copies: how much it is a name mover by its weights.

    What the residual stream is after the first MLP at a token goes through the head's norm, its
    values (with their bias) and its output weights, as if the head attended to this token alone,
    then through the final norm and the unembedding. The token counts as copied when its own logit
    is among the 5 highest. The bias of the output belongs to a layer and not to a head: it is left
    out. Of a model with a norm between attention and the stream, what the head writes goes through
    that norm by itself. Without the session's interventions.

    The tokens are the answers' that the prompts contain, each where it occurs first; where they
    contain none, all of the prompts'. At most 12 of them: the earliest.

    Args:
        session: whose prompts, and of them the tokens.

    Returns:
        Dims layer, head: share of the tokens, from 0 to 1. NaN in layers without heads, and in the
        first, which reads before that MLP. ``attrs["tokens"]`` are the tokens.

    Raises:
        InputError: a model without an MLP in its first layer, without heads behind it, or whose
            heads cannot be taken out by themselves; prompts without any token to try.

    Source:
        Wang et al., Interpretability in the Wild (2022), section 3.1 (copying score).

    Examples:
        >>> copies = lw.analysis.copying_scores(session)
        >>> float(copies[2, 6])
        1.0
    """
    found = try_tokens(session)
    scores = torch.full((session.facts.n_layers, session.facts.n_heads), float("nan"), device="cpu")
    for layer, heads, shares in copying_steps(session, found):
        scores[layer, heads] = shares
        check_cancelled()
    return xr.DataArray(
        scores.numpy(),
        dims=("layer", "head"),
        coords={
            "layer": range(session.facts.n_layers),
            "head": range(session.facts.n_heads),
        },
        attrs={
            "units": "share of tokens",
            "definition": copying_definition(len(found.ids)),
            "tokens": [token_text(session.model.tokenizer, token) for token in found.ids],
        },
    )


def copying_definition(n_tokens: int) -> str:
    """What the score is, in a sentence."""
    return (
        f"share of {n_tokens} tokens whose own logit is among the {AMONG} highest when the head "
        "attends to them alone, read after the first MLP"
    )


def copying_layers(session: Session) -> tuple[int, ...]:
    """The layers whose heads read what the first MLP wrote; InputError where there are none."""
    facts = session.facts
    check_stream(facts)
    heads = check_layers(facts, "copying_scores", HEADS, VALUE)
    if 0 not in facts.mlp_layers or READ not in facts.hooks:
        raise InputError(
            "copying_scores: heads are tried on what the first layer's MLP wrote, and this model "
            "has no MLP there.",
            "lw.analysis.copy_accuracy(session, head) reads the embeddings instead.",
        )
    found = tuple(layer for layer in heads if layer > 0)
    if not found:
        raise InputError(
            "copying_scores: no layer behind the first MLP has heads.",
            "A model of two layers or more has a score.",
        )
    return found


def try_tokens(session: Session) -> Copied:
    """The tokens that heads are tried on; InputError where there are none, or no such heads."""
    copying_layers(session)
    _parts(session)
    prompts = session.prompt_set
    first: dict[int, tuple[int, int]] = {}
    for prompt, (row, added) in enumerate(zip(prompts.rows(), prompts.added, strict=True)):
        # What was put in front, such as BOS, is nobody's word.
        for position, token in enumerate(row[added:], added):
            if token < prompts.n_logits:
                first.setdefault(token, (prompt, position))
    answers = prompts.answers
    told = () if answers is None else (*answers.correct, *answers.wrong)
    asked = {token for ids in told for token in ids}
    chosen = [token for token in first if token in asked] or list(first)
    if not chosen:
        raise InputError(
            "copying_scores: the prompts have no token that the model can predict.",
            "Use prompts of text.",
        )
    ids = tuple(chosen[:MOST_TOKENS])
    return Copied(ids, tuple(first[token] for token in ids))


def copying_steps(
    session: Session, tried: Copied
) -> Iterator[tuple[int, slice, Float[Tensor, "head"]]]:
    """Layer, heads and their scores on the host, a part of a layer at a time.

    What was found stays with the session's run without interventions.
    """
    run = session.run(())
    kept: dict[tuple[int, int], Tensor] = run.derived.setdefault(f"copying {tried}", {})
    stream = _parts(session)
    for layer in copying_layers(session):
        for heads in _parts_of_layer(session, len(tried.ids)):
            key = layer, heads.start
            if key not in kept:
                resid = run.activation(READ)
                read = torch.stack([resid[place] for place in tried.places])
                ids = torch.tensor(tried.ids, device=read.device)

                def share(
                    model: TransformerModel,
                    layer: int = layer,
                    heads: slice = heads,
                    read: Tensor = read,
                    ids: Tensor = ids,
                ) -> Tensor:
                    return _shares(model, stream, layer, heads, read, ids)

                kept[key] = run.compute(share).cpu()
            yield layer, heads, kept[key]


def _parts(session: Session) -> StreamParts:
    try:
        return session.stream
    except InputError as error:
        raise InputError(
            f"copying_scores needs heads that can be tried by themselves. {error.message}",
            "lw.analysis.attribution(session) and ablations tell what heads write.",
        ) from error


def _parts_of_layer(session: Session, n_tokens: int) -> list[slice]:
    """The heads of a layer in groups that are computed at once."""
    facts = session.facts
    width = facts.hooks[READ][-1]
    each = n_tokens * session.prompt_set.n_logits * width
    size = max(1, min(facts.n_heads, WORK // each))
    return [
        slice(start, min(start + size, facts.n_heads)) for start in range(0, facts.n_heads, size)
    ]


def _shares(
    model: TransformerModel,
    stream: StreamParts,
    layer: int,
    heads: slice,
    read: Float[Tensor, "token d_model"],
    ids: Int[Tensor, "token"],
) -> Float[Tensor, "head"]:
    """The share of the tokens that each head copies."""
    written = stream.alone(layer, range(heads.start, heads.stop), read)
    logits = unembed(model, call_there(model.ln_final, written)).float()
    own = logits.gather(-1, ids.expand(len(written), -1)[..., None])
    return ((logits > own).sum(dim=-1) < AMONG).float().mean(dim=-1)
