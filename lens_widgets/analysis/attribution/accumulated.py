"""How the metric's logits come about from stage to stage, and what each layer adds.

Source: "logit lens" and "layer attribution" of TransformerLens's Exploratory Analysis Demo:
``accumulated_resid`` and ``decompose_resid`` through ``apply_ln_to_stack`` with the cached scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.patterns import Which
from lens_widgets.analysis.attribution.decomposition import components, decompose
from lens_widgets.analysis.attribution.readout import DEFINITIONS, target_logits
from lens_widgets.analysis.attribution.stages import edited_past_norm, model_stages, read_stages
from lens_widgets.analysis.labels import labelled, standard_error
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


def accumulated_attribution(
    session: Session, incl_mid: bool = True, per_prompt: bool = False
) -> xr.DataArray:
    """The metric's logits read from the residual stream at each stage.

    The final norm's scale is held at the value the run had at its end, so that stages differ by
    exactly what the layers between them add (``attribution(by="component")``). Under the session's
    interventions.

    Args:
        session: whose prompts, answers and interventions.
        incl_mid: also between attention and MLP, in layers where one follows the other.
        per_prompt: keep the prompts apart instead of their mean.

    Returns:
        Dim stage (``"0_pre"``, ``"0_mid"``, ..., ``"final_post"``), in logits, with ``sem``, the
        standard error over the prompts; a leading dim prompt with ``per_prompt``. The last stage is
        ``attrs["total"]``, the metric's logit difference.

    Source:
        TransformerLens's ``ActivationCache.accumulated_resid`` with ``logit_attrs``.

    Examples:
        >>> stages = lw.analysis.accumulated_attribution(session)
        >>> float(stages[-1]) == stages.attrs["total"]
        True
    """
    values = accumulated(session, session.run(), incl_mid)
    readout = decompose(session).readout
    coords = {"stage": [stage.name for stage in model_stages(session, incl_mid)]}
    attrs = {
        "units": "logits",
        "metric": session.metric.name,
        "definition": f"{DEFINITIONS[readout.target]}, read from the residual stream at each stage",
        "total": float(values[:, -1].mean()),
    }
    return labelled(values, ("stage",), coords, attrs, per_prompt)


def accumulated(session: Session, run: Run, incl_mid: bool) -> Float[Tensor, "prompt stage"]:
    """The same for one run, per prompt, on the model's device."""
    readout = decompose(session, run).readout
    streams = read_stages(run, model_stages(session, incl_mid), readout.at)
    effects = [(stream * readout.direction).sum(dim=-1) + readout.bias for stream in streams]
    if edited_past_norm(session, run):
        effects[-1] = target_logits(session, readout, readout.at(run.logits))
    return readout.per_prompt(torch.stack(effects, dim=-1))


def contributions(session: Session, run: Run) -> tuple[list[str], Float[Tensor, "prompt part"]]:
    """What each attention layer, MLP and embedding of a run adds to the same logits."""
    names, values = components(session, decompose(session, run))
    return names, torch.stack(values, dim=-1)


def lens_lines(session: Session, which: Which, incl_mid: bool, prompt: int | None) -> xr.Dataset:
    """``accumulated`` logits by stage and each component's ``contribution``, in logits.

    Means over prompts with ``accumulated_sem`` and ``contribution_sem``, or one prompt's values.
    """
    clean, now = session.run(()), session.run()
    definition = DEFINITIONS[decompose(session).readout.target]
    names, before = contributions(session, clean)
    _, after = contributions(session, now)
    stages = [stage.name for stage in model_stages(session, incl_mid)]
    both = [accumulated(session, run, incl_mid) for run in (clean, now)]
    columns: dict[str, Any] = {}
    pairs: list[tuple[str, str, Tensor, Tensor]] = [
        ("accumulated", "stage", both[0], both[1]),
        ("contribution", "component", before, after),
    ]
    for name, dim, old, new in pairs:
        values = {"baseline": old, "current": new, "difference": new - old}[which]
        attrs = {"units": "logits", "definition": f"{which} {name}: {definition}"}
        shown = values.mean(dim=0) if prompt is None else values[prompt]
        columns[name] = (dim, shown.cpu().numpy(), attrs)
        if prompt is None:
            errors = standard_error(values).cpu().numpy()
            columns[f"{name}_sem"] = (dim, errors, {"units": "logits"})
    return xr.Dataset(columns, coords={"stage": stages, "component": names})
