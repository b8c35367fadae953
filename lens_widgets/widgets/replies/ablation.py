"""Replies about ablations: the grid's values, and what the active interventions do."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor

from lens_widgets.analysis.ablation.ablation import (
    ablation_effects,
    intervention_effects,
    sweep_components,
)
from lens_widgets.analysis.attribution.decomposition import decompose
from lens_widgets.analysis.attribution.readout import DEFINITIONS
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, number, summary
from lens_widgets.widgets.replies.tokens import token_info
from lens_widgets.wire.arrays import exact
from lens_widgets.wire.messages import Step


def ablation_grid(session: Session, args: dict[str, Any]) -> Any:
    """A value for every switch: its direct attribution at once, or its exact effect bit by bit."""
    check_prompt(session, args["prompt"])
    if args["values"] == "effect":
        return _effects(session, args)
    parts = decompose(session)
    mlps = parts.mlp.clone()
    for layer in set(range(session.facts.n_layers)) - set(session.facts.mlp_layers):
        mlps[:, layer] = float("nan")
    definition = f"Direct effect on the {DEFINITIONS[parts.readout.target]}."
    return _grid(session, args, parts.heads, mlps, "logits", definition)


def _effects(session: Session, args: dict[str, Any]) -> Generator[Step, None, dict[str, Any]]:
    facts, kind = session.facts, args["kind"]
    n_prompts = session.prompt_set.n_prompts
    heads = torch.full((n_prompts, facts.n_layers, facts.n_heads), float("nan"))
    mlps = torch.full((n_prompts, facts.n_layers), float("nan"))
    definition = f"Change of the {session.metric.label} when the part is ablated ({kind})."

    def shown() -> dict[str, Any]:
        return _grid(session, args, heads, mlps, session.metric.units, definition)

    total = len(sweep_components(session, "head")) + len(sweep_components(session, "mlp"))
    done = 0
    # Said before the first result, which may take a while: nobody waits for a cell.
    yield Step(done, total, f"{kind} ablation")
    for over in ("head", "mlp"):
        for effect in ablation_effects(session, kind, over):
            part, change = effect.component, effect.change.cpu()
            if part.head is None:
                mlps[:, part.layer] = change
            else:
                heads[:, part.layer, part.head] = change
            done += 1
            yield Step(done, total, f"{kind} ablation", shown())
    return shown()


def _grid(
    session: Session, args: dict[str, Any], heads: Tensor, mlps: Tensor, units: str, definition: str
) -> dict[str, Any]:
    def pick(values: Tensor) -> Tensor:
        return values.mean(dim=0) if args["scope"] == "mean" else values[args["prompt"]]

    return {
        "summary": summary(session),
        "heads": exact(pick(heads)),
        "mlps": exact(pick(mlps)),
        "units": units,
        "definition": definition,
    }


def effects(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The metric and the next token before and after, and what each intervention is worth."""
    prompt = check_prompt(session, args["prompt"])
    clean, now = session.run(()), session.run()
    before, after = (run.last_logits[prompt].softmax(dim=-1) for run in (clean, now))
    shown = list(dict.fromkeys(before.topk(5).indices.tolist() + after.topk(5).indices.tolist()))
    shown.sort(key=lambda token: -float(before[token]))
    return {
        "summary": summary(session),
        "worths": [
            {"key": key, "worth": number(worth)}
            for key, worth in intervention_effects(session).items()
        ],
        "predictions": [
            {
                "token": token_info(session, token),
                "baseline": float(before[token]),
                "current": float(after[token]),
            }
            for token in shown
        ],
        "prompt": prompt,
        "baseline": number(clean.metric[prompt]),
        "current": number(now.metric[prompt]),
    }
