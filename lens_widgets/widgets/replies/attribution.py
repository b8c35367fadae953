"""Replies with direct attribution, row by row."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lens_widgets.analysis.decomposition import Decomposition, components, decompose
from lens_widgets.analysis.readout import DEFINITIONS
from lens_widgets.components import Component
from lens_widgets.session import Session
from lens_widgets.widgets.replies.common import check_prompt, number, summary

Parts = list[tuple[str, Component | None, Tensor]]


def attribution(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Rows that sum to the total, with baseline and current side by side."""
    prompt = check_prompt(session, args["prompt"])
    clean, now = decompose(session, session.run(())), decompose(session)
    before, after = (_parts(session, parts, args["by"]) for parts in (clean, now))

    def pick(values: Tensor) -> float | None:
        return number(values.mean() if args["scope"] == "mean" else values[prompt])

    rows = [
        _row(name, component, pick(old), pick(new))
        for (name, component, old), (_, _, new) in zip(before, after, strict=True)
    ]
    return {
        "summary": summary(session),
        "rows": rows,
        "total": _row("total", None, pick(clean.total), pick(now.total)),
        "units": "logits",
        "definition": f"Direct effect on the {DEFINITIONS[now.readout.target]}.",
    }


def _parts(session: Session, parts: Decomposition, by: str) -> Parts:
    facts = session.facts
    if by == "component":
        names, values = components(session, parts)
        return [(n, _component(n), v) for n, v in zip(names, values, strict=True)]
    ends: Parts = [("embed", Component("embed"), parts.embed)]
    if facts.has_pos_embed:
        ends.append(("pos_embed", Component("pos_embed"), parts.pos_embed))
    middle: Parts = []
    for layer in range(facts.n_layers):
        if by == "layer":
            middle.append((f"L{layer}", None, parts.attn[:, layer] + parts.mlp[:, layer]))
            continue
        for head in range(facts.n_heads):
            part = Component("head", layer, head)
            middle.append((str(part), part, parts.heads[:, layer, head]))
        if layer in facts.mlp_layers:
            mlp = Component("mlp", layer)
            middle.append((str(mlp), mlp, parts.mlp[:, layer]))
    bias = parts.bias + (parts.attn_bias.sum(dim=1) if by == "head" else 0)
    ends.append(("bias", None, bias))
    if session.edits_stream:
        ends.append(("interventions", None, parts.edits))
    return middle + ends


def _component(name: str) -> Component | None:
    return None if name in ("bias", "interventions") else Component.parse(name)


def _row(
    name: str, part: Component | None, baseline: float | None, current: float | None
) -> dict[str, Any]:
    return {
        "component": name,
        "layer": None if part is None else part.layer,
        "head": None if part is None else part.head,
        "baseline": baseline,
        "current": current,
        "ablatable": part is not None,
    }
