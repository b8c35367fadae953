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

LAYER_NORMS = {
    *("gpt2", "neox", "phi", "bloom", "opt", "gptj", "gptneo", "falcon"),
    *("attn_only", "gpt2_folded"),
}
POST_NORMS = {"gemma2", "gemma3", "olmo2"}
GAINS_FROM_ONE = {"gemma2", "gemma3"}


class Prompt:
    """One prompt of a session, by itself or only its first ``n_tokens``, under plain hooks."""

    def __init__(
        self,
        name: str,
        session: Session,
        row: int,
        hooks: tuple[reference.Hook, ...] = (),
        n_tokens: int | None = None,
    ) -> None:
        self.name, self.hooks = name, hooks
        self.model: Any = session.model
        self.tokens = rows(session)[row][:, :n_tokens]
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
        return vector / scale * (gain + 1 if self.name in GAINS_FROM_ONE else gain)

    def head_write(self, layer: int, head: int) -> Tensor:
        """What one head writes into the residual stream, measured: with it alone, minus without."""
        return self.written("attn", layer, self.head_output(layer, head))

    def head_output(self, layer: int, head: int) -> Tensor:
        """The same before any norm that follows the attention layer."""
        z = f"blocks.{layer}.attn.hook_z"
        outputs = []
        for kept in ([head], []):
            others = [h for h in range(self.model.cfg.n_heads) if h not in kept]
            outputs.append(
                self._output("attn", layer, *(reference.write(z, 0.0, o) for o in others))
            )
        return outputs[0] - outputs[1]

    def neuron_write(self, layer: int, neuron: int) -> Tensor:
        """What one neuron writes into the residual stream, measured: with it, minus without."""
        without = self._output("mlp", layer, reference.zero_last_dim(_neurons(layer), neuron))
        return self.written("mlp", layer, self._output("mlp", layer) - without)

    def bias_write(self, layer: int) -> Tensor:
        """What an MLP writes when all its neurons are silent, with its norm's scale as it is."""
        silent = self._output("mlp", layer, reference.write(_neurons(layer), 0.0))
        return self.written("mlp", layer, silent)

    def written(self, part: str, layer: int, output: Tensor) -> Tensor:
        """``output`` of an attention layer or MLP as it reaches the stream."""
        if self.name not in POST_NORMS:
            return output
        norm = self.model.blocks[layer].ln1_post if part == "attn" else None
        norm = norm or self.model.blocks[layer].ln2_post
        return self.through_norm(norm, self.at_last(self._site(part, layer)), output)

    def _site(self, part: str, layer: int) -> str:
        if self.name in POST_NORMS:
            return f"blocks.{layer}.{'ln1_post' if part == 'attn' else 'ln2_post'}.hook_in"
        return f"blocks.{layer}.hook_{part}_out"

    def _output(self, part: str, layer: int, *hooks: reference.Hook) -> Tensor:
        every = [*self.hooks, *hooks]
        return reference.activation(self.model, self.tokens, self._site(part, layer), every)[-1]

    def _bend(self, read: Tensor) -> float:
        """How far the architecture scales or caps what is read of the logits."""
        raw = self.normed @ self.model.W_U.detach()
        if self.model.b_U is not None:
            raw = raw + self.model.b_U.detach()
        if self.name in LOGIT_CAPS:
            cap = LOGIT_CAPS[self.name]
            return float((cap * torch.tanh(raw / cap)) @ read / (raw @ read))
        return 1 / LOGIT_DIVISORS.get(self.name, 1.0)


def _neurons(layer: int) -> str:
    return f"blocks.{layer}.mlp.out.hook_in"


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
