"""RelP: the forward of a model as it is, with another backward.

A gradient says what an endless small change would do; patching makes a large one, and norms and
activation functions bend on the way. Relevance patching (Rezaei Jafari et al., 2025) gives the
backward pass the slope of the chord from zero in place of the tangent's:

- the scale of every norm counts as a constant,
- an activation ``f(x)`` counts as ``x * (f(x) / x)`` with the quotient constant,
- of the product in a gated MLP each factor gets half of the gradient,
- attention patterns count as constants where that is asked for.

Each rule is a pair of hooks, around a norm or between the two linear maps of an MLP: they hand on
the very numbers that the model computed, so no logit moves. Nothing here knows an architecture.
What a rule takes for granted is checked on the numbers of the run, and refused where it is not so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from lens_widgets.engine.forward import Hook
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.norms import HeldNorm, found_norm, held_norm
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.transformer_lens_private import plain_name
from lens_widgets.errors import InputError

Back = Callable[[Tensor], Tensor]

_NORMS = ("ln1", "ln2", "ln1_post", "ln2_post", "attn.q_norm", "attn.k_norm")
"""Norms that may report no scale."""

_HINT = "Use method='gradient' or 'integrated'."


@dataclass(frozen=True)
class RelP:
    """The rules, as a choice of the backward pass. ``patterns``: whether attention patterns count
    as constants, so that nothing flows into queries and keys."""

    patterns: bool = False


@dataclass
class BackwardHooks:
    """Hooks of a backward rule. Interventions act between the two: ``first`` of all that is done at
    a hook point, ``last`` of it."""

    first: list[Hook] = field(default_factory=list)
    last: list[Hook] = field(default_factory=list)


def relp_hooks(model: TransformerModel, facts: ModelFacts, rules: RelP) -> BackwardHooks:
    """The rules for one forward of ``model`` with gradients.

    InputError for a model with parts that no rule is known for; in the forward itself, for norms
    and MLPs that turn out to do something else than the rules take for granted.
    """
    hooks = BackwardHooks()
    if facts.layers.other:
        layer, part = next(iter(facts.layers.other.items()))
        raise InputError(f"method='relp' has no rule for layer {layer}'s {part}.", _HINT)
    norms = [*_norms(facts)]
    _check_norms(model, norms)
    for path in norms:
        _hold_norm(hooks, path, _part(model, path), facts)
    for layer in facts.mlp_layers:
        _hold_mlp(hooks, layer, facts)
    if rules.patterns:
        _hold_patterns(hooks, facts)
    return hooks


class _Another(torch.autograd.Function):
    """A value as it was computed; its gradient goes to ``inputs``, each by one of ``backs``."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, backs: Sequence[Back], *inputs: Tensor) -> Tensor:
        ctx.backs = backs
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return (None, None, *(back(grads[0]) for back in ctx.backs))


def _another(value: Tensor, backs: Sequence[Back], *inputs: Tensor) -> Tensor:
    given: Tensor = _Another.apply(value.detach(), backs, *inputs)
    return given


# --- norms ----------------------------------------------------------------------------------------


def _norms(facts: ModelFacts) -> Iterator[str]:
    """The paths of all norms that report what goes in and what comes out."""
    named = [f"blocks.{layer}.{norm}" for layer in range(facts.n_layers) for norm in _NORMS]
    # A norm reports its scale, whatever it is called.
    parted = [name.rpartition(".") for name in facts.hooks if name.startswith("blocks.")]
    scaled = [path for path, _, last in parted if last in {"hook_scale"}]
    for path in dict.fromkeys((*named, *scaled, "ln_final")):
        if all(f"{path}.hook_{end}" in facts.hooks for end in ("in", "out")):
            yield path


def _part(model: TransformerModel, path: str) -> Any:
    """The norm at such a path."""
    if path == "ln_final":
        return model.ln_final
    _, layer, name = path.split(".", 2)
    return attrgetter(name)(model.blocks[int(layer)])


def _check_norms(model: TransformerModel, paths: Sequence[str]) -> None:
    """InputError for a norm in a block that no hooks stand around."""
    reached = {id(module) for path in paths for module in _part(model, path).modules()}
    for layer, block in enumerate(model.blocks):
        for name, module in block.named_modules():
            if "Norm" in type(module).__name__ and id(module) not in reached:
                raise InputError(
                    f"method='relp': layer {layer} has a norm that cannot be reached "
                    f"({plain_name(name)}).",
                    _HINT,
                )


def _hold_norm(hooks: BackwardHooks, path: str, norm: Any, facts: ModelFacts) -> None:
    """The norm's scale as a constant."""
    held: dict[str, Tensor] = {}
    tolerance = _tolerance(facts)

    def keep(name: str) -> Hook:
        def hold(activation: Tensor, hook: Any) -> Tensor:
            held[name] = activation
            return activation

        return f"{path}.hook_{name}", hold

    def keep_scale(activation: Tensor, hook: Any) -> None:
        held["scale"] = activation.detach()

    def linear(after: Tensor, hook: Any) -> Tensor:
        before = held.pop("in")
        scale = held.pop("scale", None)
        map_ = _as_linear(norm, before.detach(), after.detach(), scale, tolerance)
        if map_ is None:
            raise InputError(f"method='relp': {path} does more than to scale and shift.", _HINT)

        def back(gradient: Tensor) -> Tensor:
            given = map_.back(_places(gradient).float())
            return given.view(gradient.shape).to(before.dtype)

        return _another(after, [back], before)

    hooks.last.append(keep("in"))
    if f"{path}.hook_scale" in facts.hooks:
        hooks.last.append((f"{path}.hook_scale", keep_scale))
    hooks.first.append((f"{path}.hook_out", linear))


def _as_linear(
    norm: Any, before: Tensor, after: Tensor, scale: Tensor | None, tolerance: float
) -> HeldNorm | None:
    """What the norm did to these vectors, its scale held; None where it did something else."""
    if before.shape != after.shape:
        return None
    inputs, outputs = _places(before).float(), _places(after).float()
    if scale is None:
        return found_norm(norm, inputs, outputs, tolerance)
    map_ = held_norm(norm, _places(scale).float())
    off = (map_.forth(inputs) - outputs).abs().nan_to_num()
    return map_ if bool(off.max() <= tolerance * outputs.abs().nan_to_num().max()) else None


def _places(vectors: Tensor) -> Tensor:
    return vectors.reshape(-1, vectors.shape[-1])


def _tolerance(facts: ModelFacts) -> float:
    return 1e-3 if facts.dtype in ("float32", "float64") else 5e-2


# --- MLPs -----------------------------------------------------------------------------------------


def _hold_mlp(hooks: BackwardHooks, layer: int, facts: ModelFacts) -> None:
    """The activation by its quotient, and half of the gradient for each factor of a gated one."""
    mlp, tolerance = f"blocks.{layer}.mlp", _tolerance(facts)
    gated = f"{mlp}.gate.hook_out" in facts.hooks
    sources = [f"{mlp}.gate.hook_out", f"{mlp}.in.hook_out"] if gated else [f"{mlp}.in.hook_out"]
    if any(name not in facts.hooks for name in (*sources, f"{mlp}.out.hook_in")):
        raise InputError(
            f"method='relp': the MLP of layer {layer} does not report what goes into its "
            "activation function (a mixture of experts, for example).",
            _HINT,
        )
    held: dict[str, Tensor] = {}

    def keep(name: str) -> Hook:
        def hold(activation: Tensor, hook: Any) -> Tensor:
            held[name] = activation
            return activation

        return name, hold

    def by_quotient(post: Tensor, hook: Any) -> Tensor:
        inputs = [held.pop(name, None) for name in sources]
        slopes = _slopes(post, inputs, tolerance)
        if slopes is None:
            raise InputError(
                f"method='relp': the activation function of layer {layer} does not work entry by "
                "entry.",
                _HINT,
            )
        present = [each for each in inputs if each is not None]
        share = 1.0 / len(present)
        # A product is linear in its other factor: that one's slope is the activation.
        chosen = [_quotient(post, present[0], slopes[0]), *slopes[1:]]
        backs = [_times(share * slope) for slope in chosen]
        return _another(post, backs, *present)

    hooks.last += [keep(name) for name in sources]
    hooks.first.append((f"{mlp}.out.hook_in", by_quotient))


def _quotient(post: Tensor, pre: Tensor, slope: Tensor) -> Tensor:
    """``post / pre``, and its limit, the slope, where that has none: activations are 0 at 0."""
    numbers = post.detach().float() / pre.detach().float()
    return torch.where(numbers.isfinite(), numbers, slope.float()).to(post.dtype)


def _times(slope: Tensor) -> Back:
    return lambda gradient: gradient * slope


def _slopes(post: Tensor, inputs: Sequence[Tensor | None], tolerance: float) -> list[Tensor] | None:
    """The derivative of each entry of ``post`` by the same entry of each input.

    None unless it depends on that entry alone, and linearly on the second input, if there is one.
    """
    present = [each for each in inputs if each is not None and each.shape == post.shape]
    if len(present) < len(inputs):
        return None

    def derivative(weights: Tensor) -> Sequence[Tensor | None]:
        return torch.autograd.grad(post, present, weights, retain_graph=True, allow_unused=True)

    ones = torch.ones_like(post)
    # Weights of which no two are equal show a slope by any other entry.
    weights = torch.linspace(0.5, 1.5, post.numel(), device=post.device).view(post.shape)
    found: list[Tensor] = []
    for slope, weighted in zip(derivative(ones), derivative(weights.to(post.dtype)), strict=True):
        if slope is None or weighted is None or not _near(weighted, slope * weights, tolerance):
            return None
        found.append(slope)
    if len(present) > 1 and not _near(found[1] * present[1].detach(), post.detach(), tolerance):
        return None
    return found


def _near(got: Tensor, expected: Tensor, tolerance: float) -> bool:
    off = (got.float() - expected.float()).abs().nan_to_num().max()
    return bool(off <= tolerance * expected.float().abs().nan_to_num().max())


# --- attention ------------------------------------------------------------------------------------


def _hold_patterns(hooks: BackwardHooks, facts: ModelFacts) -> None:
    if not facts.pattern_edits:
        raise InputError(
            "detach_patterns=True: this model's attention ignores what is made of its pattern.",
            "Leave it out.",
        )
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in facts.layers.attention]
    hooks.last += [(name, _detached) for name in names if name in facts.hooks]


def _detached(activation: Tensor, hook: Any) -> Tensor:
    return activation.detach()
