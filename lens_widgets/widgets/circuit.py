"""WeightCircuitView: what a head's weights alone do to tokens and positions."""

from __future__ import annotations

from typing import ClassVar

import torch
import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.circuits.circuit_choice import choose_circuit
from lens_widgets.analysis.circuits.factored import FactoredCircuit
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle

SHOWN = 48


class WeightCircuitView(View):
    """A weight circuit of the selected head, or of the selected pair of heads, as a map.

    ``circuit``: ``"OV"``, ``"QK"`` or ``"positions"`` of the head; ``"K"``, ``"Q"`` or ``"V"`` for
    the composition of ``selection.writer_layer``/``writer_head`` with it. ``circuit_tokens``:
    between the tokens of the selected ``"prompt"``, or over the ``"vocabulary"``, window by window.
    ``top_k``: how many tokens a list names. Weights as they are in the model, norms left out.
    """

    _esm = bundle("circuit.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"circuit/tile": "circuit_tile"}

    circuit = options.circuit()
    circuit_tokens = options.circuit_tokens()
    top_k = options.top_k()

    def factored(self) -> FactoredCircuit:
        """The circuit as a product of two factors: tiles, rows and singular directions of it."""
        chosen = self._session.selection
        writer = None
        if chosen.writer_layer is not None and chosen.writer_head is not None:
            writer = f"L{chosen.writer_layer}H{chosen.writer_head}"
        head = f"L{chosen.layer}H{chosen.head}"
        return choose_circuit(self._session.model, self.circuit, head, writer)

    def data(self) -> xr.DataArray:
        """Between the prompt's tokens, or the first window of the vocabulary; dims row, column."""
        circuit = self.factored()
        if self.circuit_tokens == "vocabulary" or circuit.rows != "token":
            return circuit.tile(slice(0, SHOWN), slice(0, SHOWN))
        session = self._session
        prompt = session.selection.prompt
        length = int(session.prompt_set.lengths[prompt])
        tokens = list(dict.fromkeys(session.tokens[prompt, :length].tolist()))
        with torch.no_grad():
            return circuit.tile(tokens, tokens)

    def figure(self) -> Figure:
        """The same as a heatmap."""
        return figures.circuit_map(self.data())
