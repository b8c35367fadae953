"""Explorer: the four views together, under one header."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets import figures
from lens_widgets.widgets import options
from lens_widgets.widgets.ablation import AblationPanel
from lens_widgets.widgets.attention import AttentionView
from lens_widgets.widgets.attribution import AttributionTable, effects_shown
from lens_widgets.widgets.base import View, bundle
from lens_widgets.widgets.token import TokenView


class Explorer(View):
    """Tokens, attention, attribution and ablations of one session as one instrument.

    Takes the options of all four views.
    """

    _esm = bundle("explorer.js")
    _css = bundle("style.css")
    _view_options = ("show", "token_mode", "color", "by", "scope", "kind", "values")
    opening: ClassVar[dict[str, str]] = {
        **TokenView.opening,
        **AttentionView.opening,
        **AttributionTable.opening,
        **AblationPanel.opening,
    }

    show = options.show()
    token_mode = options.token_mode()
    color = options.color()
    by = options.by()
    scope = options.scope()
    kind = options.kind()
    values = options.values()

    def data(self) -> xr.DataArray:
        """The direct effects by ``by``, over ``scope``."""
        return effects_shown(self._session, self.by, self.scope)

    def figure(self) -> Figure:
        """The direct effects as a figure."""
        return figures.effects(self.data())
