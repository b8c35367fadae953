"""What is computed: pure functions from a session to labelled arrays."""

from lens_widgets.analysis.ablation import ablation_sweep
from lens_widgets.analysis.attribution import attribution
from lens_widgets.analysis.patterns import attention_patterns
from lens_widgets.analysis.tokens import token_loss

__all__ = ["ablation_sweep", "attention_patterns", "attribution", "token_loss"]
