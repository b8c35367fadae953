"""Replies that open one row of attribution: a head by source token, an MLP by neuron."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attribution.attribution import read_where
from lens_widgets.analysis.attribution.decomposition import decompose
from lens_widgets.analysis.attribution.neuron_effects import neuron_activations_read, neuron_effects
from lens_widgets.analysis.attribution.readout import definition_of
from lens_widgets.analysis.attribution.sources import source_effects
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.attribution import check_read, effect_numbers
from lens_widgets.widgets.replies.common import check_head, check_prompt, number, summary
from lens_widgets.widgets.replies.tokens import token_info
from lens_widgets.wire.arrays import exact

MAX_K = 200


def head_sources(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Which token's value carried a head's effect on one prompt, before and after."""
    prompt = check_prompt(session, args["prompt"])
    layer, head = args["layer"], args["head"]
    check_head(session, layer, head)
    where = read_where(args.get("pos"))
    length = int(session.prompt_set.lengths[prompt])
    found: list[Tensor] = []
    totals: list[Tensor] = []
    for run in (session.run(()), session.run()):
        found.append(source_effects(session, layer, head, run, where)[prompt, :length])
        totals.append(decompose(session, run, where).heads[prompt, layer, head])
    target = decompose(session, where=where).readout.target
    return {
        "summary": summary(session),
        "tokens": [token_info(session, i) for i in session.tokens[prompt, :length].tolist()],
        "baseline": exact(found[0]),
        "current": exact(found[1]),
        "baseline_total": number(totals[0]),
        "current_total": number(totals[1]),
        "rest": number(totals[1] - found[1].nansum()),
        "units": "logits",
        "definition": f"Direct effect of L{layer}H{head} on the {definition_of(target, where)}, "
        "by the token whose value carried it.",
    }


def mlp_neurons(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The neurons of an MLP with the largest effects, what the others add, and the bias."""
    k, layer = args["k"], args["layer"]
    if not 1 <= k <= MAX_K:
        raise InputError(f"k={k} is out of range.", f"It runs from 1 to {MAX_K}.")
    where = read_where(args.get("pos"))
    clean, now = session.run(()), session.run()
    before = neuron_effects(session, clean, where, layer)
    after = neuron_effects(session, now, where, layer)
    prompt = check_prompt(session, args["prompt"])

    def shown(values: Tensor) -> Tensor:
        return values.nanmean(dim=0) if args["scope"] == "mean" else values[prompt]

    mlps = [decompose(session, run, where).mlp[:, layer] for run in (clean, now)]
    check_read(session, args, mlps[1])
    size = torch.maximum(shown(before).abs(), shown(after).abs())
    top = size.topk(min(k, len(size))).indices
    active = shown(neuron_activations_read(session, now, where, layer))[top].tolist()
    columns = [
        torch.cat([values[:, top], *_sums(values, top, mlp)], dim=1)
        for values, mlp in zip((before, after), mlps, strict=True)
    ]
    *rows, others, bias, total = effect_numbers(session, args, *columns)
    target = decompose(session, where=where).readout.target
    return {
        "summary": summary(session),
        "layer": layer,
        "rows": [
            {"neuron": neuron, "activation": number(value), **row}
            for neuron, value, row in zip(top.tolist(), active, rows, strict=True)
        ],
        "others": others,
        "bias": bias,
        "total": total,
        "n_neurons": int(before.shape[1]),
        "units": "logits",
        "definition": f"Direct effect on the {definition_of(target, where)}: activation times "
        "what the neuron writes.",
    }


def _sums(
    values: Float[Tensor, "prompt neuron"], top: Tensor, mlp: Float[Tensor, "prompt"]
) -> list[Tensor]:
    """What the neurons besides ``top`` add, what the MLP adds besides its neurons, and the MLP."""
    neurons = values.sum(dim=1)
    others = neurons - values[:, top].sum(dim=1)
    return [sums[:, None] for sums in (others, mlp - neurons, mlp)]
