"""Replies about heads' scores on named stripes, the loss by position, and single ablations."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch

from lens_widgets.analysis.ablation.ablation import ablation_effects, sweep_components
from lens_widgets.analysis.attention.detector_script import effect_script, loss_script, score_script
from lens_widgets.analysis.attention.head_scores import definition, every_score, lack, stripe_scores
from lens_widgets.analysis.attention.head_scores import stripe as stripe_of
from lens_widgets.analysis.labels import standard_error
from lens_widgets.analysis.tokens.losses import half_of, position_losses
from lens_widgets.session.selection import SCORE_KINDS
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, summary
from lens_widgets.widgets.replies.tokens import tokens
from lens_widgets.wire.arrays import exact, integers
from lens_widgets.wire.dispatch import Step


def head_scores(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """All five scores of every head, before and after."""
    prompt = _prompt(session, args)
    told: dict[str, Any] = {"summary": summary(session)}
    found = {"baseline": every_score(session, session.run(()))}
    found["current"] = every_score(session, session.run())
    for which, values in found.items():
        one = values.nanmean(dim=0) if prompt is None else values[prompt]
        told[which] = exact(one)
    spread = standard_error(found["current"])
    told["sem"] = exact(spread if prompt is None else torch.full_like(spread, float("nan")))
    told["kinds"] = list(SCORE_KINDS)
    told["definitions"] = [definition(session, kind, prompt) for kind in SCORE_KINDS]
    told["missing"] = [lack(session, kind, prompt) for kind in SCORE_KINDS]
    told["units"] = "attention weight"
    return told


def stripe(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Where a kind of score looks in one prompt, and what every head has there."""
    prompt, kind = check_prompt(session, args["prompt"]), args["stripe"]
    told: dict[str, Any] = {"summary": summary(session), "prompt": prompt, "stripe": kind}
    told["cells"] = integers(torch.stack(stripe_of(session, kind, prompt), dim=1))
    for which, run in (("baseline", session.run(())), ("current", session.run())):
        scores = stripe_scores(session, run, kind)
        told[which] = exact(scores[prompt])
        told[f"mean_{which}"] = exact(scores.nanmean(dim=0))
        told["n_with"] = int((~scores[:, 0, 0].isnan()).sum())
    told["definition"] = definition(session, kind, prompt)
    told["missing"] = lack(session, kind) or lack(session, kind, prompt)
    return told


def loss_effects(session: Session, args: dict[str, Any]) -> Generator[Step, None, dict[str, Any]]:
    """What ablating each head by itself adds to the loss, exact, bit by bit."""
    measured = session
    if session.metric.name != "loss":
        measured = session.with_prompt_set(session.prompt_set, session.interventions.active, "loss")
    facts = session.facts
    heads = torch.full((facts.n_layers, facts.n_heads), float("nan"))
    kind = args["kind"]

    def shown() -> dict[str, Any]:
        return {
            "summary": summary(session),
            "heads": exact(heads),
            "units": "nats",
            "definition": f"Mean loss with that head ablated as well ({kind}), minus without.",
        }

    total, label = len(sweep_components(session, "head")), f"{kind} ablation"
    yield Step(0, total, label)
    for done, effect in enumerate(ablation_effects(measured, kind, "head"), 1):
        heads[effect.component.layer, effect.component.head] = effect.change.mean().cpu()
        yield Step(done, total, label, shown())
    return shown()


def losses(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Loss by position, before and after, and by the halves of repeated prompts."""
    prompt = check_prompt(session, args["prompt"])
    scope = args["scope"]
    told: dict[str, Any] = {
        "summary": summary(session),
        "tokens": tokens(session, {"prompt": prompt}),
        "half": half_of(session, None if scope == "mean" else prompt),
        "units": "nats",
    }
    for which, run in (("baseline", session.run(())), ("current", session.run())):
        found = position_losses(session, run, None if scope == "mean" else prompt)
        told[which] = exact(found.mean)
        told[f"{which}_sem"] = exact(found.sem)
        told[f"{which}_halves"] = exact(found.halves)
        told[f"{which}_halves_sem"] = exact(found.halves_sem)
    return told


def scores_code(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """TransformerLens code for the scores that are shown, and for the map of losses."""
    code, kind = score_script(session, _prompt(session, args)), args["loss_kind"]
    return {"code": code if kind is None else code + effect_script(session, kind)}


def losses_code(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """TransformerLens code for the losses that are shown."""
    return {"code": loss_script(session, _prompt(session, args))}


def _prompt(session: Session, args: dict[str, Any]) -> int | None:
    """The prompt that a question is about; None for all."""
    return None if args["scope"] == "mean" else check_prompt(session, args["prompt"])
