"""MLP neurons over text: what they are at each token, and where they are highest and lowest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.analysis.attribution.neuron_effects import check_mlp
from lens_widgets.analysis.script_parts import WHICH, Which
from lens_widgets.errors import InputError, check_choice
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

DEFINITION = "activation of MLP neurons, after the nonlinearity and any gate"


def neuron_activations(
    session: Session,
    layer: int | None = None,
    neuron: int | None = None,
    *,
    prompt: int = 0,
) -> xr.DataArray:
    """Activations of MLP neurons on one prompt.

    What enters the MLP's output map, so a gated MLP's neurons are the products with their gates.
    Under the session's interventions.

    Args:
        session: whose prompts and interventions.
        layer: one layer, or all of them.
        neuron: one neuron, or all of a layer.
        prompt: which prompt, from 0.

    Returns:
        Dims pos, layer, neuron, in the activation's own units; ``token`` names the positions.

    Raises:
        InputError: what is out of range; layers with different numbers of neurons, all asked for at
            once; models whose MLPs have no such neurons (mixtures of experts, attention-only).

    Source:
        TransformerLens's ``hook_post``.

    Examples:
        >>> lw.analysis.neuron_activations(session, layer=2, neuron=7).sizes["pos"]
        15
    """
    layers = list(range(session.facts.n_layers)) if layer is None else [layer]
    _check_prompt(session, prompt)
    found = [layer_neurons(session, session.run(), each, prompt) for each in layers]
    if len({values.shape[1] for values in found}) > 1:
        raise InputError(
            "layer=None: this model's layers have different numbers of neurons.",
            "Ask for one layer.",
        )
    values = torch.stack(found, dim=1)
    neurons = list(range(values.shape[2]))
    if neuron is not None:
        check_neuron(values.shape[2], neuron)
        values, neurons = values[:, :, [neuron]], [neuron]
    texts = token_texts(session, prompt)
    return xr.DataArray(
        values.cpu().numpy(),
        dims=("pos", "layer", "neuron"),
        coords={
            "pos": range(len(texts)),
            "token": ("pos", [f"{text} {pos}" for pos, text in enumerate(texts)]),
            "layer": layers,
            "neuron": neurons,
        },
        attrs={
            "units": "activation",
            "metric": session.metric.name,
            "definition": f"{DEFINITION}, prompt {prompt}",
        },
    )


def top_tokens(
    session: Session, layer: int, neuron: int, k: int = 5, which: Which = "current"
) -> xr.DataArray:
    """Where a neuron is highest, and where it is lowest, over all prompts.

    Args:
        session: whose prompts and interventions.
        layer: the neuron's layer.
        neuron: its index in the layer.
        k: how many at each end.
        which: under the session's interventions (``"current"``), without them (``"baseline"``), or
            where its change by them (``"difference"``) is highest and lowest.

    Returns:
        Dims end (``"highest"``, ``"lowest"``), rank, in the activation's own units; coordinates
        ``token``, ``prompt`` and ``pos`` of each. NaN, and an empty token, past the number of
        tokens there are.

    Raises:
        InputError: what is out of range; models whose MLPs have no such neurons.

    Source:
        Dataset examples of a neuron, as in Neuroscope (Nanda 2022); TransformerLens's
        ``hook_post``.

    Examples:
        >>> top = lw.analysis.top_tokens(session, layer=2, neuron=7, k=3)
        >>> top.shape
        (2, 3)
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k={k!r} must be a positive integer.", "For example k=5.")
    best, places = extremes(one_neuron(session, layer, neuron, which), k)
    texts = [token_texts(session, prompt) for prompt in range(session.prompt_set.n_prompts)]
    pad = (0, k - best.shape[1])
    ends: list[list[tuple[int, int]]] = places.tolist()
    dims = ("end", "rank")
    return xr.DataArray(
        torch.nn.functional.pad(best, pad, value=float("nan")).cpu().numpy(),
        dims=dims,
        coords={
            "end": list(ENDS),
            "rank": range(k),
            "token": (dims, [[texts[p][pos] for p, pos in end] + [""] * pad[1] for end in ends]),
            "prompt": (dims, [[prompt for prompt, _ in end] + [-1] * pad[1] for end in ends]),
            "pos": (dims, [[pos for _, pos in end] + [-1] * pad[1] for end in ends]),
        },
        attrs={
            "units": "activation",
            "metric": session.metric.name,
            "definition": f"{DEFINITION}: L{layer}N{neuron}, all prompts",
        },
    )


def one_neuron(
    session: Session, layer: int, neuron: int, which: Which = "current"
) -> Float[Tensor, "prompt pos"]:
    """One neuron at every token of every prompt, float32 on the model's device; NaN at padding.

    InputError for a neuron that is not there, before anything is computed.
    """
    check_choice("which", which, WHICH)
    check_mlp(session, layer)
    hook = f"blocks.{layer}.mlp.hook_post"
    check_neuron(session.facts.hooks[hook][-1], neuron)

    def of(run: Run) -> Float[Tensor, "prompt pos"]:
        return session.by_parts(lambda _, own: own.activation(hook)[..., neuron].float(), run)

    values = of(session.run(()) if which == "baseline" else session.run())
    if which == "difference":
        values = values - of(session.run(()))
    lengths = session.prompt_set.lengths.to(values.device)
    padding = torch.arange(values.shape[1], device=values.device) >= lengths[:, None]
    return values.masked_fill(padding, float("nan"))


ENDS = ("highest", "lowest")


def extremes(
    values: Float[Tensor, "prompt pos"], k: int
) -> tuple[Float[Tensor, "end rank"], Int[Tensor, "end rank 2"]]:
    """The k highest values and the k lowest, as ``ENDS`` says, and the prompt and position of each;
    fewer where there are fewer that are not NaN."""
    known = ~values.isnan()
    places, flat = known.nonzero(), values[known]
    count = min(k, len(flat))
    found = [flat.topk(count, largest=end == "highest") for end in ENDS]
    return (
        torch.stack([best.values for best in found]),
        torch.stack([places[best.indices] for best in found]),
    )


def layer_neurons(
    session: Session, run: Run, layer: int, prompt: int
) -> Float[Tensor, "pos neuron"]:
    """One layer's neurons on one prompt, float32 on the model's device."""
    check_mlp(session, layer)
    session, prompt, run = session.around(prompt, run)
    length = int(session.prompt_set.lengths[prompt])
    return run.activation(f"blocks.{layer}.mlp.hook_post")[prompt, :length].float()


def check_neuron(n_neurons: int, neuron: int) -> None:
    """InputError when a layer has no such neuron."""
    if isinstance(neuron, bool) or not isinstance(neuron, int) or not 0 <= neuron < n_neurons:
        raise InputError(
            f"neuron={neuron!r} is not a neuron of this layer.",
            f"Neurons run from 0 to {n_neurons - 1}.",
        )


def _check_prompt(session: Session, prompt: int) -> None:
    if not 0 <= prompt < session.prompt_set.n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {session.prompt_set.n_prompts}.",
            "Prompts count from 0.",
        )


def strongest_neurons(
    session: Session, which: Which, prompt: int, pos: int, k: int
) -> tuple[list[tuple[int, int]], Float[Tensor, "k pos"]]:
    """The neurons of all MLPs, as (layer, neuron), with the largest magnitude at a position, and
    their activations along the prompt.

    For ``"difference"`` they are those that are strongest under the interventions, and what is
    given is how their activations changed.
    """
    check_choice("which", which, WHICH)
    for layer in session.facts.mlp_layers or (0,):
        check_mlp(session, layer)
    session, prompt = session.around(prompt)
    run = session.run(()) if which == "baseline" else session.run()
    # Named together, so that at most one forward computes them all.
    run.activations([f"blocks.{layer}.mlp.hook_post" for layer in session.facts.mlp_layers])
    best: list[tuple[float, int, int]] = []
    for layer in session.facts.mlp_layers:
        values = layer_neurons(session, run, layer, prompt)[pos]
        top = values.abs().topk(min(k, len(values)))
        found = zip(top.values.tolist(), top.indices.tolist(), strict=True)
        best += [(size, layer, index) for size, index in found]
    best.sort(reverse=True)
    chosen = [(layer, index) for _, layer, index in best[:k]]

    def along(run: Run) -> Float[Tensor, "k pos"]:
        rows = [layer_neurons(session, run, layer, prompt)[:, index] for layer, index in chosen]
        return torch.stack(rows)

    return chosen, along(run) - along(session.run(())) if which == "difference" else along(run)


def parse_neuron(name: str) -> tuple[int, int]:
    """Layer and number of ``"L3N1024"``."""
    match = re.fullmatch(r"L(\d{1,9})N(\d{1,9})", name.strip(), re.IGNORECASE)
    if match is None:
        raise InputError(f"neuron={name[:40]!r} is not a neuron.", "Write it like 'L3N1024'.")
    return int(match[1]), int(match[2])
