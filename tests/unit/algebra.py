"""Direct effects by plain algebra: what a vector in the residual stream adds to the logits.

The final norm's scale is held at the value the run had, as every definition of direct attribution
does; the rest is written out from the architecture's own formulas.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lens_widgets.session import Session
from tests.models import LOGIT_CAPS, LOGIT_DIVISORS
from tests.unit import reference
from tests.unit.cases import rows

LAYER_NORMS = {"gpt2", "neox", "phi", "bloom", "opt", "attn_only", "gpt2_folded"}
POST_NORMS = {"gemma2", "olmo2"}


class Prompt:
    """One prompt of a session, by itself, on a model under plain hooks."""

    def __init__(
        self, name: str, session: Session, row: int, hooks: tuple[reference.Hook, ...] = ()
    ) -> None:
        self.name, self.model, self.hooks = name, session.model, hooks
        self.tokens = rows(session)[row]
        self.final = self.at_last("ln_final.hook_in")
        self.normed = self.at_last("ln_final.hook_out")

    def at_last(self, hook: str) -> Tensor:
        """An activation [...] at the last position."""
        return reference.activation(self.model, self.tokens, hook, self.hooks)[-1]

    def logits(self) -> Tensor:
        """Logits [d_vocab] after the last position."""
        return reference.logits(self.model, self.tokens, self.hooks)[-1]

    def effect(self, vector: Tensor, read: Tensor) -> float:
        """What ``vector`` [d_model] adds to ``logits @ read`` through the final norm."""
        normed = self.through_norm(self.model.ln_final, self.final, vector)
        moved = normed @ self.model.W_U.detach() @ read
        return float(moved * self._bend(read))

    def bias_effect(self, read: Tensor) -> float:
        """What the final norm and the unembedding add by themselves."""
        norm_bias = getattr(self.model.ln_final.original_component, "bias", None)
        logits = torch.zeros_like(read) if self.model.b_U is None else self.model.b_U.detach()
        if norm_bias is not None:
            logits = logits + norm_bias.detach() @ self.model.W_U.detach()
        return float(logits @ read * self._bend(read))

    def through_norm(self, norm: Any, resid: Tensor, vector: Tensor) -> Tensor:
        """``vector`` after a norm whose scale is the one that ``resid`` gives it."""
        if self.name in LAYER_NORMS:
            resid = resid - resid.mean()
            vector = vector - vector.mean()
        scale = (resid.pow(2).mean() + self.model.cfg.eps).sqrt()
        gain = norm.original_component.weight.detach()
        return vector / scale * (gain + 1 if self.name == "gemma2" else gain)

    def head_write(self, layer: int, head: int) -> Tensor:
        """What one head writes into the residual stream, measured: with it alone, minus without."""
        outputs = []
        z = f"blocks.{layer}.attn.hook_z"
        site = f"blocks.{layer}.hook_attn_out"
        if self.name in POST_NORMS:
            site = f"blocks.{layer}.ln1_post.hook_in"
        for kept in ([head], []):
            others = [h for h in range(self.model.cfg.n_heads) if h not in kept]
            hooks = [*self.hooks, *(reference.write(z, 0.0, other) for other in others)]
            outputs.append(reference.activation(self.model, self.tokens, site, hooks)[-1])
        write = outputs[0] - outputs[1]
        if self.name in POST_NORMS:
            norm = self.model.blocks[layer].ln1_post
            return self.through_norm(norm, self.at_last(site), write)
        return write

    def _bend(self, read: Tensor) -> float:
        """How far the architecture scales or caps what is read of the logits."""
        raw = self.normed @ self.model.W_U.detach()
        if self.model.b_U is not None:
            raw = raw + self.model.b_U.detach()
        if self.name in LOGIT_CAPS:
            cap = LOGIT_CAPS[self.name]
            return float((cap * torch.tanh(raw / cap)) @ read / (raw @ read))
        return 1 / LOGIT_DIVISORS.get(self.name, 1.0)


def answer_difference(d_vocab: int, answer: tuple[int, int]) -> Tensor:
    """Reads the correct answer's logit minus the wrong one's."""
    read = torch.zeros(d_vocab)
    read[answer[0]], read[answer[1]] = 1.0, -1.0
    return read


def above_mean(d_vocab: int, token: int) -> Tensor:
    """Reads a token's logit minus the mean logit."""
    read = torch.full((d_vocab,), -1 / d_vocab)
    read[token] += 1.0
    return read
