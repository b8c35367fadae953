"""ScoreDecompositionView: why a head attends, by who wrote its query and its key."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.attention.score_parts import decompose_scores
from lens_widgets.session.session import Session
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class ScoreDecompositionView(View):
    """The selected head's attention scores, query source by key source.

    At the selected query and key, or as the mean over all pairs of positions. ``sources_by``: heads
    by themselves (``"head"``) or a layer's together. ``query_source`` and ``key_source``: the pair
    whose map by position is shown, empty for the sum of all. ``show``: ``"current"``,
    ``"baseline"`` or ``"difference"``.
    """

    _esm = bundle("scores.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {
        "scores/sources": "score_sources",
        "scores/map": "score_map",
    }

    sources_by = options.sources_by()
    query_source = options.query_source()
    key_source = options.key_source()
    show = options.show()

    def data(self) -> xr.DataArray:
        """All parts; dims query_source, key_source, query_pos, key_pos. They sum to the scores."""
        session, chosen = self._session, self._session.selection
        head = f"L{chosen.layer}H{chosen.head}"

        def of(which: Session) -> xr.DataArray:
            return decompose_scores(which, head, prompt=chosen.prompt, by=self.sources_by)

        if self.show == "current":
            return of(session)
        before = of(session.with_interventions(()))
        if self.show == "baseline":
            return before
        now = of(session)
        return (now - before).assign_attrs(now.attrs)

    def figure(self) -> Figure:
        """Query source by key source, at the selected positions or as their mean."""
        chosen = self._session.selection
        return figures.score_parts(self.data(), chosen.query_pos, chosen.key_pos)
