"""The norms of a run as the linear maps that they are at its own scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lens_widgets.engine.norms import HeldNorm, found_norm, held_norm
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


def norm_hooks(session: Session, name: str) -> list[str]:
    """The activations by which ``norm_of_run`` knows a norm; none where the model has no such."""
    hooks = session.facts.hooks
    if f"{name}.hook_scale" in hooks:
        return [f"{name}.hook_scale"]
    ends = [f"{name}.hook_in", f"{name}.hook_out"]
    return ends if all(end in hooks for end in ends) else []


def norm_of_run(
    session: Session, name: str, norm: Any, read: Callable[[str], Tensor]
) -> HeldNorm | None:
    """A norm at the places that ``read`` gives an activation at, [*place, d_model]; None where the
    model has no such norm.

    InputError for one that is no linear map once its scale is held.
    """
    found = [read(hook).float() for hook in norm_hooks(session, name)]
    if len(found) < 2:
        return held_norm(norm, found[0]) if found else None
    before, after = found
    exact = session.facts.dtype in ("float32", "float64")
    held = found_norm(norm, before, after, 1e-4 if exact else 3e-2)
    if held is None:
        raise InputError(
            f"{name} of this model does more than to scale, so that direct effects do not pass it.",
            "Ablate or patch instead: those are exact in every model.",
        )
    return held
