"""One circuit by its kind and heads, kept while the weights it was made of stay as they are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from typing_extensions import TypedDict

from lens_widgets.analysis.weights.factored import FactoredCircuit
from lens_widgets.analysis.weights.weight_circuits import (
    k_composition_circuit,
    ov_circuit,
    pos_circuit,
    q_composition_circuit,
    qk_circuit,
    v_composition_circuit,
)
from lens_widgets.engine.access import access_for
from lens_widgets.engine.locks import lock
from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError, check_choice

CircuitKind = Literal["OV", "QK", "positions", "K", "Q", "V"]


class CircuitChoice(TypedDict):
    """A circuit of a head; ``"K"``, ``"Q"`` and ``"V"`` are of an earlier head, the writer, too."""

    circuit: CircuitKind
    layer: int
    head: int
    writer_layer: int | None
    writer_head: int | None


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
    access = access_for(model)
    # Looked for under the weights as they were read last; what is made is kept under those it is
    # made of.
    for anew in (False, True):
        if anew:
            access.look_anew()
        key = (kind, head, writer if kind in _OF_PAIR else None, access.weights())
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
