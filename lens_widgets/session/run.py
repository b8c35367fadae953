"""One run of the model over a session's prompts, and what can be read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.access import ModelAccess
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.pooling import pooled_name
from lens_widgets.engine.trace import Trace
from lens_widgets.errors import InputError, near, shown
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.token_text import token_text
from lens_widgets.session.metrics import loss_per_token

T = TypeVar("T")


@dataclass(frozen=True)
class Predicted:
    """One predicted next token: its text as shown, id, probability and logit."""

    token: str
    token_id: int
    prob: float
    logit: float


class Run:
    """The model under one set of interventions. Activations are fetched when first asked for.

    ``metric`` is [prompt], in the metric's units. Positions past a prompt's end hold no meaning
    anywhere.
    """

    def __init__(
        self,
        access: ModelAccess,
        trace: Trace | None,
        prompts: PromptSet,
        metric: Float[Tensor, "prompt"],
        points: Mapping[str, str],
    ) -> None:
        self._access = access
        self._trace = trace
        self._prompts = prompts
        self._points = points
        self.metric = metric
        self._loss: Tensor | None = None
        self._last: Tensor | None = None
        self.derived: dict[str, Any] = {}
        """What analysis made of this run, kept as long as the run is."""

    @property
    def trace(self) -> Trace:
        """What was recorded of prompts that were run together."""
        assert self._trace is not None, "these prompts were run in parts"
        return self._trace

    @property
    def resumes(self) -> bool:
        """Whether blocks can be called one by one from what was recorded."""
        return bool(self.trace.calls)

    @property
    def logits(self) -> Float[Tensor, "prompt pos d_vocab"]:
        """Logits at every position."""
        return self.trace.logits

    def logits_of(self, prompt: int) -> Float[Tensor, "pos d_vocab"]:
        """Logits at every position of one prompt: of all prompts they can take longer than the rest
        of a run."""
        return self.trace.logits_of(prompt)

    @property
    def n_bytes(self) -> int:
        """What this run holds on the device."""
        return self.trace.n_bytes

    def activation(self, name: str) -> Tensor:
        """The activation at a TransformerLens hook, as this run used it; e.g.
        ``"blocks.0.hook_resid_post"`` [prompt, pos, d_model]."""
        return self.activations([name])[name]

    def activations(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Several activations [prompt, pos, ...], with at most one more forward for the missing."""
        for name in names:
            self.check_name(name)
        # Several names can stand for one hook point, as hook_resid_pre and hook_in do.
        points = {name: self._points[name] for name in names}
        found = self.trace.activations(list(dict.fromkeys(points.values())))
        return {name: found[point] for name, point in points.items()}

    def uncached_activation(self, name: str) -> Tensor:
        """The same [prompt, pos, ...] as ``activation``, not kept: of many, none stays."""
        self.check_name(name)
        point = self._points[name]
        found = self.trace.uncached([point])
        if point not in found:
            raise InputError(
                f"activation {name!r} did not fire in this run.",
                "The model computes it only for other prompts or settings.",
            )
        return found[point]

    def check_name(self, name: str) -> None:
        """InputError when the model has no such hook, or one that never fires."""
        if name in self._points:
            return
        if name in getattr(self._access.model, "hook_dict", ()):
            problem = "never fires when this model runs"
        else:
            problem = "is not a hook of this model"
        hint = f"{near(name, self._points)} See model.hook_dict."
        raise InputError(f"activation {shown(name)} {problem}.", hint.strip())

    def pooled_patterns(self, layers: Sequence[int], pool: int) -> list[Tensor]:
        """The patterns of layers as the largest weight of each ``pool`` x ``pool`` positions:
        [prompt, head, query block, key block] each, pooled as the model makes them."""
        points = [self._points[f"blocks.{layer}.attn.hook_pattern"] for layer in layers]
        names = [pooled_name(point, pool) for point in points]
        found = self.trace.activations(names)
        return [found[name] for name in names]

    def compute(self, work: Callable[[Any], T]) -> T:
        """``work(model)`` with the model to itself and without gradients, for what no hook holds.

        In the worker it waits while a cell runs, so keep it to a fraction of a second.
        """

        def alone(model: TransformerModel, check: Any) -> T:
            if check is not None:
                check()
            with torch.no_grad():
                return work(model)

        return self._access.exclusively(alone)

    def pattern(self, layer: int) -> Float[Tensor, "prompt head query_pos key_pos"]:
        """The attention pattern of every head of a layer, each row summing to 1."""
        return self.activation(f"blocks.{layer}.attn.hook_pattern")

    @property
    def loss_per_token(self) -> Float[Tensor, "prompt pos"]:
        """Nats for predicting token pos + 1; NaN at each prompt's last position."""
        if self._loss is None:
            self._loss = loss_per_token(self.logits, self._prompts)
        return self._loss

    @property
    def last_logits(self) -> Float[Tensor, "prompt d_vocab"]:
        """Logits at each prompt's last position, float32."""
        # functools.cached_property would hold a lock, before Python 3.12 one for all runs, while
        # the model is waited for.
        if self._last is None:
            self._last = self.trace.logits_at(self._prompts.positions).float()
        return self._last

    def top_predictions(self, k: int = 5) -> list[list[Predicted]]:
        """The k likeliest next tokens after each prompt, likeliest first."""
        logits = self.last_logits
        probs = logits.softmax(dim=-1)
        top = probs.topk(min(k, probs.shape[-1]), dim=-1)
        tokenizer = self._access.model.tokenizer
        return [
            [
                Predicted(token_text(tokenizer, i), i, p, float(logits[row, i]))
                for i, p in zip(ids, values, strict=True)
            ]
            for row, (ids, values) in enumerate(
                zip(_ints(top.indices), top.values.tolist(), strict=True)
            )
        ]


def _ints(ids: Int[Tensor, "prompt k"]) -> list[list[int]]:
    rows: list[list[int]] = ids.tolist()
    return rows
