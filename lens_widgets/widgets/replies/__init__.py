"""What a view is told: the session's numbers in the shapes of ``wire/protocol.py``."""

from __future__ import annotations

from lens_widgets.widgets.replies import (
    ablation,
    attribution,
    changes,
    effect_parts,
    lens,
    patterns,
    tokens,
)
from lens_widgets.wire.dispatch import Method

METHODS: dict[str, Method] = {
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
    "toggle": Method(changes.toggle, quick=True),
    "set_enabled": Method(changes.set_enabled, quick=True),
    "remove": Method(changes.remove, quick=True),
    "undo": Method(changes.undo, quick=True),
    "redo": Method(changes.redo, quick=True),
    "clear": Method(changes.clear, quick=True),
    "code": Method(changes.code, quick=True),
}
