"""Replies that split a head's attention scores by who wrote its queries and keys."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from lens_widgets.analysis.attention.attention_scores import attention_scores
from lens_widgets.analysis.attention.score_parts import ScoreParts, score_parts
from lens_widgets.engine.pooling import pooled
from lens_widgets.errors import InputError
from lens_widgets.session.run import Run
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_head, number, summary
from lens_widgets.widgets.replies.tokens import tokens
from lens_widgets.wire.arrays import exact
from lens_widgets.wire.messages import MAX_REPLY_BYTES


def score_sources(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Query source by key source at one pair of positions, or the mean over all pairs."""
    shown = tokens(session, args)
    runs = (session.run(()), session.run())
    clean, now = (_parts(session, run, args) for run in runs)
    at = (
        None
        if args["query_pos"] is None or args["key_pos"] is None
        else (args["query_pos"], args["key_pos"])
    )
    if at is None:
        where = ", mean over all pairs of positions that are not masked"
    else:
        where = f", query {at[0]} on key {at[1]}"
        for name, pos in zip(("query_pos", "key_pos"), at, strict=True):
            length = now.queries.shape[1]
            if not 0 <= pos < length:
                raise InputError(f"{name}={pos} is out of range; the prompt has {length}.", "")
    before, values = (parts.mean() if at is None else parts.at(*at) for parts in (clean, now))
    cap = "; the model caps the sum before its softmax" if now.capped else ""
    return {
        "summary": shown["summary"],
        "tokens": shown,
        "sources": now.sources,
        "parts": exact(values),
        "baseline_parts": exact(before),
        "score": _score(session, runs[1], now, args, at),
        "baseline_score": _score(session, runs[0], clean, args, at),
        "query_pos": at and at[0],
        "key_pos": at and at[1],
        "units": "score",
        "definition": f"scaled attention scores of L{args['layer']}H{args['head']} by the writers "
        f"of query and key{where}{cap}",
    }


def score_map(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """One pair of sources, or their sum, at every pair of positions."""
    which = args["which"]
    now = _map(_parts(session, session.run(() if which == "baseline" else None), args), args)
    if which == "difference":
        now = now - _map(_parts(session, session.run(()), args), args)
    pooled, pool = _fitting(now)
    return {
        "summary": summary(session),
        "values": exact(pooled),
        "pool": pool,
        "query_source": args["query_source"],
        "key_source": args["key_source"],
    }


def _parts(session: Session, run: Run, args: dict[str, Any]) -> ScoreParts:
    check_head(session, args["layer"], args["head"])
    head = f"L{args['layer']}H{args['head']}"
    return score_parts(session, run, head, args["prompt"], args["sources_by"])


def _score(
    session: Session, run: Run, parts: ScoreParts, args: dict[str, Any], at: Any
) -> float | None:
    """The model's own score, or what it caps: nothing of the parts unless it must be."""
    scores = parts.total
    if not parts.capped:
        scores = attention_scores(session, run, args["prompt"], args["layer"])[args["head"]]
    return number(scores.nanmean() if at is None else scores[at])


def _map(parts: ScoreParts, args: dict[str, Any]) -> Tensor:
    def chosen(values: Tensor, name: str, argument: str) -> Tensor:
        if not name:
            return values.sum(dim=0)
        if name not in parts.sources:
            raise InputError(
                f"{argument}={name[:40]!r} is not a source of this head.",
                f"Its sources: {', '.join(parts.sources[:12])}.",
            )
        return values[parts.sources.index(name)]

    queries = chosen(parts.queries, args["query_source"], "query_source")
    keys = chosen(parts.keys, args["key_source"], "key_source")
    return (parts.scale * queries @ keys.T).masked_fill(parts.masked, float("nan"))


def _fitting(values: Tensor) -> tuple[Tensor, int]:
    """Pooled by the largest magnitude until it fits a message; NaN where all is masked."""
    pool = max(1, math.ceil(math.sqrt(4 * values.numel() / (MAX_REPLY_BYTES - 1000))))
    return pooled(values, pool, signed=True), pool
