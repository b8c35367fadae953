"""Checks of what a page asks about."""

from __future__ import annotations

from lens_widgets.errors import InputError
from lens_widgets.session.session import Session


def check_prompt(session: Session, prompt: int) -> int:
    """``prompt`` when the session has it; InputError otherwise."""
    if not 0 <= prompt < session.prompt_set.n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {session.prompt_set.n_prompts}.", ""
        )
    return prompt


def check_head(session: Session, layer: int, head: int) -> None:
    """InputError when the model has no such head."""
    if not (0 <= layer < session.facts.n_layers and 0 <= head < session.facts.n_heads):
        raise InputError(f"The model has no head L{layer}H{head}.", "")


def check_between(name: str, value: int, lowest: int, highest: int) -> int:
    """``value`` when it lies from ``lowest`` to ``highest``; InputError otherwise."""
    if not lowest <= value <= highest:
        raise InputError(f"{name}={value} is out of range.", f"{lowest} to {highest}.")
    return value
