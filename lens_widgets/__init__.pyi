# The public names and where each lives, listed here once. `__init__.py` reads this file and loads
# a name when it is first used; type checkers, notebooks and the documentation read it too.

from lens_widgets import analysis as analysis
from lens_widgets import data as data
from lens_widgets import prompts as prompts
from lens_widgets.analysis.circuits.circuit import Circuit as Circuit
from lens_widgets.data.dataset import Dataset as Dataset
from lens_widgets.data.run import DataRun as DataRun
from lens_widgets.engine.components import Component as Component
from lens_widgets.interventions.ablate import Ablate as Ablate
from lens_widgets.interventions.cut import Cut as Cut
from lens_widgets.interventions.patch import Patch as Patch
from lens_widgets.interventions.steer import Steer as Steer
from lens_widgets.models.checkpoint import load_checkpoint as load_checkpoint
from lens_widgets.models.demo import load_demo as load_demo
from lens_widgets.session.session import Session as Session
from lens_widgets.session.spans import Spans as Spans
from lens_widgets.views.ablation import AblationPanel as AblationPanel
from lens_widgets.views.activation_browser import ActivationBrowser as ActivationBrowser
from lens_widgets.views.attention import AttentionView as AttentionView
from lens_widgets.views.attribution import AttributionTable as AttributionTable
from lens_widgets.views.circuit import CircuitView as CircuitView
from lens_widgets.views.composition import CompositionView as CompositionView
from lens_widgets.views.data import DataView as DataView
from lens_widgets.views.explorer import Explorer as Explorer
from lens_widgets.views.export import export_html as export_html
from lens_widgets.views.head_scores import HeadScoresView as HeadScoresView
from lens_widgets.views.logit_lens import LogitLensView as LogitLensView
from lens_widgets.views.loss import LossView as LossView
from lens_widgets.views.model_card import ModelCard as ModelCard
from lens_widgets.views.neuron import NeuronView as NeuronView
from lens_widgets.views.patching import PatchingView as PatchingView
from lens_widgets.views.score_decomposition import ScoreDecompositionView as ScoreDecompositionView
from lens_widgets.views.token import TokenView as TokenView
from lens_widgets.views.weight_circuit import WeightCircuitView as WeightCircuitView

__all__: list[str]
__version__: str
