"""One circuit by its kind and heads, kept while the weights it was made of stay as they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.circuits.circuits import (
    k_composition_circuit,
    ov_circuit,
    pos_circuit,
    q_composition_circuit,
    qk_circuit,
    v_composition_circuit,
)
from lens_widgets.analysis.circuits.factored import FactoredCircuit
from lens_widgets.analysis.circuits.head_weights import weights_version
from lens_widgets.engine.locks import lock
from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError, check_choice

CircuitKind = Literal["OV", "QK", "positions", "K", "Q", "V"]
_OF_HEAD: dict[str, Callable[..., FactoredCircuit]] = {
    "OV": ov_circuit,
    "QK": qk_circuit,
    "positions": pos_circuit,
}
_OF_PAIR: dict[str, Callable[..., FactoredCircuit]] = {
    "K": k_composition_circuit,
    "Q": q_composition_circuit,
    "V": v_composition_circuit,
}
CIRCUITS = (*_OF_HEAD, *_OF_PAIR)
KEPT = 2
"""Circuits that are kept for each model: 26 MB each for GPT-2's vocabulary."""
POOLED_ENTRIES = 1 << 22
"""Entries that one pooled window may look at."""

_lock = lock("registry")
_kept: WeakKeyDictionary[Any, OrderedDict[tuple[Any, ...], FactoredCircuit]] = WeakKeyDictionary()


def choose_circuit(
    model: TransformerModel, kind: CircuitKind, head: str, writer: str | None = None
) -> FactoredCircuit:
    """The circuit of a head, or for ``"K"``, ``"Q"`` and ``"V"`` of ``writer`` and ``head``.

    InputError when the composition has no earlier head chosen, or the model has no such circuit.
    """
    check_choice("circuit", kind, CIRCUITS)
    if kind in _OF_PAIR and writer is None:
        raise InputError(
            f"circuit={kind!r} needs two heads, and only {head} is chosen.",
            "Choose the earlier head: a cell of CompositionView, or selection.writer_layer and "
            "selection.writer_head.",
        )
    key = (kind, head, writer if kind in _OF_PAIR else None, weights_version(model))
    with _lock:
        mine = _kept.setdefault(model, OrderedDict())
        if key in mine:
            mine.move_to_end(key)
            return mine[key]
    with torch.no_grad():
        made = (
            _OF_PAIR[kind](model, writer, head) if kind in _OF_PAIR else _OF_HEAD[kind](model, head)
        )
    with _lock:
        mine[key] = made
        while len(mine) > KEPT:
            mine.popitem(last=False)
    return made


def pooled(
    circuit: FactoredCircuit, row: int, col: int, size: int, pool: int
) -> Float[Tensor, "row column"]:
    """A window of ``size`` x ``size`` cells from ``row`` and ``col`` on, each the entry of largest
    magnitude of ``pool`` x ``pool``: a thin diagonal stays visible."""
    n_rows, n_columns = circuit.shape
    device = circuit.left.device
    rows = torch.arange(row, min(n_rows, row + size * pool), device=device)
    columns = torch.arange(col, min(n_columns, col + size * pool), device=device)
    values = circuit.values(rows, columns)
    if pool == 1:
        return values
    down, across = (-len(rows)) % pool, (-len(columns)) % pool
    values = torch.nn.functional.pad(values, (0, across, 0, down))
    cells = values.unflatten(0, (-1, pool)).unflatten(2, (-1, pool)).transpose(1, 2).flatten(2)
    where = cells.abs().argmax(dim=2, keepdim=True)
    return cells.gather(2, where)[..., 0]


def largest_pool(circuit: FactoredCircuit, size: int) -> int:
    """The coarsest pooling that ``pooled`` is asked for: all of a small circuit at once, and of a
    large one as much as can be looked at in one go. A power of two."""
    pool = 1
    while pool * size < max(circuit.shape) and (2 * pool * size) ** 2 <= POOLED_ENTRIES:
        pool *= 2
    return pool
