"""Explorer: the four views together, under one header."""

from __future__ import annotations

from typing import Any, ClassVar

from plotly.graph_objects import Figure

from lens_widgets.views.token import TokenView
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.ablation import AblationPanel
from lens_widgets.widgets.attention import AttentionView
from lens_widgets.widgets.attribution import AttributionTable, effects_shown
from lens_widgets.widgets.base import View, bundle


class Explorer(TokenView, View):
    """Tokens, attention, attribution and ablations of one session as one instrument.

    Takes the options of all four views.
    """

    _esm = bundle("explorer.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {
        **AttentionView.opening_slots,
        **AttributionTable.opening_slots,
        **AblationPanel.opening_slots,
    }

    show = options.show()
    token_mode = options.token_mode()
    attention_mode = options.attention_mode()
    head_average = options.head_average()
    skip_bos = options.skip_bos()
    by = options.by()
    scope = options.scope()
    read_at = options.read_at()
    kind = options.kind()
    values = options.values()

    def data(self) -> Any:
        """The direct effects by ``by``, over ``scope``."""
        return effects_shown(self._session, self.by, self.scope, self.read_at)

    def figure(self) -> Figure:
        """The direct effects as a figure."""
        return figures.effects(self.data())
