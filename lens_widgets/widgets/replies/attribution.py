"""Replies with direct attribution, row by row."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attribution.attribution import read_where
from lens_widgets.analysis.attribution.decomposition import Decomposition, components, decompose
from lens_widgets.analysis.attribution.readout import definition_of
from lens_widgets.analysis.labels import standard_error
from lens_widgets.components import Component
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, number, summary

Parts = list[tuple[str, Component | None, Tensor]]


def attribution(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Rows that sum to the total, with baseline and current side by side."""
    where = read_where(args.get("pos"))
    clean = decompose(session, session.run(()), where)
    now = decompose(session, where=where)
    before, after = (_parts(session, parts, args["by"]) for parts in (clean, now))
    check_read(session, args, now.total)
    names = [(name, part) for name, part, _ in after] + [("total", None)]
    columns = [
        torch.stack([*(effects for _, _, effects in parts), whole.total], dim=1)
        for parts, whole in ((before, clean), (after, now))
    ]
    numbers = effect_numbers(session, args, *columns)
    rows = [_row(*name, values) for name, values in zip(names, numbers, strict=True)]
    read = int((~now.total.isnan()).sum()) if args["scope"] == "mean" else 1
    return {
        "summary": summary(session),
        "rows": rows[:-1],
        "total": rows[-1],
        "units": "logits",
        "definition": f"Direct effect on the {definition_of(now.readout.target, where)}.",
        "n_read": read,
    }


def effect_numbers(
    session: Session,
    args: dict[str, Any],
    before: Float[Tensor, "prompt n"],
    after: Float[Tensor, "prompt n"],
) -> list[dict[str, float | None]]:
    """Means over prompts with standard errors, or one prompt's, of n effects."""
    prompt = check_prompt(session, args["prompt"])
    before, after = before.cpu(), after.cpu()
    if args["scope"] == "mean":
        columns = {
            "baseline": before.nanmean(dim=0),
            "current": after.nanmean(dim=0),
            "baseline_sem": standard_error(before),
            "current_sem": standard_error(after),
            "change_sem": standard_error(after - before),
        }
    else:
        nothing = torch.full_like(after[prompt], float("nan"))
        sems = dict.fromkeys(("baseline_sem", "current_sem", "change_sem"), nothing)
        columns = {"baseline": before[prompt], "current": after[prompt], **sems}
    lists = [map(number, values.tolist()) for values in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def check_read(session: Session, args: dict[str, Any], effects: Float[Tensor, "prompt"]) -> None:
    """InputError when the selected prompt has nothing to read at the position asked for."""
    prompt = check_prompt(session, args["prompt"])
    if args["scope"] == "selected" and bool(effects[prompt].isnan()):
        raise InputError(
            f"pos={args.get('pos')}: nothing can be read there in prompt {prompt}.",
            "Select another position, or read where the metric does.",
        )


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


def _row(name: str, part: Component | None, numbers: dict[str, float | None]) -> dict[str, Any]:
    return {
        "component": name,
        "layer": None if part is None else part.layer,
        "head": None if part is None else part.head,
        **numbers,
        "ablatable": part is not None,
    }
