"""How much each head attends along a stripe of the pattern that has a name.

Definitions after Elhage et al. (2021) and Olsson et al. (2022): heads that attend to the previous
token, to the token itself, to the first token, to what followed the token before, or to an earlier
occurrence of the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.labels import labelled
from lens_widgets.errors import InputError, check_choice
from lens_widgets.run import Run

if TYPE_CHECKING:
    from lens_widgets.session import Session

ScoreKind = Literal["previous", "current", "first", "induction", "duplicate"]

DEFINITIONS: dict[str, str] = {
    "previous": "mean attention of each token to the one before it",
    "current": "mean attention of each token to itself",
    "first": "mean attention of each token to the first one",
    "induction": "mean attention to the token after the previous occurrence of the present one",
    "duplicate": "mean attention to the previous occurrence of the present token",
}
SCORE_KINDS = tuple(DEFINITIONS)

_OFFSET = (
    "mean attention along the diagonal that leads from the second half of a repeated sequence to "
    "the tokens after the same ones in the first"
)


def head_scores(
    session: Session, kind: ScoreKind = "induction", *, per_prompt: bool = False
) -> xr.DataArray:
    """Mean attention of every head on the stripe of ``kind``, from 0 to 1; dims layer, head.

    Under the session's interventions; the mean over prompts carries its standard error as ``sem``,
    ``per_prompt`` keeps a prompt dim. ``"previous"``, ``"current"`` and ``"first"`` average over
    all queries that have such a key. ``"induction"``: for a prompt that is one token and then n
    tokens twice, the mean of the diagonal at offset n - 1 (as in the induction-head detectors of
    TransformerLens's demos, its two queries before the second half included); else the mean over
    the queries whose token occurred before, on the key after its latest occurrence.
    ``"duplicate"``: the mean over these queries on that occurrence itself. A prompt without such a
    query is NaN, and left out of the mean; InputError when no prompt has one.
    """
    check_choice("kind", kind, SCORE_KINDS)
    places = [stripe(session, kind, prompt) for prompt in range(session.prompt_set.n_prompts)]
    if not any(len(queries) for queries, _ in places):
        raise InputError(
            f"kind={kind!r}: no token of any prompt occurs twice before the last.",
            "Use a text with repetitions, such as lw.prompts.repeated_tokens(model).",
        )
    values = stripe_means(session, session.run(), places)
    halves = [repeated_half(row) for row in token_rows(session)]
    exact = kind == "induction" and all(half is not None for half in halves)
    attrs = {
        "units": "attention weight",
        "metric": session.metric.name,
        "definition": _OFFSET if exact else DEFINITIONS[kind],
        "kind": kind,
    }
    return labelled(values, ("layer", "head"), {}, attrs, per_prompt, ragged=True)


def stripe(
    session: Session, kind: str, prompt: int
) -> tuple[Int[Tensor, "place"], Int[Tensor, "place"]]:
    """The query and key positions of one prompt that a kind of score looks at, on the host."""
    row = token_rows(session)[prompt]
    queries = torch.arange(len(row))
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
    pairs = torch.tensor(found, dtype=torch.long).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def repeated_half(row: list[int]) -> int | None:
    """n, when a prompt is one token and then the same n tokens twice; else None."""
    half = (len(row) - 1) // 2
    if half < 1 or len(row) != 2 * half + 1 or row[1 : half + 1] != row[half + 1 :]:
        return None
    return half


def stripe_means(
    session: Session,
    run: Run,
    places: list[tuple[Int[Tensor, "place"], Int[Tensor, "place"]]],
) -> Float[Tensor, "prompt layer head"]:
    """Mean attention of every head of ``run`` over each prompt's places; NaN where it has none."""
    device = session.device
    moved = [(queries.to(device), keys.to(device)) for queries, keys in places]
    layers = []
    for layer in range(session.facts.n_layers):
        pattern = run.pattern(layer).float()
        rows = [pattern[i][:, q, k].mean(dim=-1) for i, (q, k) in enumerate(moved)]
        layers.append(torch.stack(rows))
    return torch.stack(layers, dim=1)


def every_score(session: Session, run: Run) -> Float[Tensor, "prompt kind layer head"]:
    """The scores of all ``SCORE_KINDS``; NaN where a prompt has no such stripe."""
    n_prompts = session.prompt_set.n_prompts
    kinds = [
        stripe_means(session, run, [stripe(session, kind, prompt) for prompt in range(n_prompts)])
        for kind in SCORE_KINDS
    ]
    return torch.stack(kinds, dim=1)


def score_table(session: Session, prompt: int | None = None) -> xr.DataArray:
    """All five scores under the interventions; dims kind, layer, head; of one prompt or the mean.

    NaN where no prompt has the stripe; the mean carries its standard error as ``sem``.
    """
    values = every_score(session, session.run())
    if prompt is not None:
        values = values[prompt : prompt + 1]
    attrs = {"units": "attention weight", "metric": session.metric.name, **DEFINITIONS}
    coords = {"kind": list(SCORE_KINDS)}
    return labelled(values, ("kind", "layer", "head"), coords, attrs, False, ragged=True)


def token_rows(session: Session) -> list[list[int]]:
    """The token ids of each prompt, without padding."""
    rows = zip(session.tokens.tolist(), session.prompt_set.lengths.tolist(), strict=True)
    return [row[:length] for row, length in rows]
