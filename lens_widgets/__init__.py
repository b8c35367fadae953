"""Live, linked widgets that show a transformer's insides. See the README for a first session."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lens_widgets import analysis, prompts
    from lens_widgets.components import Component
    from lens_widgets.interventions.ablate import Ablate
    from lens_widgets.interventions.patch import Patch
    from lens_widgets.interventions.steer import Steer
    from lens_widgets.models.checkpoint import load_checkpoint
    from lens_widgets.models.demo import load_demo
    from lens_widgets.session.session import Session
    from lens_widgets.widgets import (
        AblationPanel,
        ActivationBrowser,
        AttentionView,
        AttributionTable,
        CompositionView,
        Explorer,
        HeadScoresView,
        LogitLensView,
        LossView,
        ModelCard,
        NeuronView,
        PatchingView,
        ScoreDecompositionView,
        TokenView,
        WeightCircuitView,
    )
    from lens_widgets.widgets.export import export_html

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())

_HOME = {
    "Session": "lens_widgets.session",
    "Ablate": "lens_widgets.interventions.ablate",
    "Patch": "lens_widgets.interventions.patch",
    "Steer": "lens_widgets.interventions.steer",
    "Component": "lens_widgets.components",
    "load_demo": "lens_widgets.models.demo",
    "load_checkpoint": "lens_widgets.models.checkpoint",
    "TokenView": "lens_widgets.widgets",
    "AttentionView": "lens_widgets.widgets",
    "AttributionTable": "lens_widgets.widgets",
    "AblationPanel": "lens_widgets.widgets",
    "ActivationBrowser": "lens_widgets.widgets",
    "Explorer": "lens_widgets.widgets",
    "HeadScoresView": "lens_widgets.widgets",
    "LogitLensView": "lens_widgets.widgets",
    "LossView": "lens_widgets.widgets",
    "CompositionView": "lens_widgets.widgets",
    "ModelCard": "lens_widgets.widgets",
    "NeuronView": "lens_widgets.widgets",
    "ScoreDecompositionView": "lens_widgets.widgets",
    "WeightCircuitView": "lens_widgets.widgets",
    "PatchingView": "lens_widgets.widgets",
    "export_html": "lens_widgets.widgets.export",
}
_MODULES = ("analysis", "prompts")

__all__ = [
    "Ablate",
    "AblationPanel",
    "ActivationBrowser",
    "AttentionView",
    "AttributionTable",
    "Component",
    "CompositionView",
    "Explorer",
    "HeadScoresView",
    "LogitLensView",
    "LossView",
    "ModelCard",
    "NeuronView",
    "Patch",
    "PatchingView",
    "ScoreDecompositionView",
    "Session",
    "Steer",
    "TokenView",
    "WeightCircuitView",
    "analysis",
    "export_html",
    "load_checkpoint",
    "load_demo",
    "prompts",
]


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used, so that ``import lens_widgets`` stays quick."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"lens_widgets.{name}")
    raise AttributeError(f"module 'lens_widgets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
