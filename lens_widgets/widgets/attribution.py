"""AttributionTable: who moves the logits, before and after."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.attribution.attribution import By, attribution
from lens_widgets.analysis.labels import of_prompt
from lens_widgets.session.session import Session
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


def effects_shown(session: Session, by: By, scope: str, read_at: str) -> xr.DataArray:
    """Direct effects, the mean over prompts or those of the selected one."""
    selection = session.selection
    pos = selection.query_pos if read_at == "selected" else None
    if scope == "mean":
        return attribution(session, by, pos=pos)
    return of_prompt(attribution(session, by, per_prompt=True, pos=pos), selection.prompt)


class AttributionTable(View):
    """Direct effects by head, layer or component, summing to the metric's logits.

    ``by``: ``"head"``, ``"layer"`` or ``"component"``. ``scope``: ``"mean"`` over prompts, or the
    ``"selected"`` prompt. ``read_at``: where the ``"metric"`` reads the logits, or the
    ``"selected"`` query position. Switches in the rows ablate (zero); a head's row opens into the
    tokens whose values carried its effect, an MLP's into its neurons.
    """

    _esm = bundle("attribution.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"attribution/rows": "attribution"}

    by = options.by()
    scope = options.scope()
    read_at = options.read_at()

    def data(self) -> xr.DataArray:
        """The current direct effects in logits; dims as in ``lw.analysis.attribution``."""
        return effects_shown(self._session, self.by, self.scope, self.read_at)

    def figure(self) -> Figure:
        """The same as a heatmap (heads) or bars."""
        return figures.effects(self.data())
