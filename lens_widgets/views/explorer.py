"""Explorer: tokens, attention, attribution and ablations together, under one header."""

from __future__ import annotations

from typing import Any, ClassVar

import plotly.graph_objects as go

from lens_widgets.views.ablation import AblationPanel
from lens_widgets.views.attention import AttentionView
from lens_widgets.views.bundle import bundle
from lens_widgets.views.token import TokenView
from lens_widgets.widgets.attribution import AttributionTable


class Explorer(TokenView, AttentionView, AttributionTable, AblationPanel):
    """Tokens, attention, attribution and ablations of one session as one instrument.

    It has the options and the questions of all four views.
    """

    view = "explorer"
    of_session = ("metric",)
    _esm = bundle("explorer.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {
        **AttributionTable.opening_slots,
    }

    def data(self) -> Any:
        """The direct effects, as the attribution table has them."""
        return AttributionTable.data(self)

    def figure(self) -> go.Figure:
        """The direct effects as a figure."""
        return AttributionTable.figure(self)
