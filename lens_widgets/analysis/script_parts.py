"""What the scripts of several subjects have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from lens_widgets.errors import InputError, check_choice
from lens_widgets.interventions.code import setup

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Which = Literal["baseline", "current", "difference"]
WHICH = ("baseline", "current", "difference")


def begin(
    session: Session,
    leaves: Sequence[str],
    which: Which = "current",
    expects: Sequence[str] = ("model", "tokens"),
) -> str:
    """The lines up to ``fwd_hooks``: what is expected and left, the mask, the interventions."""
    check_choice("which", which, WHICH)
    active = () if which == "baseline" else session.interventions.active
    return "\n".join(setup(active, session, leaves, expects)) + "\n"


def of_which(call: str, which: Which) -> str:
    """``call`` of ``fwd_hooks``, or its change by them."""
    if which != "difference":
        return f"{call}(fwd_hooks)"
    return f"{call}(fwd_hooks) - {call}([])"


def check_prompt(session: Session, prompt: int | None) -> None:
    """InputError when the session has no such prompt; None stands for all."""
    n_prompts = session.prompt_set.n_prompts
    if prompt is not None and not 0 <= prompt < n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {n_prompts} prompts.",
            f"Prompts run from 0 to {n_prompts - 1}.",
        )


@dataclass(frozen=True)
class NormCode:
    """A norm whose scale is held as it was, as expressions.

    ``scale``: the hook that has the scale. ``gain``: what it multiplies with, "" for nothing.
    ``centred``: the mean is taken off. ``bias``: what it adds, "" for nothing.
    """

    scale: str
    gain: str
    centred: bool
    bias: str


def norm_code(session: Session, hook: str, norm: Any, path: str) -> NormCode | None:
    """The norm at ``hook``, which scripts call ``path``; None where the model has none there."""
    if norm is None or f"{hook}.hook_scale" not in session.facts.hooks:
        return None
    weight, bias = (isinstance(getattr(norm, name, None), Tensor) for name in ("weight", "bias"))
    gain = f"{path}.weight.float()" if weight else ""
    if weight and norm.uses_weight_offset:
        gain = f"({gain} + 1.0)"
    return NormCode(
        f"{hook}.hook_scale", gain, not norm.uses_rms_norm, f"{path}.bias.float()" if bias else ""
    )
