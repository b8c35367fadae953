"""Replies with the composition of heads, source by destination."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch

from lens_widgets.analysis.circuits.composition import (
    SEEDS,
    composition_blocks,
    describe,
    random_baseline,
)
from lens_widgets.engine.probe import weight_processing
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import summary
from lens_widgets.wire.arrays import exact
from lens_widgets.wire.messages import MAX_REPLY_BYTES, Step


def composition(session: Session, args: dict[str, Any]) -> Generator[Step, None, dict[str, Any]]:
    """As many destination layers as fit into a reply, layer by layer."""
    facts = session.facts
    n_layers, n_heads = facts.n_layers, facts.n_heads
    if n_layers < 2:
        raise InputError(
            "This model has one layer, so no head reads what another wrote.",
            "Composition needs two layers or more.",
        )
    sources = (n_layers - 1) * n_heads
    first = args.get("from_layer", 1)
    if not 1 <= first < n_layers:
        raise InputError(f"from_layer={first} is out of range.", f"1 to {n_layers - 1}.")
    room = max(1, (MAX_REPLY_BYTES - 1000) // (4 * sources * n_heads))
    layers = range(first, min(n_layers, first + room))
    kind, subtract = args["composition"], args["subtract_random"]
    units, definition = describe(kind, subtract)
    mean, spread = random_baseline(session.model)
    scores = torch.full((sources, len(layers) * n_heads), float("nan"))

    def shown() -> dict[str, Any]:
        return {
            "summary": summary(session),
            "scores": exact(scores - mean if subtract else scores),
            "dst_layer": first,
            "n_dst": len(layers),
            "random": mean,
            "random_spread": spread,
            "random_seeds": SEEDS,
            "units": units,
            "definition": definition,
            "weights": weight_processing(session.model),
        }

    total, label = sum(layers), f"{kind}-composition"
    yield Step(0, total, label)
    for done, (src, dst, block) in enumerate(composition_blocks(session.model, kind, layers), 1):
        at = (dst - first) * n_heads
        scores[src * n_heads : (src + 1) * n_heads, at : at + n_heads] = block.cpu()
        # Growing maps are for those who wait: a small one comes at once.
        yield Step(done, total, label, shown() if sources * n_heads > 4096 else None)
    return shown()
