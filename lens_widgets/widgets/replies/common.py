"""What many replies carry."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from lens_widgets.errors import InputError
from lens_widgets.session.session import Session


def number(value: float | Tensor) -> float | None:
    """A JSON number, or None for what JSON has no word for."""
    plain = float(value)
    return plain if math.isfinite(plain) else None


def summary(session: Session) -> dict[str, Any]:
    """The metric before and after, with the revision it belongs to."""
    revision = session.revision
    return {
        "metric": session.metric.label,
        "units": session.metric.units,
        "n_prompts": session.prompt_set.n_prompts,
        "baseline": number(session.baseline.mean()),
        "current": number(session.current.mean()),
        "revision": revision,
    }


def check_prompt(session: Session, prompt: int) -> int:
    """``prompt`` when the session has it."""
    if not 0 <= prompt < session.prompt_set.n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {session.prompt_set.n_prompts}.", ""
        )
    return prompt


def check_head(session: Session, layer: int, head: int) -> None:
    """Raises when the model has no such head."""
    if not (0 <= layer < session.facts.n_layers and 0 <= head < session.facts.n_heads):
        raise InputError(f"The model has no head L{layer}H{head}.", "")
