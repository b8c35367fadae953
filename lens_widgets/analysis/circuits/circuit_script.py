"""A circuit written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.errors import InputError, check_choice
from lens_widgets.interventions.ablate import KINDS
from lens_widgets.interventions.checks import check_corrupted
from lens_widgets.interventions.code import mask_argument, setup
from lens_widgets.interventions.cut import Cut
from lens_widgets.session.metric_code import expected, metric_code

if TYPE_CHECKING:
    from lens_widgets.analysis.circuits.evaluate import Kind
    from lens_widgets.engine.graph import Edge
    from lens_widgets.session.session import Session


def circuit_script(session: Session, others: tuple[Edge, ...], kind: Kind = "resample") -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``values`` [prompt]:
    the metric of the circuit of which ``others`` are all edges that are not in it. A metric of the
    user's own is expected, too.

    InputError under interventions, which would have to be in force in the other run as well.
    """
    check_choice("kind", kind, KINDS)
    if kind == "resample":
        check_corrupted(session.prompt_set, "kind='resample'")
    if session.interventions.active:
        raise InputError(
            "A circuit is written out without interventions, and this session has some.",
            "Switch them off: session.interventions.clear().",
        )
    cuts = [Cut(*edge, kind) for edge in others]
    run = f"model.run_with_hooks(tokens, fwd_hooks=fwd_hooks{mask_argument(session)})"
    lines = [
        *setup(cuts, session, ["values"], expected(session)),
        metric_code(session),
        "",
        "",
        "with torch.no_grad():",
        f"    values = metric({run})",
    ]
    return "\n".join(lines) + "\n"
