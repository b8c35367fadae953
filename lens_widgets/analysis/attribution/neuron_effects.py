"""Direct effects of single MLP neurons: activation times what the neuron writes, read out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attribution.decomposition import (
    check_sum,
    interventions_of,
    kept,
)
from lens_widgets.analysis.attribution.readout import Where, check_where, readout_of, through_norm
from lens_widgets.engine.measured import measured
from lens_widgets.engine.model import weights_of
from lens_widgets.errors import InputError
from lens_widgets.interventions.ends import end_hooks
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


def neuron_effects(
    session: Session, run: Run | None = None, where: Where = "metric", layer: int | None = None
) -> Float[Tensor, "*lead layer neuron"]:
    """Effects of every neuron, or [*lead, neuron] of one layer's.

    A gated MLP's neurons are the products that enter its down-projection. They sum to the MLP's
    effect but for its output bias. InputError when the model's MLPs have no such neurons.
    """
    chosen = session.run() if run is None else run
    if layer is not None:
        check_mlp(session, layer)
        return _effects(session, chosen, where, layer)
    layers = range(session.facts.n_layers)
    for each in layers:
        check_mlp(session, each)
    values = [_effects(session, chosen, where, each) for each in layers]
    if len({value.shape[-1] for value in values}) > 1:
        raise InputError(
            "by='neuron': this model's layers have different numbers of neurons.",
            "Ask for one at a time with layer=...",
        )
    return torch.stack(values, dim=-2)


def neuron_activations_read(
    session: Session, run: Run, where: Where, layer: int
) -> Float[Tensor, "*lead neuron"]:
    """What enters a layer's output weights, at the places read: as ``neuron_effects`` collects."""

    def read(some: Session, own: Run) -> Tensor:
        readout = readout_of(some, own, where)
        return readout.collect(readout.at(own.activation(f"blocks.{layer}.mlp.hook_post")))

    return session.by_parts(read, run)


def check_mlp(session: Session, layer: Any) -> None:
    """InputError when the layer is not there, or its MLP is no sum of neurons."""
    facts = session.facts
    if isinstance(layer, bool) or not isinstance(layer, int) or not 0 <= layer < facts.n_layers:
        raise InputError(
            f"layer={layer!r} is not a layer of this model.",
            f"Layers run from 0 to {facts.n_layers - 1}.",
        )
    if layer not in facts.mlp_layers:
        raise InputError(
            f"by='neuron': layer {layer} of this model has no MLP.",
            "Split its attention with by='head'.",
        )
    if not _has_neurons(session, layer):
        raise InputError(
            f"by='neuron': the MLP of layer {layer} is not one layer of neurons "
            "(a mixture of experts, for example).",
            "Use by='component' for the MLP as a whole.",
        )


def _has_neurons(session: Session, layer: int) -> bool:
    hooks = session.facts.hooks
    post = hooks.get(f"blocks.{layer}.mlp.hook_post")
    output = _output_weights(session, layer)
    return post is not None and output is not None and output.shape[0] == post[-1]


def _output_weights(session: Session, layer: int) -> Tensor | None:
    mlp = getattr(session.model.blocks[layer], "mlp", None)
    weights = weights_of(mlp, "W_out")
    post = session.facts.hooks.get(f"blocks.{layer}.mlp.hook_post")
    if weights is None and post is not None:
        weights = measured(session.facts, getattr(mlp, "out", None), post[-1])
    return weights if weights is not None and weights.dim() == 2 else None


def _effects(session: Session, run: Run, where: Where, layer: int) -> Tensor:
    check_sum(session)
    check_where(session, where)
    return session.by_parts(lambda some, own: _of_layer(some, own, where, layer), run)


def _of_layer(session: Session, run: Run, where: Where, layer: int) -> Tensor:
    block = session.model.blocks[layer]
    readout = readout_of(session, run, where)
    name = f"blocks.{layer}.ln2_post"
    norm = getattr(block, "ln2_post", None)
    direction = through_norm(session, run, readout, name, norm, readout.direction)
    output = _output_weights(session, layer)
    assert output is not None
    scale = float(getattr(block, "residual_contribution_scale", 1.0))
    active = readout.at(run.activation(f"blocks.{layer}.mlp.hook_post"))
    effects = scale * active * (direction @ output.float().to(direction.device).T)
    heard = kept(session, interventions_of(session, run), readout, end_hooks(layer, "mlp"))
    if heard is not None:
        effects = effects * heard[:, None]
    return readout.collect(effects)
