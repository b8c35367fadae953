"""What we use of TransformerLens that it does not promise: these names hold for version 4.3.

Everything else goes by its documented names. ``tests/unit/test_transformer_lens_private.py`` tries
each of these on models that depend on it, and says which one a new version has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

VERSION = "4.3"


def drop_kept_patterns(model: Any) -> None:
    """Lets go of the pattern that each attention with joint queries, keys and values made last.

    TransformerLens never reads it, and of a sweep or a long prompt it is hundreds of MB.
    """
    for block in model.blocks:
        attention = getattr(block, "attn", None)
        if attention is not None and getattr(attention, "_pattern", None) is not None:
            attention._pattern = None


def attention_scale(attention: Any) -> float:
    """What an attention layer's output is multiplied with before it joins the stream (Granite)."""
    return float(getattr(attention, "_result_contribution_scale", 1.0))


def logits_transform(model: Any) -> Callable[[Tensor], Tensor] | None:
    """What the architecture does to the unembedding's output: a cap, a scale. It may write to what
    it is given."""
    adapter = getattr(model, "adapter", None)
    transform: Callable[[Tensor], Tensor] | None
    transform = getattr(adapter, "apply_output_logits_transform", None)
    return transform


def hooked_function(module: nn.Module, number: int, hook: Any) -> Any:
    """The function that a user gave for torch's hook ``number``, which TransformerLens wraps."""
    handles = [*getattr(module, "fwd_hooks", ()), *getattr(module, "bwd_hooks", ())]
    own = [handle.user_hook for handle in handles if handle.hook.id == number]
    return own[0] if own and own[0] is not None else hook


def wrapped_module(component: Any) -> nn.Module | None:
    """The module that a part of the model wraps and calls; None where it computes by itself."""
    module = getattr(component, "original_component", None)
    return module if isinstance(module, nn.Module) else None


def plain_name(path: str) -> str:
    """The path of a parameter or module without the wrappers that TransformerLens puts around each
    module."""
    return path.replace("_original_component.", "").removesuffix("._original_component")
