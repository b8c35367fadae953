"""Neurons, single activations, and what the model is made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.unit.right.case import Case, ask, check
from tests.unit.right.plain import near

A = lw.analysis


@check("neurons", "what Hugging Face's output map of the MLP is given; the same under a hook")
def neurons(case: Case) -> None:
    answered = 0
    for layer in case.layers:
        try:
            got = A.neuron_activations(case.session, layer=layer, prompt=0)
        except InputError:
            continue
        answered += 1
        name = f"{case.neurons(layer)}.hook_in"
        run = case.run(0)
        near(got.values[:, 0], run.read(name), f"layer {layer}")
        own = case.twin.taken_in(case.neurons(layer), run.tokens)
        if own is not None:
            clean = case.run(0, now=False)
            near(clean.read(name).flatten(1), own.flatten(1), f"Hugging Face's, layer {layer}")
        neuron = int(abs(got.values).sum(axis=(0, 1)).argmax())
        rows = [case.run(prompt).read(name)[:, neuron] for prompt in case.prompts]
        every = torch.cat(rows)
        ends = torch.stack([every.topk(2, largest=best).values for best in (True, False)])
        near(A.top_tokens(case.session, layer, neuron, k=2), ends, "top_tokens")
        view = ask(case, lw.NeuronView, "activations", neuron=f"L{layer}N{neuron}", prompt=0)
        near(view["current"], rows[0], "neuron/activations")
        clean_rows = case.run(0, now=False).read(name)[:, neuron]
        near(view["baseline"], clean_rows, "neuron/activations")
        places = ask(
            case, lw.NeuronView, "places", neuron=f"L{layer}N{neuron}", show="current", top_k=2
        )
        near(places["activation"], ends, "neuron/places")
    if not answered:
        raise InputError("No layer of this model has an MLP of neurons.", "")


@check("the strongest neurons", "the same, in order of their size")
def strongest(case: Case) -> None:
    table = ask(case, lw.NeuronView, "strongest", prompt=0, query_pos=2, show="current", top_k=4)
    run = case.run(0)
    layers = [la for la in case.layers if case.has(la, "hook_mlp_out")]
    every = torch.cat([run.read(f"{case.neurons(layer)}.hook_in")[2] for layer in layers])
    values = table["activation"].values[:, 2]
    near(np.abs(values), every.abs().topk(4).values, "neuron/strongest")


@check(
    "single activations",
    "the same hook of a forward of the prompt by itself; what Hugging Face's modules put out",
)
def activations(case: Case) -> None:
    prompt = case.prompts[-1]
    for name in _some_names(case):
        values = case.run(prompt).read(name)
        got = A.activation(case.session, name, "current", prompt)
        near(np.squeeze(got.values), values.squeeze(), f"current {name}")
        plane = ask(
            case, lw.ActivationBrowser, "plane", activation=name, prompt=prompt, show="baseline"
        )
        means = [_seen(case.run(prompt, now=now).read(name)).mean() for now in (False, True)]
        near(plane["mean"].sel(run=["baseline", "current"]), means, f"means of {name}")
    clean = case.run(prompt, now=False)
    for part in ("ln_final", f"blocks.{case.layers[-1]}.attn.q"):
        name = f"{part}.hook_out"
        own = case.twin.given_out(part, clean.tokens)
        if own is not None and name in case.facts.hooks:
            got = A.activation(case.session, name, "baseline", prompt)
            near(got.values.reshape(len(clean.ids), -1), own.flatten(1), f"Hugging Face's {name}")


def _seen(values: Tensor) -> Tensor:
    return values[values > -3e4] if values.min() < -3e4 else values


def _some_names(case: Case) -> list[str]:
    """Activations of every kind that have a position axis first, or patterns: one of each."""
    run = case.run(case.prompts[-1], now=False)
    length = len(run.ids)
    last = case.layers[-1]
    wanted = [
        f"blocks.{last}.{part}"
        for part in (
            "hook_resid_post",
            "hook_attn_out",
            "attn.hook_q",
            "attn.hook_pattern",
        )
    ]
    wanted += ["ln_final.hook_out"]
    found = [n for n in wanted if n in run.activations]
    return [n for n in found if length in run.activations[n].shape[:2]]


@check("parameters", "Hugging Face's model, each parameter counted once")
def parameters(case: Case) -> None:
    total = sum(parameter.numel() for parameter in case.twin.hf.parameters())
    counts = A.parameter_counts(case.session)
    assert counts.attrs["total"] == total == int(counts["count"].sum())
    card: Any = ask(case, lw.ModelCard, "card")
    assert card.attrs["total"] == total
