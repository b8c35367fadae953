"""Replies with attention patterns, small enough for one message each."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lens_widgets.analysis.attention.patterns import (
    DEFINITIONS,
    UNITS,
    Average,
    Mode,
    head_pattern,
    pooled_patterns,
)
from lens_widgets.engine.pooling import finest_pool, pooled
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_head, check_prompt, summary
from lens_widgets.widgets.replies.tokens import tokens
from lens_widgets.wire.arrays import Packed, exact, positive, signed, weights
from lens_widgets.wire.messages import MAX_REPLY_BYTES


def patterns(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Thumbnails of every head, as fine as a message allows."""
    shown = tokens(session, args)
    mode = _mode(args)
    values, pool = pooled_patterns(session, args["which"], shown["prompt"], mode, MAX_REPLY_BYTES)
    return {
        "summary": shown["summary"],
        "tokens": shown,
        "patterns": _quantised(values, args),
        "pool": pool,
        "which": args["which"],
        "attention_mode": mode,
        "units": UNITS[mode],
        "definition": f"{DEFINITIONS[mode].capitalize()}.",
    }


def pattern(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """One head in full: float32 where it fits, else quantised."""
    values = _head(session, args)
    fits = values.numel() * 4 <= MAX_REPLY_BYTES
    if fits:
        pool, packed = 1, exact(values)
    else:
        pool = finest_pool(1, values.shape[-1], MAX_REPLY_BYTES)
        packed = _quantised(pooled(values, pool, signed=_is_signed(args)), args)
    return {
        "summary": summary(session),
        **{name: args[name] for name in ("prompt", "layer", "head", "which")},
        "attention_mode": _mode(args),
        "head_average": _average(args),
        "exact": fits,
        "pool": pool,
        "pattern": packed,
    }


def pattern_lines(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The exact row and column through one cell."""
    values = _head(session, args)
    query = min(max(args["query_pos"], 0), values.shape[0] - 1)
    key = min(max(args["key_pos"], 0), values.shape[1] - 1)
    return {"row": exact(values[query]), "column": exact(values[:, key])}


def _head(session: Session, args: dict[str, Any]) -> Tensor:
    check_head(session, args["layer"], args["head"])
    prompt = check_prompt(session, args["prompt"])
    layer, head = args["layer"], args["head"]
    return head_pattern(session, args["which"], prompt, layer, head, _mode(args), _average(args))


def _mode(args: dict[str, Any]) -> Mode:
    return args.get("attention_mode", "pattern")


def _average(args: dict[str, Any]) -> Average:
    return args.get("head_average", "none")


def _is_signed(args: dict[str, Any]) -> bool:
    return args["which"] == "difference" or _mode(args) == "scores"


def _quantised(values: Tensor, args: dict[str, Any]) -> Packed:
    if _is_signed(args):
        return signed(values)
    return weights(values) if _mode(args) == "pattern" else positive(values)
