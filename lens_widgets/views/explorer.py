"""Explorer: every view of a session as one instrument, under one header."""

from __future__ import annotations

from typing import Any, ClassVar

import plotly.graph_objects as go
import xarray as xr

from lens_widgets.errors import InputError, near
from lens_widgets.session.session import Session
from lens_widgets.views.ablation import AblationPanel
from lens_widgets.views.activation_browser import ActivationBrowser
from lens_widgets.views.attention import AttentionView
from lens_widgets.views.attribution import AttributionTable
from lens_widgets.views.base import View
from lens_widgets.views.bundle import STATIC, bundle
from lens_widgets.views.circuit import CircuitView
from lens_widgets.views.composition import CompositionView
from lens_widgets.views.head_scores import HeadScoresView
from lens_widgets.views.logit_lens import LogitLensView
from lens_widgets.views.loss import LossView
from lens_widgets.views.model_card import ModelCard
from lens_widgets.views.neuron import NeuronView
from lens_widgets.views.patching import PatchingView
from lens_widgets.views.question import question
from lens_widgets.views.score_decomposition import ScoreDecompositionView
from lens_widgets.views.session_data import Code
from lens_widgets.views.token import TokenView
from lens_widgets.views.weight_circuit import WeightCircuitView

SHOWN_AT_ONCE = (TokenView, AttentionView, AttributionTable, AblationPanel)


class Explorer(
    TokenView,
    AttentionView,
    AttributionTable,
    AblationPanel,
    CircuitView,
    PatchingView,
    LogitLensView,
    WeightCircuitView,
    CompositionView,
    ScoreDecompositionView,
    HeadScoresView,
    NeuronView,
    LossView,
    ModelCard,
    ActivationBrowser,
):
    """Every view of one session as one instrument: which head, what one looks at, what it does.

    Tokens, heads, attribution and ablations are always in sight; the others are tabs over the same
    selection. It has the options and the questions of all of them.
    """

    view = "explorer"
    of_session: ClassVar[tuple[str, ...]] = ("metric",)
    _esm = bundle("explorer.js")
    _css = bundle("style.css")

    def opening(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """What the page asks as the view opens: nothing of the tabs, which ask when opened."""
        parts = {view.view for view in SHOWN_AT_ONCE} | {self.view}
        asked = View.opening(self)
        return {slot: what for slot, what in asked.items() if slot.split("/")[0] in parts}

    @question(Code, quick=True)
    @staticmethod
    def tab_code(session: Session, tab: str) -> xr.Dataset:
        """The page's code of a view that is shown in a tab."""
        known = sorted(path.stem for path in (STATIC / "tabs").glob("*.js"))
        if tab not in known:
            raise InputError(f"tab={tab!r} is no view of the explorer.", near(tab, known))
        return Code.dataset(code=bundle(f"tabs/{tab}.js"))

    def data(self) -> Any:
        """The direct effects, as the attribution table has them."""
        return self.ask("rows")

    def figure(self) -> go.Figure:
        """The direct effects as a figure."""
        return AttributionTable.figure(self)
