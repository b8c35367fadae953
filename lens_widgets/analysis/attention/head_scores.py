"""How much each head attends along a stripe of the pattern that has a name.

Definitions after Elhage et al. (2021) and Olsson et al. (2022): heads that attend to the previous
token, to the token itself, to the first token, to what followed the token before, or to an earlier
occurrence of the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.labels import labelled
from lens_widgets.engine.current import one_call
from lens_widgets.engine.parts import PATTERN, check_layers
from lens_widgets.errors import InputError, check_choice
from lens_widgets.session.run import Run
from lens_widgets.session.selection import SCORE_KINDS, ScoreKind

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

DEFINITIONS: dict[ScoreKind, str] = {
    "previous": "mean attention of each token to the one before it",
    "current": "mean attention of each token to itself",
    "first": "mean attention of each token to the first one",
    "induction": "mean attention to the token after the previous occurrence of the present one",
    "duplicate": "mean attention to the previous occurrence of the present token",
}
NEEDS: dict[ScoreKind, str] = {
    "previous": "two tokens",
    "current": "a token",
    "first": "a token",
    "induction": "a token that occurs twice",
    "duplicate": "a token that occurs twice",
}

NAMED_FROM = 0.4
"""The score from which a head is called by a kind: one that looks elsewhere more than it looks
there has no name."""

_OFFSET = (
    "mean attention along the diagonal that leads from the second half of a repeated sequence to "
    "the tokens after the same ones in the first"
)


@one_call()
def head_scores(
    session: Session, kind: ScoreKind = "induction", *, per_prompt: bool = False
) -> xr.DataArray:
    """Mean attention of every head on a stripe of the pattern that has a name.

    Under the session's interventions.

    Args:
        session: whose prompts and interventions.
        kind: ``"previous"``, ``"current"`` or ``"first"``: that key, over all queries that have it.
            ``"induction"``: for a prompt that is one token and then n tokens twice, the diagonal at
            offset n - 1 (its two queries before the second half included); else, over the queries
            whose token occurred before, the key after its latest occurrence. ``"duplicate"``: over
            these queries, that occurrence itself.
        per_prompt: keep the prompts apart instead of their mean.

    Returns:
        Dims layer, head: attention weight from 0 to 1, with ``sem``, the standard error over the
        prompts; a leading dim prompt with ``per_prompt``. A prompt without such a query is NaN, and
        left out of the mean; a layer without attention is NaN.

    Raises:
        InputError: an unknown ``kind``; no prompt that has such a query; no attention.

    Source:
        Olsson et al., In-context Learning and Induction Heads (2022); the detectors of
        TransformerLens's ``head_detector`` and demos.

    Examples:
        >>> scores = lw.analysis.head_scores(session, "duplicate")
        >>> scores.dims
        ('layer', 'head')
    """
    check_choice("kind", kind, SCORE_KINDS)
    if reason := why_missing(session, kind):
        raise InputError(
            f"kind={kind!r}: {reason}",
            "Use a text with repetitions, such as lw.prompts.repeated_tokens(model).",
        )
    values = stripe_scores(session, session.run(), kind)
    attrs = {
        "units": "attention weight",
        "metric": session.metric.name,
        "definition": definition(session, kind),
        "kind": kind,
    }
    return labelled(values, ("layer", "head"), {}, attrs, per_prompt, ragged=True)


def definition(session: Session, kind: ScoreKind, prompt: int | None = None) -> str:
    """What a kind of score is the mean of, in these prompts or in this one."""
    rows = token_rows(session) if prompt is None else [token_rows(session)[prompt]]
    repeated = kind == "induction" and all(repeated_half(row) is not None for row in rows)
    return _OFFSET if repeated else DEFINITIONS[kind]


def stripe(
    session: Session, kind: ScoreKind, prompt: int
) -> tuple[Int[Tensor, "place"], Int[Tensor, "place"]]:
    """The query and key positions of one prompt that a kind of score looks at, on the host."""
    row = session.tokens[prompt, : int(session.prompt_set.lengths[prompt])].tolist()
    queries = torch.arange(len(row), device="cpu")
    if kind == "previous":
        return queries[1:], queries[:-1]
    if kind == "current":
        return queries, queries
    if kind == "first":
        return queries, torch.zeros_like(queries)
    half = repeated_half(row)
    if kind == "induction" and half is not None:
        return queries[half - 1 :], queries[: len(row) - half + 1]
    latest: dict[int, int] = {}
    found: list[tuple[int, int]] = []
    for position, token in enumerate(row):
        if token in latest:
            found.append((position, latest[token] + (kind == "induction")))
        latest[token] = position
    pairs = torch.tensor(found, dtype=torch.long, device="cpu").reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def why_missing(session: Session, kind: ScoreKind, prompt: int | None = None) -> str:
    """In one sentence, why no prompt (or this one) has a stripe of ``kind``; "" where one has."""
    prompts = range(session.prompt_set.n_prompts) if prompt is None else (prompt,)
    if any(len(stripe(session, kind, i)[0]) for i in prompts):
        return ""
    article = "an" if kind[0] in "aeiou" else "a"
    who = "No prompt" if prompt is None else "This prompt"
    verb = "has" if prompt is None else "does not have"
    return f"{who} {verb} {article} {kind} stripe: it needs {NEEDS[kind]}."


def repeated_half(row: list[int]) -> int | None:
    """n, when a prompt is one token and then the same n tokens twice; else None."""
    half = (len(row) - 1) // 2
    if half < 1 or len(row) != 2 * half + 1 or row[1 : half + 1] != row[half + 1 :]:
        return None
    return half


def stripe_scores(
    session: Session, run: Run, kind: ScoreKind
) -> Float[Tensor, "prompt layer head"]:
    """The scores of one kind in each prompt; NaN where a prompt has no such stripe."""
    return _scores(session, run, (kind,))[:, 0]


def every_score(session: Session, run: Run) -> Float[Tensor, "prompt kind layer head"]:
    """The scores of all ``SCORE_KINDS``; NaN where a prompt has no such stripe."""
    return _scores(session, run, SCORE_KINDS)


def _scores(
    session: Session, run: Run, kinds: Sequence[ScoreKind]
) -> Float[Tensor, "prompt kind layer head"]:
    """Mean attention on each prompt's stripes; every layer's patterns are asked for once."""
    return session.by_parts(lambda some, own: _scores_together(some, own, kinds), run)


def _scores_together(
    session: Session, run: Run, kinds: Sequence[ScoreKind]
) -> Float[Tensor, "prompt kind layer head"]:
    prompts, device = range(session.prompt_set.n_prompts), session.device
    places = [
        [[at.to(device) for at in stripe(session, kind, prompt)] for kind in kinds]
        for prompt in prompts
    ]
    facts = session.facts
    shape = (len(prompts), len(kinds), facts.n_layers, facts.n_heads)
    scores = torch.full(shape, float("nan"), device=device)
    for layer in check_layers(facts, "kind", PATTERN):
        pattern = run.pattern(layer).float()
        means = [pattern[i][:, q, k].mean(dim=-1) for i in prompts for q, k in places[i]]
        scores[:, :, layer] = torch.stack(means).unflatten(0, (len(prompts), len(kinds)))
    return scores


def score_table(session: Session, prompt: int | None = None) -> xr.DataArray:
    """All five scores under the interventions; dims kind, layer, head; of one prompt or the mean.

    NaN where no prompt has the stripe; the mean carries its standard error as ``sem``.
    """
    values = every_score(session, session.run())
    if prompt is not None:
        values = values[prompt : prompt + 1]
    definitions: dict[str, str] = {kind: definition(session, kind, prompt) for kind in SCORE_KINDS}
    attrs = {"units": "attention weight", "metric": session.metric.name, **definitions}
    coords = {"kind": list(SCORE_KINDS)}
    return labelled(values, ("kind", "layer", "head"), coords, attrs, False, ragged=True)


def token_rows(session: Session) -> list[list[int]]:
    """The token ids of each prompt, without padding."""
    rows = zip(session.tokens.tolist(), session.prompt_set.lengths.tolist(), strict=True)
    return [row[:length] for row, length in rows]
