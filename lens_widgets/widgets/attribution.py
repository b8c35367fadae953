"""AttributionTable: who moves the logits, before and after."""

from __future__ import annotations

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets import figures
from lens_widgets.analysis.attribution import attribution
from lens_widgets.widgets import options
from lens_widgets.widgets.base import View, bundle


class AttributionTable(View):
    """Direct effects by head, layer or component, summing to the metric's logits.

    ``by``: ``"head"``, ``"layer"`` or ``"component"``. ``scope``: ``"mean"`` over prompts, or the
    ``"selected"`` prompt. Switches in the rows ablate (zero).
    """

    _esm = bundle("attribution.js")
    _css = bundle("style.css")
    _view_options = ("by", "scope")

    by = options.by()
    scope = options.scope()

    def data(self) -> xr.DataArray:
        """The current direct effects in logits; dims as in ``lw.analysis.attribution``."""
        per_prompt = attribution(self._session, self.by, per_prompt=True)
        if self.scope == "selected":
            return per_prompt.sel(prompt=self._session.selection.prompt)
        return attribution(self._session, self.by)

    def figure(self) -> Figure:
        """The same as a heatmap (heads) or bars."""
        return figures.effects(self.data())
