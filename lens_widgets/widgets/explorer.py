"""Explorer: the four views together, under one header."""

from __future__ import annotations

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets import figures
from lens_widgets.widgets import options
from lens_widgets.widgets.attribution import effects_shown
from lens_widgets.widgets.base import View, bundle


class Explorer(View):
    """Tokens, attention, attribution and ablations of one session as one instrument.

    Takes the options of all four views.
    """

    _esm = bundle("explorer.js")
    _css = bundle("style.css")
    _view_options = ("show", "token_mode", "color", "by", "scope", "kind", "values")

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
