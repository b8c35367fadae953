"""What is computed: pure functions from a session to labelled arrays."""

from lens_widgets.analysis.ablation.ablation import ablation_sweep
from lens_widgets.analysis.activations.activations import activation
from lens_widgets.analysis.attention.copying import copying_scores
from lens_widgets.analysis.attention.head_scores import head_scores
from lens_widgets.analysis.attention.patterns import attention_patterns
from lens_widgets.analysis.attention.score_parts import decompose_scores
from lens_widgets.analysis.attribution.accumulated import accumulated_attribution
from lens_widgets.analysis.attribution.attribution import attribution
from lens_widgets.analysis.attribution.sources import attribution_by_source
from lens_widgets.analysis.circuits.curve import circuit_curve
from lens_widgets.analysis.circuits.edge_scores import edge_scores
from lens_widgets.analysis.circuits.edges import edge_sweep
from lens_widgets.analysis.circuits.paths import path_patch
from lens_widgets.analysis.circuits.stability import edge_stability
from lens_widgets.analysis.logit_lens.logit_lens import lens_path, logit_lens
from lens_widgets.analysis.model.parameters import parameter_counts
from lens_widgets.analysis.neurons.neurons import neuron_activations, top_tokens
from lens_widgets.analysis.patching.agreement import rank_correlation
from lens_widgets.analysis.patching.estimates import estimate_sweep
from lens_widgets.analysis.patching.patching import patch_sweep
from lens_widgets.analysis.tokens.bos import compare_bos
from lens_widgets.analysis.tokens.tokens import token_accuracy, token_loss
from lens_widgets.analysis.weights.composition import composition_scores
from lens_widgets.analysis.weights.weight_circuits import (
    copy_accuracy,
    k_composition_circuit,
    ov_circuit,
    pos_circuit,
    q_composition_circuit,
    qk_circuit,
    v_composition_circuit,
)

__all__ = [
    "ablation_sweep",
    "accumulated_attribution",
    "activation",
    "attention_patterns",
    "attribution",
    "attribution_by_source",
    "circuit_curve",
    "compare_bos",
    "composition_scores",
    "copy_accuracy",
    "copying_scores",
    "decompose_scores",
    "edge_scores",
    "edge_stability",
    "edge_sweep",
    "estimate_sweep",
    "head_scores",
    "k_composition_circuit",
    "lens_path",
    "logit_lens",
    "neuron_activations",
    "ov_circuit",
    "parameter_counts",
    "patch_sweep",
    "path_patch",
    "pos_circuit",
    "q_composition_circuit",
    "qk_circuit",
    "rank_correlation",
    "token_accuracy",
    "token_loss",
    "top_tokens",
    "v_composition_circuit",
]
