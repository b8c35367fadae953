"""Replies about MLP neurons over the prompts' tokens."""

from __future__ import annotations

from typing import Any

from lens_widgets.analysis.neurons.neurons import (
    check_neuron,
    layer_neurons,
    parse_neuron,
    strongest_neurons,
    top_tokens,
)
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt
from lens_widgets.widgets.replies.tokens import token_info, tokens
from lens_widgets.wire.arrays import exact

MAX_TOP = 100


def neuron(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """One neuron along one prompt, and the places of all prompts at its two ends."""
    shown = tokens(session, args)
    layer, index = parse_neuron(args["neuron"])
    k = _top(args)
    runs = {"baseline": session.run(()), "current": session.run()}
    values = {
        name: [
            layer_neurons(session, run, layer, prompt)
            for prompt in range(session.prompt_set.n_prompts)
        ]
        for name, run in runs.items()
    }
    n_neurons = int(values["current"][0].shape[1])
    check_neuron(n_neurons, index)
    largest = max(float(rows[:, index].abs().max()) for each in values.values() for rows in each)
    table = top_tokens(session, layer, index, k)
    return {
        "summary": shown["summary"],
        "neuron": f"L{layer}N{index}",
        "layer": layer,
        "index": index,
        "n_neurons": n_neurons,
        "tokens": shown,
        "baseline": exact(values["baseline"][args["prompt"]][:, index]),
        "current": exact(values["current"][args["prompt"]][:, index]),
        "largest": largest,
        "highest": _places(session, table.sel(end="highest")),
        "lowest": _places(session, table.sel(end="lowest")),
        "units": table.attrs["units"],
        "definition": table.attrs["definition"],
    }


def top_neurons(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The neurons that are strongest at one position, along the prompt."""
    shown = tokens(session, args)
    prompt, k = check_prompt(session, args["prompt"]), _top(args)
    last = len(shown["tokens"]) - 1
    pos = last if args["query_pos"] is None else args["query_pos"]
    if not 0 <= pos <= last:
        raise InputError(f"query_pos={pos} is out of range.", f"0 to {last}.")
    chosen, values = strongest_neurons(session, args["which"], prompt, pos, k)
    return {
        "summary": shown["summary"],
        "pos": pos,
        "neurons": [f"L{layer}N{index}" for layer, index in chosen],
        "values": exact(values),
    }


def _top(args: dict[str, Any]) -> int:
    k: int = args["top_k"]
    if not 1 <= k <= MAX_TOP:
        raise InputError(f"top_k={k} is out of range.", f"1 to {MAX_TOP}.")
    return k


def _places(session: Session, row: Any) -> list[dict[str, Any]]:
    places = zip(row.values.tolist(), row.prompt.values.tolist(), row.pos.values.tolist(),
                 strict=True)  # fmt: skip
    return [
        {
            "token": token_info(session, int(session.tokens[prompt, pos])),
            "prompt": prompt,
            "pos": pos,
            "value": value,
        }
        for value, prompt, pos in places
        if prompt >= 0
    ]
