"""What a view is told: the session's numbers in the shapes of ``wire/protocol.py``."""

from __future__ import annotations

from dataclasses import replace

from lens_widgets.views import registry
from lens_widgets.widgets.replies import (
    ablation,
    activations,
    attribution,
    changes,
    composition,
    detectors,
    effect_parts,
    lens,
    model_card,
    neurons,
    patterns,
    tokens,
)
from lens_widgets.wire.dispatch import Method
from lens_widgets.wire.protocol import METHODS as SCHEMAS

_HANDLERS: dict[str, Method] = {
    "tokens": Method(tokens.tokens),
    "token_stats": Method(tokens.token_stats),
    "edit_prompt": Method(changes.edit_prompt, writes=True),
    "patterns": Method(patterns.patterns),
    "pattern": Method(patterns.pattern),
    "pattern_lines": Method(patterns.pattern_lines),
    "attribution": Method(attribution.attribution),
    "head_sources": Method(effect_parts.head_sources),
    "mlp_neurons": Method(effect_parts.mlp_neurons),
    "compare_bos": Method(tokens.compare_bos),
    "ablation_grid": Method(ablation.ablation_grid),
    "effects": Method(ablation.effects),
    "lens": Method(lens.lens),
    "lens_cell": Method(lens.lens_cell),
    "lens_path": Method(lens.lens_path),
    "lens_lines": Method(lens.lens_lines),
    "lens_token": Method(lens.lens_token, quick=True),
    "lens_code": Method(lens.lens_code, quick=True),
    "composition": Method(composition.composition),
    "neuron": Method(neurons.neuron),
    "top_neurons": Method(neurons.top_neurons),
    "stripe": Method(detectors.stripe),
    "losses": Method(detectors.losses),
    "losses_code": Method(detectors.losses_code),
    "model_card": Method(model_card.model_card),
    "activations": Method(activations.activations),
    "activation": Method(activations.activation),
    "activation_code": Method(activations.code, quick=True),
    "toggle": Method(changes.toggle, quick=True),
    "set_enabled": Method(changes.set_enabled, quick=True),
    "remove": Method(changes.remove, quick=True),
    "undo": Method(changes.undo, quick=True),
    "redo": Method(changes.redo, quick=True),
    "clear": Method(changes.clear, quick=True),
    "code": Method(changes.code, quick=True),
}

METHODS: dict[str, Method] = {
    name: replace(method, schema=SCHEMAS[name][0]) for name, method in _HANDLERS.items()
}

registry.METHODS.update(METHODS)
