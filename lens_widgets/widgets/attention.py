"""AttentionView: every head's pattern small, the selected one large."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.attention.head_scores import stripe
from lens_widgets.analysis.attention.patterns import attention_patterns
from lens_widgets.widgets import figures, figures_detectors, options
from lens_widgets.widgets.base import View, bundle


class AttentionView(View):
    """Attention patterns of the selected prompt. Hover a head to look, click to select it.

    ``show``: ``"current"``, ``"baseline"`` or ``"difference"``. ``attention_mode``: weights
    (``"pattern"``), weights times the norm of the value they carry (``"value"``), or ``"scores"``
    before the softmax. ``head_average``: the large pattern is that of one head (``"none"``), the
    mean over its ``"layer"``'s heads or over ``"all"``. ``skip_bos`` leaves the first token out of
    the colours. ``token_mode``: a picked token shows what it attends ``"from"`` as query, or what
    attends ``"to"`` it as key. ``session.selection.stripe`` outlines the cells of a head score.
    """

    _esm = bundle("attention.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {
        "attention/patterns": "patterns",
        "attention/pattern": "pattern",
        "attention/stripe": "stripe",
    }

    show = options.show()
    token_mode = options.token_mode()
    attention_mode = options.attention_mode()
    head_average = options.head_average()
    skip_bos = options.skip_bos()

    def data(self) -> xr.DataArray:
        """All patterns of the selected prompt; dims layer, head, query_pos, key_pos.

        With ``head_average`` the means, without the dims that they are over.
        """
        return attention_patterns(
            self._session,
            self.show,
            self._session.selection.prompt,
            mode=self.attention_mode,
            average=self.head_average,
        )

    def figure(self) -> Figure:
        """The selected head's pattern, or the mean that it is part of, with the outlined stripe."""
        selection = self._session.selection
        figure = figures.pattern_heatmap(self.data(), selection.layer, selection.head)
        if (kind := selection.stripe) is not None:
            queries, keys = stripe(self._session, kind, selection.prompt)
            if len(queries):
                cells = zip(queries.tolist(), keys.tolist(), strict=True)
                figures_detectors.outline(figure, cells, f"{kind} stripe")
        return figure
