"""Gradients of a number that is read off the logits, by activations on the way: one forward and
one backward pass, this one as the model has it or by the rules of ``engine.relp``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.forward import (
    BlockCall,
    Check,
    Hook,
    HookFn,
    call_block,
    hooks_at_home,
    stops,
    transformed,
)
from lens_widgets.engine.fused import differentiable_activations
from lens_widgets.engine.model import TransformerModel, call_there, home
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.relp import BackwardHooks, RelP, relp_hooks


@dataclass(frozen=True)
class Slopes:
    """What is asked of one pass, by hooks.

    Args:
        names: activations whose gradients are wanted, as the model used them.
        inputs: the same of what a part reads, before interventions act on it; of the residual
            stream that of the part alone, without what goes past it.
        watched: activations without gradients.
        relp: another backward pass; None for the gradient itself.
        stream: what enters the first block in place of what was recorded.
    """

    names: Sequence[str] = ()
    inputs: Sequence[str] = ()
    watched: Sequence[str] = ()
    relp: RelP | None = None
    stream: Float[Tensor, "prompt pos d_model"] | None = None


@dataclass(frozen=True)
class Passed:
    """Activations by name, and gradients of the summed value, of the same shapes. ``held``:
    whether the scales of norms were constants to the backward pass."""

    activations: dict[str, Tensor]
    gradients: dict[str, Tensor]
    held: bool


def gradients(
    model: TransformerModel,
    facts: ModelFacts,
    calls: Sequence[BlockCall],
    wanted: Slopes,
    value: Callable[[Tensor], Tensor],
    *,
    positions: Int[Tensor, "prompt"] | None = None,
    hooks: Sequence[Hook] = (),
    last: Sequence[Hook] = (),
    check: Check | None = None,
) -> Passed:
    """One forward and backward of ``value(logits)``, summed.

    ``value`` gets the logits [prompt, pos, d_vocab], or with ``positions`` those at one position of
    each prompt, [prompt, d_vocab]; nothing past the blocks may be asked for then, or hooked. The
    model's parameters get no gradients. An activation that the logits do not depend on has a
    gradient of zeros. ``last`` are hooks that see the activations that gradients are taken by.
    """
    assert not set(wanted.names) & set(wanted.inputs)
    kept: dict[str, Tensor] = {}
    watched: dict[str, Tensor] = {}

    def keep(name: str) -> HookFn:
        def hold(activation: Tensor, hook: Any) -> Tensor:
            # Handed back, so that the logits depend on this tensor: hooks may see a reshaped copy.
            kept[name] = activation
            return activation

        return hold

    def fork(name: str) -> HookFn:
        def hold(activation: Tensor, hook: Any) -> Tensor:
            # Another tensor, as the stream itself goes on past the part.
            kept[name] = activation.view_as(activation)
            return kept[name]

        return hold

    def watch(name: str) -> HookFn:
        def hold(activation: Tensor, hook: Any) -> None:
            watched[name] = activation.detach()

        return hold

    rules = BackwardHooks() if wanted.relp is None else relp_hooks(model, facts, wanted.relp)
    all_hooks = [
        *stops(model, 0, check),
        *((name, fork(name)) for name in wanted.inputs),
        *rules.first,
        *hooks,
        *rules.last,
        *((name, keep(name)) for name in wanted.names),
        *last,
        *((name, watch(name)) for name in wanted.watched),
    ]
    with (
        torch.enable_grad(),
        model.hooks(fwd_hooks=hooks_at_home(model, all_hooks)),
        differentiable_activations(model.blocks),
    ):
        start = calls[0].resid if wanted.stream is None else wanted.stream
        # A leaf of our own, so that the graph exists even where parameters are frozen.
        resid = start.clone().requires_grad_(True)
        for layer, call in enumerate(calls):
            resid = call_block(model.blocks[layer], resid, call)
        resid = resid.to(home(model))
        if positions is not None:
            resid = resid[torch.arange(len(positions), device=resid.device), positions][:, None]
        normed = call_there(model.ln_final, resid)
        logits = transformed(model, call_there(model.unembed, normed))
        total = value(logits if positions is None else logits[:, 0]).sum()
        found = torch.autograd.grad(total, list(kept.values()), allow_unused=True)
    given = {
        name: torch.zeros_like(activation) if slope is None else slope
        for (name, activation), slope in zip(kept.items(), found, strict=True)
    }
    activations = {name: activation.detach() for name, activation in kept.items()}
    return Passed(activations | watched, given, wanted.relp is not None)
