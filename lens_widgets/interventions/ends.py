"""Where interventions put something else in the place of what a part writes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from lens_widgets.interventions.base import Intervention
from lens_widgets.interventions.site import position_mask
from lens_widgets.prompts.prompt_set import PromptSet

# Where what a whole attention layer or MLP hands on can be replaced.
_ENDS = {
    "attn": ("hook_attn_out", "attn.hook_out", "attn.o.hook_out", "ln1_post.hook_in",
             "ln1_post.hook_out"),
    "mlp": ("hook_mlp_out", "mlp.hook_out", "mlp.out.hook_out", "ln2_post.hook_in",
            "ln2_post.hook_out"),
}  # fmt: skip


def end_hooks(layer: int, part: str) -> tuple[str, ...]:
    """The hooks at which a layer's attention or MLP can be replaced as a whole."""
    return tuple(f"blocks.{layer}.{name}" for name in _ENDS[part])


def replaced(
    prompts: PromptSet,
    active: Sequence[Intervention],
    hooks: tuple[str, ...],
    head: int | None = None,
) -> Bool[Tensor, "prompt pos"] | None:
    """True where interventions put something else at one of ``hooks``; None for nowhere.

    With ``head``, only of that head.
    """
    gone: Tensor | None = None
    for item in active:
        site = item.site
        if not item.replaces or site.hook not in hooks:
            continue
        if site.head is not None and site.head != head:
            continue
        mask = position_mask(prompts, item.acts_at)
        if mask is None:
            tokens = prompts.tokens
            mask = torch.ones(tokens.shape, dtype=torch.bool, device=tokens.device)
        gone = mask if gone is None else gone | mask
    return gone


def silenced(
    prompts: PromptSet, active: Sequence[Intervention], n_layers: int
) -> dict[int, Bool[Tensor, "prompt pos"]]:
    """By layer, where no head is heard, as something else stands for the whole attention."""
    found = {
        layer: replaced(prompts, active, end_hooks(layer, "attn")) for layer in range(n_layers)
    }
    return {layer: mask for layer, mask in found.items() if mask is not None}
