"""Replies about heads' scores on named stripes, the loss by position, and single ablations."""

from __future__ import annotations

from typing import Any

import torch

from lens_widgets.analysis.attention.detector_script import loss_script
from lens_widgets.analysis.attention.head_scores import definition, stripe_scores, why_missing
from lens_widgets.analysis.attention.head_scores import stripe as stripe_of
from lens_widgets.analysis.tokens.losses import half_of, position_losses
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, summary
from lens_widgets.widgets.replies.tokens import tokens
from lens_widgets.wire.arrays import exact, integers


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
    told["missing"] = why_missing(session, kind) or why_missing(session, kind, prompt)
    return told


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


def losses_code(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """TransformerLens code for the losses that are shown."""
    return {"code": loss_script(session, _prompt(session, args))}


def _prompt(session: Session, args: dict[str, Any]) -> int | None:
    """The prompt that a question is about; None for all."""
    return None if args["scope"] == "mean" else check_prompt(session, args["prompt"])
