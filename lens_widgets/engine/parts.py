"""What the layers of a model have: whoever needs heads, patterns or an MLP asks here.

Layers can be built of other things than attention and MLPs (state spaces, convolutions), and an
attention can lay out its activations in another way than by heads. Both are facts of a model, found
when it is probed; what cannot be had without the part is refused here, in words.
"""

from __future__ import annotations

from collections.abc import Sequence

from lens_widgets.engine.hooks import TABLE
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import InputError

HEADS = "attn.hook_z"
PATTERN = "attn.hook_pattern"
VALUE = "attn.hook_v"
ATTENTION = "hook_attn_out"
MLP = "hook_mlp_out"

_WORDS = {
    HEADS: "attention heads",
    PATTERN: "attention pattern by heads",
    "attn.hook_q": "queries by heads",
    "attn.hook_k": "keys by heads",
    VALUE: "values by heads",
    "attn.hook_attn_scores": "attention scores by heads",
    ATTENTION: "attention",
    MLP: "MLP",
}


def layers_with(facts: ModelFacts, *parts: str) -> tuple[int, ...]:
    """The layers that have all of ``parts``, each with the axes that ``engine.hooks`` gives it."""
    layers = range(facts.n_layers)
    return tuple(la for la in layers if all(facts.lays_out(la, part) for part in parts))


def check_layers(facts: ModelFacts, argument: str, *parts: str) -> tuple[int, ...]:
    """The same; InputError, which begins with ``argument``, when no layer has them."""
    found = layers_with(facts, *parts)
    if not found:
        raise InputError(f"{argument}: {_lacking(facts, None, parts)}", _hint(found))
    return found


def check_layer(facts: ModelFacts, layer: int, argument: str, *parts: str) -> None:
    """InputError, which begins with ``argument``, when a layer lacks one of ``parts``."""
    if not all(facts.lays_out(layer, part) for part in parts):
        raise InputError(
            f"{argument}: {_lacking(facts, layer, parts)}", _hint(layers_with(facts, *parts))
        )


def check_stream(facts: ModelFacts) -> None:
    """InputError for a model in which no single residual stream runs from layer to layer, or not
    from the last of them to the logits."""
    shapes = [facts.hooks.get(f"blocks.{layer}.hook_in", ()) for layer in range(facts.n_layers)]
    if not all(len(shape) == 3 for shape in shapes):
        raise InputError(
            "The logit lens needs one residual stream; this model's blocks hand on another thing "
            f"(on two tokens {'x'.join(map(str, shapes[0]))}).",
            "Look at single activations: ActivationBrowser(session).",
        )
    if not facts.reads_out:
        raise InputError(
            "The logit lens gives the residual stream to the final norm and the unembedding; the "
            "logits of this model are not what these make of it.",
            "Look at single activations: ActivationBrowser(session).",
        )


def _lacking(facts: ModelFacts, layer: int | None, parts: Sequence[str]) -> str:
    """What is not there, or not as it is needed."""
    layers = range(facts.n_layers) if layer is None else [layer]
    missing = next(part for part in parts if not any(facts.lays_out(la, part) for la in layers))
    what = _WORDS.get(missing, TABLE[missing].title or missing)
    whose = "this model" if layer is None else f"layer {layer} of this model"
    other = [la for la in layers if f"blocks.{la}.{missing}" in facts.hooks]
    if not other:
        return f"{whose} has no {what} (no blocks.{layers[0]}.{missing})."
    shape = "x".join(map(str, facts.hooks[f"blocks.{other[0]}.{missing}"]))
    axes = " x ".join(TABLE[missing].axes)
    return (
        f"{whose} has no {what}: {missing} is not laid out by its {facts.n_heads} heads (on two "
        f"tokens {shape}, and not {axes})."
    )


def _hint(layers: Sequence[int]) -> str:
    if not layers:
        return "Losses, tokens and single activations (ActivationBrowser) need none."
    return f"Layers that have it: {', '.join(map(str, layers))}."
