"""TokenView: the prompt, its tokens, and what is predicted at each."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.tokens.tokens import token_table
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class TokenView(View):
    """Tokens of the selected prompt, coloured by loss or hit; the prompt can be edited.

    ``color``: ``"loss"`` (nats for the next token) or ``"hit"`` (true next token ranked first).
    """

    _esm = bundle("token.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"token/stats": "token_stats"}

    color = options.color()

    def data(self) -> xr.Dataset:
        """Loss in nats, probability and rank of the true next token; dim pos."""
        return token_table(self._session, self._session.selection.prompt)

    def figure(self) -> Figure:
        """Loss per token as bars."""
        return figures.token_bars(self.data())
