"""Replies with weight circuits: windows, rows, singular directions and copying."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

import torch
from torch import Tensor

from lens_widgets.analysis.circuits.circuit_choice import choose_circuit, largest_pool, pooled
from lens_widgets.analysis.circuits.circuits import copy_counts
from lens_widgets.analysis.circuits.factored import FactoredCircuit
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_head, check_prompt, number, summary
from lens_widgets.wire.arrays import exact
from lens_widgets.wire.messages import Step

SIZE = 48
MAX_SIZE = 128
MAX_TOP = 100
MAX_FOUND = 50
Axis = Literal["rows", "columns"]


def circuit_tile(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """A window of the circuit, or its entries between the tokens of one prompt."""
    circuit = _circuit(session, args)
    size = _within("size", args.get("size", SIZE), 1, MAX_SIZE)
    coarsest = largest_pool(circuit, size)
    pool = _within("pool", args.get("pool", 1), 1, coarsest)
    row = _within("row", args.get("row", 0), 0, circuit.shape[0] - 1)
    col = _within("col", args.get("col", 0), 0, circuit.shape[1] - 1)
    if args["circuit_tokens"] == "prompt" and circuit.rows == "token":
        prompt = check_prompt(session, args["prompt"])
        length = int(session.prompt_set.lengths[prompt])
        # Each token once: the circuit knows no positions.
        chosen = list(dict.fromkeys(session.tokens[prompt, :length].tolist()))[:MAX_SIZE]
        indices = torch.tensor(chosen, device=circuit.left.device)
        values, rows, columns, pool = circuit.values(indices, indices), chosen, chosen, 1
    else:
        values = pooled(circuit, row, col, size, pool)
        rows = [row + i * pool for i in range(values.shape[0])]
        columns = [col + i * pool for i in range(values.shape[1])]
    return {
        "summary": summary(session),
        "name": circuit.name,
        "definition": circuit.definition,
        "units": circuit.units,
        "weights": circuit.attrs["weights"],
        "shape": list(circuit.shape),
        "rank": int(circuit.left.shape[1]),
        "signed": not circuit.causal,
        "token_axes": circuit.rows == "token",
        "rows": _infos(circuit, rows, "rows"),
        "columns": _infos(circuit, columns, "columns"),
        "values": exact(values),
        "row": row,
        "col": col,
        "pool": pool,
        "max_pool": coarsest,
    }


def circuit_row(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The largest and smallest entries of one row."""
    circuit = _circuit(session, args)
    row = _within("row", args["row"], 0, circuit.shape[0] - 1)
    k = _within("top_k", args["top_k"], 1, MAX_TOP)
    high, low = circuit.top_k(row, k), circuit.top_k(row, k, largest=False)
    rows = torch.tensor([row], device=circuit.left.device)
    values = circuit.values(rows, torch.arange(circuit.shape[1], device=rows.device))[0]
    own = values[min(row, circuit.shape[1] - 1)]
    return {
        "row": _infos(circuit, [row], "rows")[0],
        "highest": _ranked(circuit, "columns", *high),
        "lowest": _ranked(circuit, "columns", *low),
        "own": float(own),
        "rank": int((values > own).sum()),
    }


def circuit_find(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Tokens by a part of their text."""
    circuit = _circuit(session, args)
    if circuit.rows != "token":
        raise InputError(f"{circuit.name} has positions, not tokens.", "")
    text = args["text"]
    found = circuit.find(text, MAX_FOUND) if text else []
    return {"tokens": _infos(circuit, found, "rows")}


def circuit_spectrum(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """All singular values, largest first."""
    return {"values": exact(_circuit(session, args).svd[1])}


def circuit_direction(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The tokens at both ends of one singular direction, on both sides."""
    circuit = _circuit(session, args)
    left, values, right = circuit.svd
    index = _within("direction", args["direction"], 0, len(values) - 1)
    k = _within("top_k", args["top_k"], 1, MAX_TOP)
    sides: tuple[tuple[str, Axis, Tensor], ...] = (
        ("row", "rows", left[:, index]),
        ("column", "columns", right[:, index]),
    )
    found = {
        f"{side}_{end}": _ranked(circuit, axis, *values.topk(min(k, len(values)), largest=largest))
        for side, axis, values in sides
        for end, largest in (("highest", True), ("lowest", False))
    }
    return {"direction": index, "value": float(values[index]), **found}


def circuit_copy(session: Session, args: dict[str, Any]) -> Generator[Step, None, dict[str, Any]]:
    """How many tokens a circuit leads back to themselves, bit by bit."""
    circuit = _circuit(session, args)
    total = circuit.shape[0]
    shown = {"done": 0, "total": total, "top1": 0, "top5": 0}
    yield Step(0, total, "copying")
    with torch.no_grad():
        for done, (top1, top5) in copy_counts(circuit):
            shown = {"done": done, "total": total, "top1": top1, "top5": top5}
            yield Step(done, total, "copying", shown)
    return shown


def _circuit(session: Session, args: dict[str, Any]) -> FactoredCircuit:
    check_head(session, args["layer"], args["head"])
    layer, head = args["writer_layer"], args["writer_head"]
    writer = None if layer is None or head is None else f"L{layer}H{head}"
    reader = f"L{args['layer']}H{args['head']}"
    return choose_circuit(session.model, args["circuit"], reader, writer)


def _within(name: str, value: int, lowest: int, highest: int) -> int:
    if not lowest <= value <= highest:
        raise InputError(f"{name}={value} is out of range.", f"{lowest} to {highest}.")
    return value


def _infos(circuit: FactoredCircuit, ids: list[int], axis: Axis) -> list[dict[str, Any]]:
    texts = circuit.labels(ids, axis)
    return [{"id": i, "text": text} for i, text in zip(ids, texts, strict=True)]


def _ranked(
    circuit: FactoredCircuit, axis: Axis, values: Tensor, indices: Tensor
) -> list[dict[str, Any]]:
    infos = _infos(circuit, indices.tolist(), axis)
    return [
        {"token": info, "value": number(value) or 0.0}
        for info, value in zip(infos, values.tolist(), strict=True)
    ]
