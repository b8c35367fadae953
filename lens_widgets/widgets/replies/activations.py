"""Replies about every activation of a run: the list, one of them in numbers, and its code."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from torch import Tensor

from lens_widgets.analysis.activations.activation_list import Activation, list_activations
from lens_widgets.analysis.activations.activations import Part, Statistics, cut, read, statistics
from lens_widgets.engine.pooling import pooled
from lens_widgets.errors import InputError
from lens_widgets.interventions.code import reading
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, number, summary
from lens_widgets.widgets.replies.tokens import tokens
from lens_widgets.wire.arrays import exact
from lens_widgets.wire.messages import MAX_REPLY_BYTES

# Room for the prompt's tokens beside the numbers.
MAX_CELLS = (MAX_REPLY_BYTES - 200_000) // 4
PART_ROWS = 400


def activations(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Every activation; those that differ in their layer alone are told together."""
    found = list_activations(session)
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for item in found:
        group = _group(item)
        key = tuple(map(repr, group.values()))
        known = groups.setdefault(key, {**group, "layers": []})
        if item.layer is not None:
            known["layers"].append(item.layer)
    return {
        "summary": summary(session),
        "groups": list(groups.values()),
        "n_activations": len(found),
        "n_bytes": sum(item.n_bytes or 0 for item in found),
        "dtype": session.facts.dtype,
    }


def _group(item: Activation) -> dict[str, Any]:
    def general(name: str) -> str:
        prefix = f"blocks.{item.layer}."
        return f"blocks.{{layer}}.{name.removeprefix(prefix)}" if name.startswith(prefix) else name

    return {
        "name": general(item.name),
        "aliases": [general(name) for name in item.aliases],
        "short": [part for part in item.short or () if isinstance(part, str)],
        "dims": list(item.dims),
        "shape": [-1 if length is None else length for length in item.shape],
        "n_bytes": item.n_bytes,
    }


def activation(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Statistics of one activation of one prompt, and a plane of it as fine as a message allows."""
    check_prompt(session, args["prompt"])
    name, prompt, which = args["activation"], args["prompt"], args["which"]
    parts = {
        "baseline": read(session, "baseline", name, prompt),
        "current": read(session, "current", name, prompt),
    }
    parts["difference"] = parts["current"].minus(parts["baseline"])
    shown: Part = parts[which]
    sizes = dict(zip(shown.dims, shown.values.shape, strict=True))
    head, pos = args.get("head", 0), args.get("query_pos")
    plane = cut(sizes, args["slice_rows"], head, session.facts.n_heads, pos)
    values = plane.of(shown)
    row, column = _corner(args, values)
    if row is None:
        sent, row_pool, column_pool = _fitting(values)
    else:
        sent, row_pool, column_pool = _from(values, row, column), 1, 1
    told = tokens(session, args)
    return {
        "summary": told["summary"],
        "tokens": told,
        "activation": name,
        "prompt": prompt,
        "which": which,
        "dims": list(shown.dims),
        "shape": list(shown.values.shape),
        "dtype": session.facts.dtype,
        **{key: _numbers(statistics(part)) for key, part in parts.items()},
        "row_dim": plane.row_dim,
        "column_dim": plane.column_dim,
        "n_rows": values.shape[0],
        "n_columns": values.shape[1],
        "row": row or 0,
        "column": column or 0,
        "row_pool": row_pool,
        "column_pool": column_pool,
        "cuts": [
            {"dim": dim, "index": index, "size": size} for dim, (index, size) in plane.at.items()
        ],
        "values": exact(sent),
        "units": "activation",
    }


def code(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """TransformerLens code that reads the activation."""
    session.run(()).check_name(args["activation"])
    active = list(session.interventions.active)
    return {"code": reading(args["activation"], active, session, args["which"])}


def _numbers(found: Statistics) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int) else number(value)
        for name, value in asdict(found).items()
    }


def _corner(args: dict[str, Any], values: Tensor) -> tuple[int | None, int]:
    """Where a part begins that is wanted number by number; None for the whole plane."""
    if "row_from" not in args and "column_from" not in args:
        return None, 0
    corner = [args.get(name, 0) for name in ("row_from", "column_from")]
    for name, at, size in zip(("row_from", "column_from"), corner, values.shape, strict=True):
        if not 0 <= at < size:
            raise InputError(f"{name}={at} is out of range.", f"It runs from 0 to {size - 1}.")
    return corner[0], corner[1]


def _from(values: Tensor, row: int, column: int) -> Tensor:
    """As many rows and columns from a corner on as a message holds."""
    rows = values[row : row + PART_ROWS, column:]
    return rows[:, : MAX_CELLS // len(rows)]


def _fitting(values: Tensor) -> tuple[Tensor, int, int]:
    """Pooled by the largest magnitude, along the longer side first, until it fits a message."""
    rows, columns = values.shape
    row_pool = column_pool = 1
    while (n_rows := math.ceil(rows / row_pool)) * (
        n_columns := math.ceil(columns / column_pool)
    ) > MAX_CELLS:
        if n_columns >= n_rows:
            column_pool += 1
        else:
            row_pool += 1
    return pooled(values, (row_pool, column_pool), signed=True), row_pool, column_pool
