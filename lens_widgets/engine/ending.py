"""How a model ends: what lies between the stream of its last layer and its logits, tried out."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch

from lens_widgets.engine.forward import answer_rows, unembed, unembed_tokens
from lens_widgets.engine.model import TransformerModel, call_there

log = logging.getLogger(__name__)


def logits_stand_alone(
    model: TransformerModel,
    tokens: torch.Tensor,
    logits: torch.Tensor,
    cache: Mapping[str, torch.Tensor],
) -> bool:
    """Whether the logits of a few tokens, computed without the others, are the model's own."""
    try:
        normed = cache["ln_final.hook_out"][:, -1]
        got = unembed_tokens(model, normed, answer_rows(model, tokens), tokens)
    except Exception:
        log.debug("%s has no unembedding to read", model.cfg.model_name, exc_info=True)
        return False
    return close(logits[:, -1].gather(1, tokens), got)


def reads_out(
    model: TransformerModel,
    logits: torch.Tensor,
    cache: Mapping[str, torch.Tensor],
    *,
    stand_alone: bool,
) -> bool:
    """Whether nothing but the final norm lies between the last layer and the unembedding: heads of
    masked language models have layers of their own there.

    ``stand_alone``: what ``logits_stand_alone`` said, after which the unembedding is known.
    """
    stream, normed = f"blocks.{model.cfg.n_layers - 1}.hook_out", "ln_final.hook_out"
    if any(name not in cache for name in (stream, normed)):
        return False
    try:
        with torch.no_grad():
            again = call_there(model.ln_final, cache[stream])
        return close(cache[normed], again) and (stand_alone or close(logits, unembed(model, again)))
    except Exception:
        log.debug("%s does not end in a final norm", model.cfg.model_name, exc_info=True)
        return False


def close(expected: torch.Tensor, got: torch.Tensor) -> bool:
    """Whether both are the same up to rounding."""
    if expected.shape != got.shape:
        return False
    tolerance = 1e-4 if expected.dtype in (torch.float32, torch.float64) else 2e-2
    return torch.allclose(expected.float(), got.float(), rtol=tolerance, atol=tolerance)
