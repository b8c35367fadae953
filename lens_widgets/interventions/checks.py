"""What an intervention may be made of, and whether a model and its prompts can have it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lens_widgets.engine.components import Component
from lens_widgets.engine.hooks import TABLE, hook_kind, layer_of
from lens_widgets.engine.parts import check_layer
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import InputError, near
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span

Positions = Sequence[int] | Tensor | int | Span | None
"""What may be given as positions; they are kept as ``normal_positions`` makes them."""


def normal_positions(positions: Positions) -> tuple[int, ...] | Span | None:
    """Positions as a tuple without repeats, or a span as it is; None for all."""
    if positions is None or isinstance(positions, Span):
        return positions
    span = Span.from_saved(positions)
    if span is not None:
        return span
    if isinstance(positions, int) and not isinstance(positions, bool):
        return (positions,)
    if isinstance(positions, Tensor):
        positions = positions.tolist()
    if (
        not isinstance(positions, (list, tuple, range))
        or not positions
        or not all(isinstance(p, int) and not isinstance(p, bool) for p in positions)
    ):
        raise InputError(
            f"positions={positions!r} must be None, an integer or a list of integers.",
            "None means every position; lw.Spans names positions.",
        )
    return tuple(dict.fromkeys(positions))


def finite_scale(scale: Any) -> float:
    """A steering strength as a number."""
    if isinstance(scale, (int, float, Tensor)) and math.isfinite(scale):
        return float(scale)
    raise InputError(f"scale={scale!r} must be a finite number.", "1.0 adds the vector as it is.")


def parse_target(target: Any) -> Component | str:
    """A hook name as it is, anything else as a component."""
    if isinstance(target, str) and "hook_" in target:
        return target
    return Component.parse(target)


def check_target(facts: ModelFacts, target: Component | str) -> None:
    """Raises when the model has no such component or hook, or ignores edits of it."""
    if isinstance(target, Component):
        check_component(facts, target)
    elif target not in facts.hooks:
        raise InputError(
            f"hook={target!r} is not a hook of this model.",
            f"{near(target, facts.hooks)} See model.hook_dict.".strip(),
        )
    elif (layer := layer_of(target)) is not None and hook_kind(target).part in TABLE:
        check_layer(facts, layer, f"hook={target!r}", hook_kind(target).part)
    if not isinstance(target, Component) and not facts.edits_count(hook_kind(target)):
        raise InputError(
            f"hook={target!r}: this model's attention ignores edits of its "
            f"{hook_kind(target).copied_as}.",
            "Act on hook_q, hook_k or hook_z instead.",
        )


def check_head_of_hook(target: Component | str, head: Any) -> None:
    """Raises when ``head`` is given where the target is not a hook, or is no number."""
    if head is None:
        return
    if isinstance(head, bool) or not isinstance(head, int) or head < 0:
        raise InputError(f"head={head!r} must be None or a number from 0.", "For example head=3.")
    if isinstance(target, Component):
        raise InputError(
            f"head={head} goes with a hook name, and target is {str(target)!r}.",
            "Write 'L1H3' for the head's output, or target='blocks.1.attn.hook_q', head=3.",
        )


def check_n_heads(facts: ModelFacts, hook: str, head: int) -> None:
    """Raises when a hook holds no heads, or not so many."""
    n_heads = hook_kind(hook).n_heads(facts.hooks[hook])
    if head >= n_heads:
        raise InputError(
            f"head={head}: {hook} holds {n_heads} heads.",
            f"Heads run from 0 to {n_heads - 1}." if n_heads else "Leave head out.",
        )


def check_component(facts: ModelFacts, component: Component | str) -> None:
    """Raises when the model has no such component."""
    part = Component.parse(component)
    if part.layer is not None and part.layer >= facts.n_layers:
        raise InputError(
            f"component={str(part)!r}: the model has {facts.n_layers} layers.",
            f"Layers run from 0 to {facts.n_layers - 1}.",
        )
    if part.head is not None and part.head >= facts.n_heads:
        raise InputError(
            f"component={str(part)!r}: the model has {facts.n_heads} heads a layer.",
            f"Heads run from 0 to {facts.n_heads - 1}.",
        )
    if part.layer is not None:
        check_layer(facts, part.layer, f"component={str(part)!r}", hook_kind(part.hook).part)
    elif part.hook not in facts.hooks:
        raise InputError(
            f"component={str(part)!r}: this model has no {part.hook}.",
            "Choose a component that the model has.",
        )


def check_positions(prompts: PromptSet, positions: tuple[int, ...] | Span | None) -> None:
    """Raises when no prompt has such a position, or a span is one of other prompts."""
    longest = prompts.tokens.shape[1]
    if isinstance(positions, Span):
        prompts.check_span(positions)
        return
    for position in positions or ():
        if not -longest <= position < longest:
            raise InputError(
                f"positions has {position}; the longest prompt has {longest} tokens.",
                f"Positions run from 0 to {longest - 1}, or from -1 back to {-longest}.",
            )


def check_corrupted(prompts: PromptSet, what: str) -> None:
    """Raises when ``what`` needs corrupted prompts and there are none."""
    if prompts.corrupted_tokens is None:
        raise InputError(
            f"{what} needs corrupted prompts, and this session has none.",
            "Give Session(..., corrupted=[...]), one for each prompt and of the same length.",
        )
