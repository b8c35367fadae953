"""The widgets. Each validates, dispatches and replies; the numbers come from ``analysis``."""

from lens_widgets.views import session_data as _session_data  # noqa: F401
from lens_widgets.views.ablation import AblationPanel
from lens_widgets.views.activation_browser import ActivationBrowser
from lens_widgets.views.attention import AttentionView
from lens_widgets.views.attribution import AttributionTable
from lens_widgets.views.composition import CompositionView
from lens_widgets.views.explorer import Explorer
from lens_widgets.views.head_scores import HeadScoresView
from lens_widgets.views.logit_lens import LogitLensView
from lens_widgets.views.loss import LossView
from lens_widgets.views.model_card import ModelCard
from lens_widgets.views.neuron import NeuronView
from lens_widgets.views.patching import PatchingView
from lens_widgets.views.score_decomposition import ScoreDecompositionView
from lens_widgets.views.token import TokenView
from lens_widgets.views.weight_circuit import WeightCircuitView
from lens_widgets.widgets import replies as _replies  # noqa: F401

__all__ = [
    "AblationPanel",
    "ActivationBrowser",
    "AttentionView",
    "AttributionTable",
    "CompositionView",
    "Explorer",
    "HeadScoresView",
    "LogitLensView",
    "LossView",
    "ModelCard",
    "NeuronView",
    "PatchingView",
    "ScoreDecompositionView",
    "TokenView",
    "WeightCircuitView",
]
