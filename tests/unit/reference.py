"""Plain TransformerLens runs of one unpadded prompt at a time, which results are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Hook = tuple[str, Callable[[Tensor, Any], "Tensor | None"]]


def logits(model: Any, tokens: Tensor, hooks: Sequence[Hook] = ()) -> Tensor:
    """Logits [pos, d_vocab] of one prompt [1, pos]."""
    with torch.no_grad():
        out: Tensor = model.run_with_hooks(tokens, fwd_hooks=list(hooks), use_cache=False)
    return out[0]


def activation(model: Any, tokens: Tensor, name: str, hooks: Sequence[Hook] = ()) -> Tensor:
    """One activation [pos, ...] of one prompt [1, pos], as later parts of the model see it."""
    kept: dict[str, Tensor] = {}

    def keep(value: Tensor, hook: Any) -> None:
        kept[name] = value.detach()

    logits(model, tokens, [*hooks, (name, keep)])
    return kept[name][0]


def write(
    name: str, value: float | Tensor, head: int | None = None, at: Sequence[int] | None = None
) -> Hook:
    """Puts ``value`` (a number, [d] or [pos, d]) at a hook: at one head, at some positions."""

    def edit(before: Tensor, hook: Any) -> Tensor:
        after = before.clone()
        part = after[0] if head is None else after[0, :, head]
        new = torch.as_tensor(value, dtype=part.dtype).expand_as(part)
        for position in range(len(part)) if at is None else at:
            part[position] = new[position]
        return after

    return name, edit


def put(name: str, source: Tensor, head: int | None = None, pos: int | slice = slice(None)) -> Hook:
    """Puts another run's activation [pos, ...] in place: all of it, or one head's, or at ``pos``.

    Patterns have their heads first, and ``pos`` is that of the query.
    """

    def edit(before: Tensor, hook: Any) -> Tensor:
        after = before.clone()
        if head is None:
            after[0, pos] = source[pos]
        elif name.endswith("hook_pattern"):
            after[0, head, pos] = source[head, pos]
        else:
            after[0, pos, head] = source[pos, head]
        return after

    return name, edit


def add(name: str, vector: Tensor, head: int | None = None, at: Sequence[int] = (-1,)) -> Hook:
    """Adds ``vector`` at a hook, at some positions."""

    def edit(before: Tensor, hook: Any) -> Tensor:
        after = before.clone()
        part = after[0] if head is None else after[0, :, head]
        for position in at:
            part[position] += vector
        return after

    return name, edit


def zero_last_dim(name: str, index: int) -> Hook:
    """Puts 0 at one index of the last dim: a neuron, say."""

    def edit(before: Tensor, hook: Any) -> Tensor:
        after = before.clone()
        after[..., index] = 0.0
        return after

    return name, edit


def logit_diff(values: Tensor, answer: Sequence[int]) -> float:
    """Logit of the correct answer minus the wrong one's at the last position of [pos, d_vocab]."""
    return float(values[-1, answer[0]] - values[-1, answer[1]])


def losses(values: Tensor, tokens: Tensor) -> Tensor:
    """Nats for each next token: [pos - 1]."""
    return torch.nn.functional.cross_entropy(values[:-1], tokens[0, 1:], reduction="none")
