"""AblationPanel: switches for every head and MLP, and what they do."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.ablation.ablation import ablation_sweep
from lens_widgets.analysis.attribution.attribution import attribution
from lens_widgets.analysis.labels import of_prompt
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class AblationPanel(View):
    """Switch heads and MLPs off and see the metric and the predictions move.

    ``kind``: what takes the output's place (``"zero"``, ``"mean"``, ``"resample"``). ``values``:
    what colours the grid, ``"attribution"`` or the exact ``"effect"``. ``scope`` as in
    AttributionTable.
    """

    _esm = bundle("ablation.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {
        "ablation/grid": "ablation_grid",
        "ablation/effects": "effects",
    }

    kind = options.kind()
    values = options.values()
    scope = options.scope()

    def data(self) -> xr.DataArray:
        """What colours the heads; dims layer, head."""
        if self.values == "effect":
            table = ablation_sweep(self._session, self.kind, per_prompt=True)
        else:
            table = attribution(self._session, "head", per_prompt=True)
        if self.scope == "selected":
            return of_prompt(table, self._session.selection.prompt)
        return table.mean("prompt", keep_attrs=True)

    def figure(self) -> Figure:
        """The grid as a heatmap."""
        return figures.effects(self.data())
