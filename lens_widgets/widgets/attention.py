"""AttentionView: every head's pattern small, the selected one large."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets import figures
from lens_widgets.analysis.patterns import attention_patterns
from lens_widgets.widgets import options
from lens_widgets.widgets.base import View, bundle


class AttentionView(View):
    """Attention patterns of the selected prompt. Hover a head to look, click to select it.

    ``show``: ``"current"``, ``"baseline"`` or ``"difference"``. ``token_mode``: a picked token
    shows what it attends ``"from"`` as query, or what attends ``"to"`` it as key.
    """

    _esm = bundle("attention.js")
    _css = bundle("style.css")
    _view_options = ("show", "token_mode")
    opening: ClassVar[dict[str, str]] = {
        "attention/patterns": "patterns",
        "attention/pattern": "pattern",
    }

    show = options.show()
    token_mode = options.token_mode()

    def data(self) -> xr.DataArray:
        """All patterns of the selected prompt; dims layer, head, query_pos, key_pos."""
        return attention_patterns(self._session, self.show, self._session.selection.prompt)

    def figure(self) -> Figure:
        """The selected head's pattern as a heatmap."""
        selection = self._session.selection
        return figures.pattern_heatmap(self.data(), selection.layer, selection.head)
