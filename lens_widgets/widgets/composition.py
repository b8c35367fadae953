"""CompositionView: which heads read what which earlier heads wrote, by their weights."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.circuits.composition import composition_scores
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class CompositionView(View):
    """Composition scores of every pair of heads. Click a pair to select both heads everywhere.

    ``composition``: the earlier head's output in the later one's keys (``"K"``), queries (``"Q"``)
    or values (``"V"``). ``subtract_random``: less the score of random matrices. A
    ``WeightCircuitView`` of the same session shows the circuit of the pair that is clicked.
    """

    _esm = bundle("composition.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"composition/scores": "composition"}

    composition = options.composition()
    subtract_random = options.subtract_random()

    def data(self) -> xr.DataArray:
        """Dims src_layer, src_head, dst_layer, dst_head; NaN where the destination is not later."""
        return composition_scores(self._session, self.composition, self.subtract_random)

    def figure(self) -> Figure:
        """All pairs as one heatmap, sources down and destinations across."""
        return figures.composition_map(self.data())
