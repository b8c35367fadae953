"""ModelCard: what the session's model is, and what it was found to give."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.model.parameters import parameter_counts
from lens_widgets.widgets import figures
from lens_widgets.widgets.base import View, bundle


class ModelCard(View):
    """Shape, design, parameters by matrix, memory, and what trying the model told."""

    _esm = bundle("model_card.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"model_card/card": "model_card"}

    def data(self) -> xr.Dataset:
        """``count``, ``megabytes``, ``shape`` and ``layers`` of each matrix; dim matrix."""
        return parameter_counts(self._session)

    def figure(self) -> Figure:
        """Parameters as areas: groups, and the matrices in them."""
        return figures.parameter_tree(self.data())
