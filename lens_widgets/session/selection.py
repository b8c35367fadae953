"""What a session's views have in focus, shared by all of them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import traitlets

from lens_widgets.engine.locks import StateLock
from lens_widgets.errors import InputError, check_choice, check_keywords
from lens_widgets.interventions.observed import Observed

ScoreKind = Literal["previous", "current", "first", "induction", "duplicate"]
"""Stripes of an attention pattern that have a name (see ``analysis.head_scores``)."""

SCORE_KINDS: tuple[ScoreKind, ...] = get_args(ScoreKind)
_INDICES = ("layer", "head", "query_pos", "key_pos", "prompt", "writer_layer", "writer_head")
FIELDS = (*_INDICES, "stripe")


class Selection(Observed):
    """``session.selection``: set a field and every linked view follows; ``observe`` to be told.

    ``query_pos`` and ``key_pos`` are None when no position is locked. With a pair of heads chosen,
    ``writer_layer`` and ``writer_head`` are the earlier one, whose output the head reads.
    ``stripe`` is the kind of head score whose cells are outlined over patterns, or None.
    ``made``: whether a head or a position was ever set; until then the first view may choose.
    """

    made: bool = False

    layer = traitlets.Int(0)
    head = traitlets.Int(0)
    query_pos = traitlets.Int(None, allow_none=True)
    key_pos = traitlets.Int(None, allow_none=True)
    prompt = traitlets.Int(0)
    writer_layer = traitlets.Int(None, allow_none=True)
    writer_head = traitlets.Int(None, allow_none=True)
    stripe = traitlets.Enum(SCORE_KINDS, None, allow_none=True)

    def __init__(self, n_layers: int, n_heads: int, lengths: list[int], lock: StateLock) -> None:
        self._lock = lock
        super().__init__()
        self._n_layers, self._n_heads = n_layers, n_heads
        self._lengths = lengths

    def update(self, **fields: Any) -> None:
        """Sets several fields as one change: all of them, or none and an error."""
        check_keywords("selection.update", [f for f in fields if f not in FIELDS], FIELDS)
        # Checked beforehand: traitlets takes back held changes for its own errors only.
        for name, value in fields.items():
            if isinstance(value, int):
                self._check_range(name, value)
        if fields.get("stripe") is not None:
            check_choice("selection.stripe", fields["stripe"], SCORE_KINDS)
        # Said again is chosen, too: held changes are checked only where something changes.
        self.made = self.made or any(name != "prompt" for name in fields)
        with self._lock, self.hold_trait_notifications():
            for name, value in fields.items():
                setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in FIELDS}

    def set_lengths(self, lengths: list[int]) -> None:
        """Fits the selection to new prompts: what no longer exists is let go."""
        self._lengths = lengths
        prompt = min(self.prompt, len(lengths) - 1)
        with self._lock, self.hold_trait_notifications():
            self.prompt = prompt
            for name in ("query_pos", "key_pos"):
                position = getattr(self, name)
                if position is not None and position >= lengths[prompt]:
                    setattr(self, name, None)

    @traitlets.validate(*_INDICES)
    def _in_range(self, proposal: dict[str, Any]) -> int | None:
        value: int | None = proposal["value"]
        if isinstance(value, bool):
            raise traitlets.TraitError(f"selection.{proposal['trait'].name} must be an integer.")
        if value is not None:
            self._check_range(proposal["trait"].name, value)
        self.made = self.made or proposal["trait"].name != "prompt"
        return value

    def _check_range(self, name: str, value: int) -> None:
        limit = {
            "layer": self._n_layers,
            "head": self._n_heads,
            "prompt": len(self._lengths),
            "query_pos": max(self._lengths),
            "key_pos": max(self._lengths),
            "writer_layer": self._n_layers,
            "writer_head": self._n_heads,
        }[name]
        if not 0 <= value < limit:
            raise InputError(
                f"selection.{name}={value} is out of range.", f"It runs from 0 to {limit - 1}."
            )
