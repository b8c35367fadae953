"""Matrices that a model multiplies with, in whatever form they are stored.

Weights in 8 or 4 bits are packed, and those on disk are not there. What a linear map makes of
vectors with a single entry are its rows, as it computes with them.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lens_widgets.engine.model import TransformerModel, call_there, weights_of
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.transformer_lens_private import wrapped_module

Side = Literal["q", "k", "v", "o"]


def head_matrices(
    model: TransformerModel, facts: ModelFacts, layer: int, side: Side
) -> Float[Tensor, "head rows columns"] | None:
    """W_Q, W_K or W_V [head, d_model, d_head], or W_O [head, d_head, d_model], of a layer: as
    TransformerLens lays them out, or measured. None where a layer has none by heads."""
    attention = getattr(model.blocks[layer], "attn", None)
    known = weights_of(attention, f"W_{side.upper()}")
    if known is not None:
        return known if known.dim() == 3 else None
    hook = f"blocks.{layer}.attn.hook_{'z' if side == 'o' else side}"
    shape = facts.hooks.get(hook, ())
    if len(shape) != 4:
        return None
    n_heads, d_head = shape[-2:]
    n_in = n_heads * d_head if side == "o" else model.cfg.d_model
    whole = measured(facts, getattr(attention, side, None), n_in)
    if whole is None or (side != "o" and whole.shape[1] != n_heads * d_head):
        return None
    if side == "o":
        return whole.unflatten(0, (n_heads, d_head))
    return whole.unflatten(1, (n_heads, d_head)).transpose(0, 1)


def measured(facts: ModelFacts, part: Any, n_in: int) -> Float[Tensor, "n_in n_out"] | None:
    """The matrix of a linear map, without its bias; None for a model whose weights can be read, or
    a part that is no module."""
    module = None if part is None else wrapped_module(part)
    if not isinstance(module, nn.Module) or not (facts.quantised or facts.on_disk):
        return None
    dtype, device = getattr(torch, facts.dtype), torch.device(facts.device)
    # Of two dimensions: what sweeps put in place of a forward leaves these alone.
    single = torch.eye(n_in, dtype=dtype, device=device)
    with torch.no_grad():
        made = call_there(module, single)
        return made - call_there(module, torch.zeros_like(single[:1]))
