"""What all views of a session must agree on besides the selection."""

from __future__ import annotations

from typing import Any, Literal, get_args

import traitlets

from lens_widgets.engine.locks import StateLock
from lens_widgets.errors import check_choice, check_keywords
from lens_widgets.interventions.observed import Observed

AblationKind = Literal["zero", "mean", "resample"]
PromptScope = Literal["mean", "selected"]

CHOICES: dict[str, tuple[str, ...]] = {
    "ablation_kind": get_args(AblationKind),
    "prompt_scope": get_args(PromptScope),
}
FIELDS = (*CHOICES, "skip_bos")


class Settings(Observed):
    """``session.settings``: set a field and every view of the session follows.

    Args:
        ablation_kind: what a switch in any view puts in the place of a part's output: ``"zero"``,
            its ``"mean"`` over the session's prompts and positions, or (``"resample"``) its value
            on the corrupted prompts.
        prompt_scope: whether numbers are the ``"mean"`` over prompts or those of the
            ``"selected"`` prompt.
        skip_bos: whether the first token is left out of the colours of attention patterns.
    """

    ablation_kind = traitlets.Enum(CHOICES["ablation_kind"], "zero")
    prompt_scope = traitlets.Enum(CHOICES["prompt_scope"], "mean")
    skip_bos = traitlets.Bool(False)

    def __init__(self, lock: StateLock, **fields: Any) -> None:
        super().__init__(**fields)
        self._lock = lock

    def update(self, **fields: Any) -> None:
        """Sets several fields as one change: all of them, or none and an error."""
        check_keywords("settings.update", [name for name in fields if name not in FIELDS], FIELDS)
        for name, known in CHOICES.items():
            if name in fields:
                check_choice(f"settings.{name}", fields[name], known)
        with self._lock, self.hold_trait_notifications():
            for name, value in fields.items():
                setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in FIELDS}
