"""LogitLensView: what the model would predict if it stopped earlier."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.attribution.accumulated import lens_lines
from lens_widgets.analysis.logit_lens.logit_lens import logit_lens
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class LogitLensView(View):
    """Top tokens of every stage of the residual stream at every position of the selected prompt.

    ``show``: ``"current"``, ``"baseline"`` or ``"difference"``. ``lens_color``: ``"prob"`` of the
    top token, ``"rank"`` of the target, or ``"kl"`` from the final distribution, in nats.
    ``lens_target``: ``"answer"``, ``"next"`` (the true next token) or ``"auto"``. ``lens_order``:
    ``"last_on_top"`` or ``"first_on_top"``. ``incl_mid``: also between attention and MLP.
    ``pins``: ids of tokens followed from stage to stage; the answers when empty. ``scope`` of the
    lines as in AttributionTable.
    """

    _esm = bundle("logit_lens.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {
        "logit_lens/grid": "lens",
        "logit_lens/path": "lens_path",
        "logit_lens/lines": "lens_lines",
    }

    show = options.show()
    lens_color = options.lens_color()
    lens_target = options.lens_target()
    lens_order = options.lens_order()
    incl_mid = options.incl_mid()
    pins = options.pins()
    scope = options.scope()

    def data(self) -> xr.Dataset:
        """The lens of the selected prompt as in ``lw.analysis.logit_lens``, with ``accumulated``
        [stage] and ``contribution`` [component] in logits over ``scope``, and their standard errors
        ``accumulated_sem`` and ``contribution_sem``."""
        session = self._session
        selected = session.selection.prompt
        target = None if self.lens_target == "auto" else self.lens_target
        table = logit_lens(
            session,
            which=self.show,
            incl_mid=self.incl_mid,
            target=target,
            prompt=selected,
            positions=range(int(session.positions[selected]) + 1),
        )
        prompt = None if self.scope == "mean" else selected
        lines = lens_lines(session, self.show, self.incl_mid, prompt)
        return table.assign(lines.data_vars).assign_coords(component=lines["component"])

    def figure(self) -> Figure:
        """The grid as a heatmap with its tokens, and both lines."""
        return figures.logit_lens(self.data(), self.lens_color, self.lens_order)
