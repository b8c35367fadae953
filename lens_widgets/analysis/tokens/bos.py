"""The same text with and without a beginning-of-sequence token: what the model makes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr

from lens_widgets.analysis.tokens.tokens import token_stats
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention
from lens_widgets.prompts.prompt_set import saved_prompt_set
from lens_widgets.prompts.rows import Rows
from lens_widgets.prompts.span import Span
from lens_widgets.prompts.token_text import token_text

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

BOS = ("with", "without")


def compare_bos(session: Session, prompt: int = 0) -> xr.Dataset:
    """Next-token loss and rank of one prompt, with and without BOS in front.

    The session's interventions act in both, on the same tokens.

    Args:
        session: whose model, prompts and interventions.
        prompt: which prompt, from 0.

    Returns:
        Dims bos (``"with"``, ``"without"``), pos: ``loss`` in nats, ``rank`` of the true next token
        (0 is first) and ``token_id``. ``pos`` counts tokens of the text with BOS, which is at 0, so
        that the same token has the same ``pos`` in both. ``loss`` is NaN, and the others -1, where
        there is nothing: without BOS at 0, and at the last token. ``attrs["session"]`` says which
        of the two the session has.

    Raises:
        InputError: a tokenizer without BOS; a prompt that becomes empty or too long; ``prompt`` out
            of range.

    Source:
        The ``prepend_bos`` of TransformerLens, and why it matters, in its documentation.

    Examples:
        >>> both = lw.analysis.compare_bos(session)
        >>> [str(name) for name in both["bos"].values]
        ['with', 'without']
    """
    n_prompts = session.prompt_set.n_prompts
    if not 0 <= prompt < n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {n_prompts} prompts.",
            f"Prompts run from 0 to {n_prompts - 1}.",
        )
    own = "with" if has_bos(session, prompt) else "without"
    other = _other(session)
    both = {own: session, ("without" if own == "with" else "with"): other}
    length = int(both["with"].prompt_set.lengths[prompt])
    ids = torch.full((2, length), -1, device="cpu")
    loss = torch.full((2, length), float("nan"), device="cpu")
    rank = torch.full((2, length), -1, device="cpu")
    for index, name in enumerate(BOS):
        chosen = both[name]
        stats, at = token_stats(chosen, chosen.run(), prompt), slice(index, length)
        ids[index, at] = chosen.tokens[prompt, : length - index].cpu()
        loss[index, at] = stats.loss.cpu()
        rank[index, at] = stats.rank.cpu()
    tokenizer = session.model.tokenizer
    texts = [f"{token_text(tokenizer, i)} {pos}" for pos, i in enumerate(ids[0].tolist())]
    columns = {
        "token_id": (ids, "token id, -1 where there is none"),
        "loss": (loss, "next-token loss in nats"),
        "rank": (rank, "rank of the true next token, 0 is first, -1 where there is none"),
    }
    return xr.Dataset(
        {
            name: (("bos", "pos"), values.numpy(), {"definition": definition})
            for name, (values, definition) in columns.items()
        },
        coords={"bos": list(BOS), "pos": range(length), "token": ("pos", texts)},
        attrs={"prompt": prompt, "session": own},
    )


def bos_id(session: Session) -> int | None:
    """The tokenizer's BOS, when the model has that token."""
    token = getattr(session.model.tokenizer, "bos_token_id", None)
    known = isinstance(token, int) and 0 <= token < session.facts.d_vocab
    return token if known else None


def has_bos(session: Session, prompt: int) -> bool:
    """Whether a prompt begins with the tokenizer's BOS."""
    token = bos_id(session)
    return token is not None and int(session.tokens[prompt, 0]) == token


def _other(session: Session) -> Session:
    """The session's prompts with BOS taken away where they have it, and put before where not."""
    token = bos_id(session)
    if token is None:
        raise InputError(
            "This model's tokenizer has no BOS token, so there is nothing to compare.",
            "Compare two sessions instead, with the first token that you mean in front of one.",
        )
    prompts = session.prompt_set
    given = {has_bos(session, row) for row in range(prompts.n_prompts)}
    if len(given) > 1:
        raise InputError(
            "Some prompts begin with BOS and some do not.",
            "Make the session with prepend_bos=True or prepend_bos=False.",
        )
    shift = -1 if given == {True} else 1
    lengths = prompts.lengths.tolist()
    if shift < 0 and min(lengths) < 3:
        raise InputError(
            "A prompt of one token has no next token to predict without BOS.",
            "Use prompts of two tokens or more.",
        )
    if max(lengths) + shift > session.facts.n_ctx:
        raise InputError(
            f"With BOS the longest prompt has {max(lengths) + 1} tokens; the model's context is "
            f"{session.facts.n_ctx}.",
            "Shorten it by one token.",
        )

    def moved(rows: list[list[int]], texts: tuple[str, ...]) -> Rows:
        added = tuple(max(0, n + shift) for n in prompts.added)
        return Rows([row[1:] if shift < 0 else [token, *row] for row in rows], texts, added)

    corrupted = None
    if prompts.corrupted_texts is not None:
        corrupted = moved(prompts.rows(corrupted=True), prompts.corrupted_texts)
    changed = saved_prompt_set(
        session.model, moved(prompts.rows(), prompts.texts), answers=None, corrupted=corrupted
    )
    interventions = _moved(session.interventions.active, shift)
    return session.with_prompt_set(changed, interventions, "loss")


def _moved(active: Sequence[Intervention], shift: int) -> list[Intervention]:
    """The interventions on the same tokens, wherever these are now."""
    found: list[Intervention] = []
    for item in active:
        if item.acts_at is None:
            found.append(item)
            continue
        # One that acted on BOS alone has nothing to act on without it.
        kept: Any
        if isinstance(item.acts_at, Span):
            kept = item.acts_at.shifted(shift)
        else:
            moved = [(p, p + shift if p >= 0 else p) for p in item.acts_at]
            kept = tuple(now for before, now in moved if before < 0 or now >= 0)
        if kept:
            found.append(replace(item, positions=kept))  # type: ignore[type-var]
    return found
