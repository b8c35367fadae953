"""The plain runs that numbers are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.unit import reference
from tests.unit.reference import Hook

ANSWER = (30, 31)
"""Ids of the correct and the wrong answer of every prompt."""


class PlainRun:
    """TransformerLens's own forward of one prompt [1, pos] by itself, under ``hooks``."""

    def __init__(self, model: Any, tokens: Tensor, hooks: Sequence[Hook] = ()) -> None:
        self.model, self.tokens, self.hooks = model, tokens, tuple(hooks)

    @property
    def ids(self) -> list[int]:
        """The prompt."""
        found: list[int] = self.tokens[0].tolist()
        return found

    def logits(self, *more: Hook) -> Tensor:
        """Logits [pos, d_vocab], under further hooks."""
        return reference.logits(self.model, self.tokens, [*self.hooks, *more])

    def metric(self, *more: Hook) -> float:
        """The answer's logit minus the wrong one's, at the end."""
        return reference.logit_diff(self.logits(*more), ANSWER)

    @cached_property
    def activations(self) -> dict[str, Tensor]:
        """Every activation [pos, ...] that fires, by each of its names."""
        with torch.no_grad(), self.model.hooks(fwd_hooks=list(self.hooks)):
            _, cache = self.model.run_with_cache(
                self.tokens, return_cache_object=False, use_cache=False
            )
        return {name: each[0] for name, each in cache.items() if isinstance(each, Tensor)}

    def read(self, name: str, *more: Hook) -> Tensor:
        """One activation [pos, ...], under further hooks."""
        if not more:
            return self.activations[name]
        return reference.activation(self.model, self.tokens, name, [*self.hooks, *more])


class Twin:
    """Hugging Face's own model with the weights of a bridge."""

    def __init__(self, hf: Any, bridge: Any) -> None:
        self.hf, self._bridge = hf, bridge

    def module(self, part: str) -> nn.Module | None:
        """What a part of the bridge, such as ``"blocks.0.attn.q"``, wraps; None where it wraps no
        module of Hugging Face's."""
        component, names = self._bridge, []
        for word in part.split("."):
            if word.isdigit():
                component = component[int(word)]
                names.append(word)
                continue
            component = getattr(component, word, None)
            if component is None:
                return None
            mapped = self._bridge.adapter.component_mapping.get(word)
            name = (mapped if word == "blocks" else component).name
            names += [name] if name else []
        found: Any = self.hf
        for word in ".".join(map(str, names)).split("."):
            found = getattr(found, word, None)
        return found if isinstance(found, nn.Module) else None

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits [pos, d_vocab] of one prompt [1, pos]."""
        return self._run(tokens).logits[0]

    def streams(self, tokens: Tensor) -> list[Tensor]:
        """The residual stream [pos, d_model] as each layer is given it, and then the final norm;
        empty where no single stream runs through the model."""
        kept: dict[str, Tensor] = {}
        layers = [f"blocks.{layer}" for layer in range(len(self._bridge.blocks))]
        handles = []
        for part in (*layers, "ln_final"):

            def keep(_: Any, args: Any, kwargs: Any, part: str = part) -> None:
                # The last time: some norm their embeddings with the same module.
                kept[part] = (args or [kwargs["hidden_states"]])[0][0]

            module = self.module(part)
            if module is not None:
                handles.append(module.register_forward_pre_hook(keep, with_kwargs=True))
        try:
            self._run(tokens)
        finally:
            for handle in handles:
                handle.remove()
        found = [kept[part] for part in (*layers, "ln_final") if part in kept]
        whole = len(found) == len(layers) + 1 and all(each.dim() == 2 for each in found)
        return found if whole else []

    def patterns(self, tokens: Tensor) -> list[Tensor]:
        """The pattern [head, query, key] of each layer that has attention, as far as Hugging Face
        tells it."""
        try:
            found = self._run(tokens, output_attentions=True)
        except (ValueError, AttributeError, TypeError):
            return []
        given = getattr(found, "attentions", None) or ()
        return [each[0] for each in given if isinstance(each, Tensor) and each.dim() == 4]

    def taken_in(self, part: str, tokens: Tensor) -> Tensor | None:
        """What Hugging Face's module for a part of the bridge is given: [pos, ...]."""
        module, kept = self.module(part), []
        if module is None:
            return None
        # Some flatten prompts and positions on the way.
        rows = tokens.shape[1]
        handle = module.register_forward_pre_hook(
            lambda _, args: kept.append(args[0].reshape(rows, -1))
        )
        try:
            self._run(tokens)
        finally:
            handle.remove()
        return kept[-1] if kept else None

    def given_out(self, part: str, tokens: Tensor) -> Tensor | None:
        """What it makes of that: [pos, ...]."""
        module, kept = self.module(part), []
        if module is None:
            return None
        handle = module.register_forward_hook(
            lambda _, args, out: kept.append((out[0] if isinstance(out, tuple) else out)[0])
        )
        try:
            self._run(tokens)
        finally:
            handle.remove()
        return kept[-1] if kept else None

    def logits_after(self, stream: Tensor, tokens: Tensor) -> Tensor:
        """Logits [pos, d_vocab] if the last layer had left ``stream`` [pos, d_model] behind."""
        layer = self.module(f"blocks.{len(self._bridge.blocks) - 1}")
        assert layer is not None

        def leave(_: Any, args: Any, output: Any) -> Any:
            whole = isinstance(output, tuple)
            return (stream[None], *output[1:]) if whole else stream[None]

        handle = layer.register_forward_hook(leave)
        try:
            return self.logits(tokens)
        finally:
            handle.remove()

    def _run(self, tokens: Tensor, **options: Any) -> Any:
        with torch.no_grad():
            return self.hf(tokens, use_cache=False, **options)


_looser: ContextVar[float] = ContextVar("looser", default=1.0)


@contextmanager
def looser(factor: float) -> Iterator[None]:
    """Inside, ``near`` allows so many times as much: for models that compute in 16 bits."""
    token = _looser.set(factor)
    try:
        yield
    finally:
        _looser.reset(token)


def near(got: Any, expected: Any, what: object = "", tolerance: float = 3e-4) -> None:
    """Fails unless both are the same, to ``tolerance`` of the largest number expected; NaN where
    NaN is expected, and nowhere else."""
    tolerance *= _looser.get()
    a, b = (np.asarray(_plain(each), dtype=np.float64) for each in (got, expected))
    assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
    assert (np.isnan(a) == np.isnan(b)).all(), f"{what}: NaN at {_where(a, b)}"
    known = ~np.isnan(b)
    if not known.any():
        return
    off = np.abs(a - b)[known].max()
    size = max(1.0, np.abs(b[known]).max())
    assert off <= tolerance * size, f"{what}: off by {off:.3g}, expected up to {size:.3g}"


def _plain(values: Any) -> Any:
    if isinstance(values, list):
        return [_plain(each) for each in values]
    return values.detach().float().numpy() if isinstance(values, Tensor) else values


def _where(a: Any, b: Any) -> str:
    return str(np.argwhere(np.isnan(a) != np.isnan(b))[:3].tolist())
