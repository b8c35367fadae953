"""Explorer: tokens, attention, attribution and ablations together, under one header."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from lens_widgets.views.ablation import AblationPanel
from lens_widgets.views.attention import AttentionView
from lens_widgets.views.attribution import AttributionTable
from lens_widgets.views.bundle import bundle
from lens_widgets.views.token import TokenView


class Explorer(TokenView, AttentionView, AttributionTable, AblationPanel):
    """Tokens, attention, attribution and ablations of one session as one instrument.

    It has the options and the questions of all four views.
    """

    view = "explorer"
    of_session = ("metric",)
    _esm = bundle("explorer.js")
    _css = bundle("style.css")

    def data(self) -> Any:
        """The direct effects, as the attribution table has them."""
        return self.ask("rows")

    def figure(self) -> go.Figure:
        """The direct effects as a figure."""
        return AttributionTable.figure(self)
