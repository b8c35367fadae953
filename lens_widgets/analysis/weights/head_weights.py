"""One head's weight matrices, whatever the architecture: float32, keys and values of its group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.components import Component
from lens_widgets.engine.model import TransformerModel, home, weights_of
from lens_widgets.engine.model import unembedding as model_unembedding
from lens_widgets.engine.placement import quantisation
from lens_widgets.engine.transformer_lens_private import attention_scale
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session

Matrix = Float[Tensor, "rows columns"]


@dataclass(frozen=True)
class HeadWeights:
    """``q``, ``k``, ``v`` [d_model, d_head] and ``o`` [d_head, d_model]; residual row vectors are
    multiplied from the left."""

    name: str
    layer: int
    head: int
    q: Float[Tensor, "d_model d_head"]
    k: Float[Tensor, "d_model d_head"]
    v: Float[Tensor, "d_model d_head"]
    o: Float[Tensor, "d_head d_model"]


def model_of(source: Any) -> Any:
    """The model of a session, or the model itself."""
    model = source.model if isinstance(source, Session) else source
    if not hasattr(model, "blocks") or not hasattr(model, "cfg"):
        raise InputError(
            f"model must be a TransformerLens model or a session; got {type(source).__name__}.",
            "Pass lw.Session(...) or the TransformerBridge itself.",
        )
    return model


def parse_head(
    model: TransformerModel, head: Component | str, argument: str = "head"
) -> tuple[int, int]:
    """Layer and head of ``"L1H4"``; InputError when it is no head of the model."""
    part = Component.parse(head)
    if part.kind != "head" or part.layer is None or part.head is None:
        raise InputError(
            f"{argument}={str(head)!r} is not a head.", "Heads are written like 'L1H4'."
        )
    if part.layer >= model.cfg.n_layers or part.head >= model.cfg.n_heads:
        raise InputError(
            f"{argument}={str(head)!r}: the model has {model.cfg.n_layers} layers of "
            f"{model.cfg.n_heads} heads.",
            f"The last head is L{model.cfg.n_layers - 1}H{model.cfg.n_heads - 1}.",
        )
    return part.layer, part.head


def head_weights(
    model: TransformerModel, head: Component | str, argument: str = "head"
) -> HeadWeights:
    """The matrices of one head; under grouped-query attention keys and values of its group."""
    layer, index = parse_head(model, head, argument)
    _check_plain(model, f"{argument}={str(head)!r}")
    found = _weights(model, layer)
    if found is None:
        raise InputError(
            f"{argument}={str(head)!r}: the weights of layer {layer} cannot be split "
            "by heads: it has no attention, or one of another form.",
            _which_have(model),
        )
    queries, keys, values, outputs = found
    group = index * keys.shape[0] // queries.shape[0]
    scale = attention_scale(model.blocks[layer].attn)
    return HeadWeights(
        f"L{layer}H{index}",
        layer,
        index,
        queries[index].float(),
        keys[group].float(),
        values[group].float(),
        outputs[index].float() * scale,
    )


def layer_weights(
    model: TransformerModel, layer: int
) -> dict[str, Float[Tensor, "head rows columns"]]:
    """The same of all heads of a layer at once, by ``"q"``, ``"k"``, ``"v"`` and ``"o"``; a layer
    of ``weighted_layers``."""
    weights = _weights(model, layer)
    assert weights is not None
    found = {name: each.float() for name, each in zip("qkvo", weights, strict=True)}
    n_heads = found["q"].shape[0]
    for name in "kv":
        found[name] = found[name].repeat_interleave(n_heads // found[name].shape[0], dim=0)
    found["o"] = found["o"] * attention_scale(model.blocks[layer].attn)
    return found


def weighted_layers(model: TransformerModel, argument: str, least: int = 1) -> tuple[int, ...]:
    """The layers that have weights by heads; InputError, which begins with ``argument``, when fewer
    than ``least`` have."""
    _check_plain(model, argument)
    found = _weighted(model)
    if len(found) < min(least, model.cfg.n_layers):
        lacking = next(la for la in range(model.cfg.n_layers) if la not in found)
        raise InputError(
            f"{argument} needs {least} layer{'s' if least > 1 else ''} with heads, and the weights "
            f"of layer {lacking} cannot be split by heads: it has no attention, or one of another "
            "form.",
            _which_have(model),
        )
    return found


def _weights(model: TransformerModel, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    """W_Q, W_K, W_V and W_O [head, rows, columns], as many heads as the configuration says or
    groups of them; None where a layer has them not, or not so."""
    attention = getattr(model.blocks[layer], "attn", None)
    found = []
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        value = weights_of(attention, name)
        if value is None or value.dim() != 3:
            return None
        found.append(value.to(home(model)))
    queries, keys, values, outputs = found
    n_heads, d_model = model.cfg.n_heads, model.cfg.d_model
    fit = (
        tuple(queries.shape[:2]) == (n_heads, d_model)
        and keys.shape[1] == values.shape[1] == d_model
        and keys.shape[0] == values.shape[0]
        and n_heads % keys.shape[0] == 0
        and queries.shape[2] == keys.shape[2]
        and tuple(outputs.shape) == (n_heads, values.shape[2], d_model)
    )
    return (queries, keys, values, outputs) if fit else None


def _check_plain(model: TransformerModel, argument: str) -> None:
    """InputError, which begins with ``argument``, for weights that are no plain numbers."""
    stored = quantisation(model)
    if stored:
        raise InputError(
            f"{argument}: the weights of this model are stored in another form ({stored}), and a "
            "product of such matrices is not what it computes.",
            "Load the model in 16 or 32 bits for what its weights say; what is read off its runs "
            "works as it is.",
        )


def _weighted(model: TransformerModel) -> tuple[int, ...]:
    return tuple(la for la in range(model.cfg.n_layers) if _weights(model, la) is not None)


def _which_have(model: TransformerModel) -> str:
    found = _weighted(model)
    return f"Layers that have them: {', '.join(map(str, found))}." if found else "None has."


def embedding(model: TransformerModel) -> Float[Tensor, "d_vocab d_model"]:
    """Token embeddings, without positions or norms."""
    weights = weights_of(model, "W_E")
    assert weights is not None
    return weights.float().to(home(model))


def unembedding(model: TransformerModel) -> Float[Tensor, "d_model d_vocab"]:
    """The unembedding, without the final norm."""
    return model_unembedding(model)[0].float().to(home(model))


def positions(model: TransformerModel) -> Float[Tensor, "n_ctx d_model"]:
    """Learned positional embeddings; InputError when the model has none."""
    weights = weights_of(model, "W_pos")
    if weights is None or weights.dim() != 2:
        kind = getattr(model.cfg, "positional_embedding_type", "other")
        raise InputError(
            f"pos_circuit: this model has no W_pos (its positions are {kind}).",
            "Positional circuits exist for models with learned absolute positions.",
        )
    # Some tables have rows before the first position (OPT keeps two).
    return weights.float().to(home(model))[-model.cfg.n_ctx :]
