"""What is taken for granted of a model, tried on two tiny prompts: two short forwards.

Sweeps cut positions and share beginnings because attention looks back only; prompts of different
lengths share a batch because padding is harmless; attribution adds up because every part writes
into one residual stream. Each of these is a property of a model and not of all models.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from lens_widgets.engine.forward import WholeForward, forward
from lens_widgets.engine.model import TransformerModel, home
from lens_widgets.engine.norms import found_norm, held_norm

log = logging.getLogger(__name__)

WRITES = {
    "attn": "hook_attn_out",
    "mlp": "hook_mlp_out",
    # In attention's place: Mamba and its kin, gated delta rules, short convolutions.
    "mixer": "mixer.hook_out",
    "linear_attn": "linear_attn.hook_out",
    "conv": "conv.hook_out",
    # Beside attention (Falcon H1).
    "mamba": "mamba.hook_out",
    # Gemma 4 and 3n: an embedding of the token for each layer.
    "per_layer_input": "post_per_layer_input_norm.hook_out",
}
"""What a block adds to the residual stream, by the name of the part."""

BEFORE_MLP = ("attn", "mixer", "linear_attn", "conv", "mamba")


@dataclass(frozen=True)
class Batch:
    """Prompts that agree as far as a model may look, each with what else could reach it.

    ``alone`` is [a b] by itself, ``pair`` is [a b] beside [d c]. The rows of ``tokens``: [a b c];
    [a b] and padding, masked; the same and not masked; and [d c b], something else beside them.
    Different tokens, none of them 0: a padding token's embedding can be all zeros.
    """

    alone: Int[Tensor, "1 short"]
    pair: Int[Tensor, "2 short"]
    tokens: Int[Tensor, "prompt pos"]
    mask: Int[Tensor, "prompt pos"]

    @classmethod
    def of(cls, model: TransformerModel) -> Batch:
        """The same tokens for every model, within its vocabulary."""
        device = home(model)
        d_vocab = model.cfg.d_vocab
        a, b, c, d, pad = ((i + d_vocab // 2) % d_vocab for i in (1, 2, 3, 4, 5))
        return cls(
            torch.tensor([[a, b]], device=device),
            torch.tensor([[a, b], [d, c]], device=device),
            torch.tensor([[a, b, c], [a, b, pad], [a, b, pad], [d, c, b]], device=device),
            torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]], device=device),
        )


@dataclass(frozen=True)
class BatchTrials:
    """What the batch told.

    Args:
        causal: no position's logits depend on a later token.
        batched: a prompt's logits do not depend on the prompts beside it.
        padding: nor on padding at its end, with an attention mask.
        unmasked: nor on padding at its end without one.
    """

    causal: bool
    batched: bool
    padding: bool
    unmasked: bool


def try_batch(
    model: TransformerModel, batch: Batch, alone: Tensor
) -> tuple[BatchTrials, WholeForward | None]:
    """What the batch tells beside ``alone``, the logits of its short prompt by itself.

    Also its masked forward, recorded; None where the model takes no attention mask.
    """
    recorded: WholeForward | None = None
    try:
        recorded = forward(model, batch.tokens, attention_mask=batch.mask, record=True)
    except Exception:
        log.debug("%s takes no attention mask", model.cfg.model_name, exc_info=True)
    whole = forward(model, batch.tokens) if recorded is None else recorded
    longer, masked, unmasked, _ = whole.logits[:, :2]
    # In one batch there is next to no rounding between rows that are equal.
    causal = same(longer, unmasked, slack=0.3)
    padding = recorded is not None and same(alone[0], masked)
    # Of a model that looks ahead, a longer prompt is another one.
    padding = padding and (not causal or same(alone[0], longer))
    found = BatchTrials(
        causal=causal,
        batched=padding or same(alone[0], forward(model, batch.pair).logits[0]),
        padding=padding,
        unmasked=same(alone[0], unmasked),
    )
    return found, recorded


def same(expected: Tensor, got: Tensor, slack: float = 1.0) -> bool:
    """Whether logits agree up to rounding, which is measured against their spread.

    Different batches are computed by different kernels: in half precision that moves logits by some
    per cent of their spread. What a model should not see moves them by more.
    """
    exact = expected.dtype in (torch.float32, torch.float64)
    spread = expected.float().std().clamp(min=1e-6)
    difference = (expected.float() - got.float()).abs().max()
    return bool(difference <= slack * (1e-3 if exact else 1e-1) * spread)


@dataclass(frozen=True)
class Layers:
    """Which layers have what: ``unlike`` are those whose attention has another shape than the
    first attention layer's; ``other`` names what else they write into the stream."""

    attention: tuple[int, ...]
    mlp: tuple[int, ...]
    unlike: tuple[int, ...]
    other: Mapping[int, str]

    def writes(self, layer: int) -> dict[str, str]:
        """The hooks of all that a layer adds to the residual stream, by the part's name."""
        names = {"attn": self.attention, "mlp": self.mlp}
        present = [name for name, layers in names.items() if layer in layers]
        present += [self.other[layer]] if layer in self.other else []
        return {name: f"blocks.{layer}.{WRITES[name]}" for name in present}


def layers_of(n_layers: int, hooks: Mapping[str, tuple[int, ...]]) -> Layers:
    """What each layer has, by the hooks that fired and the shapes they had."""
    attention = [layer for layer in range(n_layers) if f"blocks.{layer}.{WRITES['attn']}" in hooks]
    shapes = {
        layer: [hooks.get(f"blocks.{layer}.attn.hook_{part}") for part in "qkvz"]
        for layer in attention
    }
    return Layers(
        attention=tuple(attention),
        mlp=tuple(la for la in range(n_layers) if f"blocks.{la}.{WRITES['mlp']}" in hooks),
        unlike=tuple(la for la in attention if shapes[la] != shapes[attention[0]]),
        other={
            la: name
            for la in range(n_layers)
            for name, part in WRITES.items()
            if name not in ("attn", "mlp") and f"blocks.{la}.{part}" in hooks
        },
    )


def no_sum(model: TransformerModel, layers: Layers, cache: Mapping[str, Tensor]) -> str:
    """Why the logits are not the sum of what is listed as written into the stream; "" if they are.

    ``cache``: all activations of a run. The embedding and what each layer writes must give the
    stream, and the final norm must be linear once its scale is held.
    """
    n_layers = model.cfg.n_layers
    names = [*(f"blocks.{layer}.hook_in" for layer in range(n_layers)), "ln_final.hook_in"]
    if any(name not in cache for name in (*names, "ln_final.hook_out")):
        return "its residual stream and its final norm cannot be read"
    tolerance = 1e-3 if cache[names[0]].dtype in (torch.float32, torch.float64) else 5e-2
    for layer in range(n_layers):
        start, end = (cache[name].float() for name in names[layer : layer + 2])
        writes = [cache[name].float() for name in layers.writes(layer).values()]
        if start.shape != end.shape or any(each.shape != start.shape for each in writes):
            return f"what layer {layer} writes has another shape than its stream"
        largest = torch.stack([start, end, *writes]).abs().max()
        if not bool((end - sum(writes, start)).abs().max() <= tolerance * largest):
            return (
                f"the stream after layer {layer} is not the one before it plus what its parts write"
            )
    before, after = (cache[f"ln_final.hook_{side}"].float().flatten(0, 1) for side in ("in", "out"))
    if "ln_final.hook_scale" not in cache:
        held = found_norm(model.ln_final, before, after, tolerance)
    else:
        scale = cache["ln_final.hook_scale"].float().flatten(0, 1)
        held = held_norm(model.ln_final, scale)
    if held is None or not bool(
        (held.forth(before) - after).abs().max() <= tolerance * after.abs().max()
    ):
        return "its final norm does more than to scale and shift"
    return ""


def changes_beyond(model: TransformerModel) -> int | None:
    """The length of the longest prompt beyond which all numbers change; None for no such length.

    Read from Hugging Face's configuration: LongRoPE turns every position with other frequencies as
    soon as one prompt of a batch is longer than the model was first trained on.
    """
    config: Any = getattr(getattr(model, "original_model", None), "config", None)
    for each in (config, getattr(config, "text_config", None)):
        scaling = getattr(each, "rope_parameters", None) or getattr(each, "rope_scaling", None)
        if not isinstance(scaling, Mapping):
            continue
        kind = scaling.get("rope_type", scaling.get("type"))
        length = scaling.get("original_max_position_embeddings") or getattr(
            each, "original_max_position_embeddings", None
        )
        if kind == "longrope" and length and length < model.cfg.n_ctx:
            return int(length)
    return None
