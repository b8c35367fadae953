"""Options that views share, each defined once as a synced trait."""

from __future__ import annotations

from typing import Any

import traitlets


def _choice(*values: str) -> Any:
    return traitlets.Enum(values, default_value=values[0]).tag(sync=True)


def show() -> Any:
    """Which run's patterns: the current one's, the baseline's, or their difference."""
    return traitlets.Enum(("baseline", "current", "difference"), default_value="current").tag(
        sync=True
    )


def token_mode() -> Any:
    """What a picked token means: what it attends from, or what attends to it."""
    return _choice("from", "to")


def color() -> Any:
    """What colours the tokens: next-token loss, or whether the true next token ranks first."""
    return _choice("loss", "hit")


def by() -> Any:
    """How finely effects are split."""
    return _choice("head", "layer", "component")


def scope() -> Any:
    """Mean over all prompts, or the selected prompt."""
    return _choice("mean", "selected")


def kind() -> Any:
    """What an ablation puts in place of the output."""
    return _choice("zero", "mean", "resample")


def values() -> Any:
    """What colours the ablation grid: direct attribution, or the exact effect of ablating."""
    return _choice("attribution", "effect")
