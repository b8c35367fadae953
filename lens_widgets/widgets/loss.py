"""LossView: the loss at each position, and over the halves of a repeated sequence."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.tokens.losses import loss_table
from lens_widgets.widgets import figures_detectors, options
from lens_widgets.widgets.base import View, bundle


class LossView(View):
    """Loss by position, baseline and current. Click a position to select it everywhere.

    ``scope``: ``"mean"`` over prompts with its standard error, or the ``"selected"`` prompt.
    """

    _esm = bundle("loss.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"loss/losses": "losses"}

    scope = options.scope()

    def data(self) -> xr.Dataset:
        """As ``baseline`` and ``current`` [pos] and ``*_halves`` [half] in nats, with errors."""
        prompt = None if self.scope == "mean" else self._session.selection.prompt
        return loss_table(self._session, prompt)

    def figure(self) -> Figure:
        """Both losses as lines."""
        return figures_detectors.loss_lines(self.data())
