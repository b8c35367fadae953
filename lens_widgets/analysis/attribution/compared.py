"""Direct effects before and after the interventions, part by part, as the attribution table has
them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attribution.decomposition import (
    Decomposition,
    components,
    head_layers,
)
from lens_widgets.analysis.labels import standard_error
from lens_widgets.engine.components import Component
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

By = Literal["head", "layer", "component"]
COLUMNS = ("baseline", "current", "baseline_sem", "current_sem", "change_sem")

Parts = list[tuple[str, Component | None, Float[Tensor, "prompt"]]]


def compared(
    before: Float[Tensor, "prompt n"], after: Float[Tensor, "prompt n"], prompt: int | None
) -> dict[str, Float[Tensor, "n"]]:
    """``COLUMNS`` of n effects: means over prompts with standard errors, or one prompt's, of which
    the errors are NaN."""
    before, after = before.cpu(), after.cpu()
    if prompt is not None:
        nothing = torch.full_like(after[prompt], float("nan"))
        return dict(zip(COLUMNS, (before[prompt], after[prompt], *[nothing] * 3), strict=True))
    errors = (standard_error(values) for values in (before, after, after - before))
    values = (before.nanmean(dim=0), after.nanmean(dim=0), *errors)
    return dict(zip(COLUMNS, values, strict=True))


def check_read(effects: Float[Tensor, "prompt"], prompt: int | None, pos: int | None) -> None:
    """InputError when the prompt has nothing to read at the position asked for."""
    if prompt is None or not bool(effects[prompt].isnan()):
        return
    if pos is None:
        raise InputError(
            f"The logits of prompt {prompt} are NaN under the interventions, or it has none to "
            "read.",
            "Undo the last intervention, or choose another prompt.",
        )
    raise InputError(
        f"pos={pos}: nothing can be read there in prompt {prompt}.",
        "Select another position, or read where the metric does.",
    )


def parts_of(session: Session, parts: Decomposition, by: By) -> Parts:
    """Name, component (None for what cannot be ablated) and effects, in the model's order; they sum
    to the total."""
    facts = session.facts
    if by == "component":
        names, values = components(session, parts)
        return [(n, _component(n), v) for n, v in zip(names, values, strict=True)]
    ends: Parts = [("embed", Component("embed"), parts.embed)]
    if facts.has_pos_embed:
        ends.append(("pos_embed", Component("pos_embed"), parts.pos_embed))
    middle: Parts = []
    with_heads = head_layers(session)
    for layer in range(facts.n_layers):
        if by == "layer":
            middle.append((f"L{layer}", None, parts.layers[:, layer]))
            continue
        if layer in with_heads:
            for head in range(facts.n_heads):
                part = Component("head", layer, head)
                middle.append((str(part), part, parts.heads[:, layer, head]))
        elif layer in facts.layers.attention:
            whole = Component("attn", layer)
            middle.append((str(whole), whole, parts.attn[:, layer]))
        if layer in facts.mlp_layers:
            mlp = Component("mlp", layer)
            middle.append((str(mlp), mlp, parts.mlp[:, layer]))
        if layer in parts.other:
            middle.append((f"L{layer}.{facts.layers.other[layer]}", None, parts.other[layer]))
    bias = parts.bias + (parts.attn_bias.sum(dim=1) if by == "head" else 0)
    ends.append(("bias", None, bias))
    if session.edits_stream:
        ends.append(("interventions", None, parts.edits))
    return middle + ends


def _component(name: str) -> Component | None:
    known = name in ("embed", "pos_embed") or name.endswith((".attn", ".mlp"))
    return Component.parse(name) if known else None
