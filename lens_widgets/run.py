"""One run of the model over a session's prompts, and what can be read from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.forward import Hook, Reduce
from lens_widgets.engine.handle import ModelHandle
from lens_widgets.errors import InputError, near
from lens_widgets.metrics import Metric, last_logits, loss_per_token
from lens_widgets.prompt_set import PromptSet
from lens_widgets.token_text import token_text


@dataclass(frozen=True)
class Predicted:
    """One predicted next token: its text as shown, id, probability and logit."""

    token: str
    token_id: int
    prob: float
    logit: float


class Run:
    """The model under one set of interventions. Activations are fetched when first asked for.

    ``logits``: [prompt, pos, d_vocab]; positions past a prompt's end hold no meaning.
    ``metric``: [prompt].
    """

    def __init__(
        self,
        handle: ModelHandle,
        prompts: PromptSet,
        metric: Metric,
        hooks: Sequence[Hook],
        clean: Run | None,
        known_hooks: Iterable[str],
        capture: Iterable[str] = (),
    ) -> None:
        self._handle = handle
        self._prompts = prompts
        self._hooks = tuple(hooks)
        self._known_hooks = known_hooks
        self.derived: dict[str, Any] = {}
        """What analysis made of this run, kept as long as the run is."""
        result = self._forward(dict.fromkeys(capture))
        self.logits: Float[Tensor, "prompt pos d_vocab"] = result.logits
        self._captured = dict(result.captured)
        clean_logits = None if clean is None else clean.logits
        self.metric: Float[Tensor, "prompt"] = metric(result.logits, prompts, clean_logits)

    def _forward(self, capture: dict[str, Reduce | None]):  # type: ignore[no-untyped-def]
        return self._handle.forward(
            self._prompts.tokens,
            attention_mask=self._prompts.attention_mask,
            hooks=self._hooks,
            capture=capture,
        )

    @property
    def n_bytes(self) -> int:
        """What this run holds on the device."""
        held = [self.logits, *self._captured.values()]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def activation(self, name: str) -> Tensor:
        """The activation at a TransformerLens hook, as this run used it; e.g.
        ``"blocks.0.hook_resid_post"`` [prompt, pos, d_model]."""
        return self.activations([name])[name]

    def activations(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Several activations, with at most one more forward for those not at hand."""
        for name in names:
            if name not in self._known_hooks:
                raise InputError(
                    f"activation {name!r} is not a hook of this model.",
                    f"{near(name, self._known_hooks)} See model.hook_dict.".strip(),
                )
        missing = [name for name in names if name not in self._captured]
        if missing:
            extra = self._handle.run_inline(lambda: self._forward(dict.fromkeys(missing)))
            self._captured.update(extra.captured)
        return {name: self._captured[name] for name in names}

    def pattern(self, layer: int) -> Float[Tensor, "prompt head query_pos key_pos"]:
        """The attention pattern of every head of a layer, each row summing to 1."""
        return self.activation(f"blocks.{layer}.attn.hook_pattern")

    @cached_property
    def loss_per_token(self) -> Float[Tensor, "prompt pos"]:
        """Nats for predicting token pos + 1; NaN at each prompt's last position."""
        return loss_per_token(self.logits, self._prompts)

    @cached_property
    def last_logits(self) -> Float[Tensor, "prompt d_vocab"]:
        """Logits at each prompt's last position, float32."""
        return last_logits(self.logits, self._prompts)

    def top_predictions(self, k: int = 5) -> list[list[Predicted]]:
        """The k likeliest next tokens after each prompt, likeliest first."""
        probs = self.last_logits.softmax(dim=-1)
        top = probs.topk(min(k, probs.shape[-1]), dim=-1)
        tokenizer = self._handle.model.tokenizer
        return [
            [
                Predicted(token_text(tokenizer, i), i, p, float(self.last_logits[row, i]))
                for i, p in zip(ids, values, strict=True)
            ]
            for row, (ids, values) in enumerate(
                zip(_ints(top.indices), top.values.tolist(), strict=True)
            )
        ]


def _ints(ids: Int[Tensor, "prompt k"]) -> list[list[int]]:
    rows: list[list[int]] = ids.tolist()
    return rows
