"""HeadScoresView: which heads attend along a stripe that has a name, and what they are worth."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.attention.head_scores import score_table
from lens_widgets.widgets import figures_detectors, options
from lens_widgets.widgets.base import View, bundle


class HeadScoresView(View):
    """Scores of every head as maps and as one list, beside what ablating it adds to the loss.

    ``scope``: ``"mean"`` over prompts, or ``"selected"``. ``threshold``: the score from which a
    head is listed. ``kind``: how heads are ablated for the loss, ``"zero"``, ``"mean"`` or
    ``"resample"``; that map is computed when it is asked for.
    """

    _esm = bundle("head_scores.js")
    _css = bundle("style.css")
    _view_options = ("scope", "threshold", "kind")
    opening: ClassVar[dict[str, str]] = {"head_scores/scores": "head_scores"}

    scope = options.scope()
    threshold = options.threshold()
    kind = options.kind()

    def data(self) -> xr.DataArray:
        """Dims kind, layer, head, under the interventions; NaN where no prompt has the stripe."""
        prompt = None if self.scope == "mean" else self._session.selection.prompt
        return score_table(self._session, prompt)

    def figure(self) -> Figure:
        """One heatmap for each kind of score."""
        return figures_detectors.score_maps(self.data())
