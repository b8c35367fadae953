"""NeuronView: text coloured by one neuron, and where that neuron is highest and lowest."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.neurons.neurons import neuron_activations, parse_neuron
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class NeuronView(View):
    """One MLP neuron along the selected prompt, and the tokens of all prompts at its two ends.

    ``neuron`` as in ``"L3N1024"``. ``show``: ``"current"``, ``"baseline"`` or ``"difference"``.
    ``top_k``: how many tokens and neurons the lists name. The selected position's strongest neurons
    are listed with it.
    """

    _esm = bundle("neuron.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {
        "neuron/neuron": "neuron",
        "neuron/top": "top_neurons",
    }

    neuron = options.neuron()
    show = options.show()
    top_k = options.top_k()

    def data(self) -> xr.DataArray:
        """Activations of the neuron along the selected prompt; dims pos, layer, neuron."""
        layer, index = parse_neuron(self.neuron)
        session = self._session
        prompt = session.selection.prompt
        now = neuron_activations(session, layer, index, prompt=prompt)
        if self.show == "current":
            return now
        clean = session.with_interventions(())
        before = neuron_activations(clean, layer, index, prompt=prompt)
        return before if self.show == "baseline" else (now - before).assign_attrs(now.attrs)

    def figure(self) -> Figure:
        """Activation per token as bars."""
        return figures.neuron_bars(self.data())
