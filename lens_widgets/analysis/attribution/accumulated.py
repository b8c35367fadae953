"""How the metric's logits come about from stage to stage, and what each layer adds.

Source: "logit lens" and "layer attribution" of TransformerLens's Exploratory Analysis Demo:
``accumulated_resid`` and ``decompose_resid`` through ``apply_ln_to_stack`` with the cached scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.patterns import WHICH
from lens_widgets.analysis.attribution.decomposition import check_sum, components, decompose
from lens_widgets.analysis.attribution.readout import DEFINITIONS, readout_of, target_logits
from lens_widgets.analysis.attribution.stages import edited_past_norm, model_stages, read_stages
from lens_widgets.analysis.labels import labelled, standard_error
from lens_widgets.engine.current import one_call
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


@one_call()
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
    readout = readout_of(session, session.run())
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
    return session.by_parts(lambda some, own: _accumulated(some, own, incl_mid), run)


def _accumulated(session: Session, run: Run, incl_mid: bool) -> Float[Tensor, "prompt stage"]:
    check_sum(session)
    readout = readout_of(session, run)
    streams = read_stages(run, model_stages(session, incl_mid), readout.at)
    effects = [(stream * readout.direction).sum(dim=-1) + readout.bias for stream in streams]
    if edited_past_norm(session, run):
        effects[-1] = target_logits(readout, readout.at(run.logits))
    return readout.per_prompt(torch.stack(effects, dim=-1))


def contributions(session: Session, run: Run) -> tuple[list[str], Float[Tensor, "prompt part"]]:
    """What each attention layer, MLP and embedding of a run adds to the same logits."""
    names, values = components(session, decompose(session, run))
    return names, torch.stack(values, dim=-1)


@dataclass(frozen=True)
class Lines:
    """The metric's logits by stage and what each part adds to them: ``baseline``, ``current`` and
    their ``difference`` along ``show`` (``WHICH``), in logits.

    Means over prompts with their standard errors (a difference's is that of the paired changes), or
    one prompt's values with NaN for errors.
    """

    stages: list[str]
    parts: list[str]
    accumulated: Float[Tensor, "show stage"]
    accumulated_sem: Float[Tensor, "show stage"]
    contribution: Float[Tensor, "show part"]
    contribution_sem: Float[Tensor, "show part"]


def lens_lines(session: Session, incl_mid: bool, prompt: int | None) -> Lines:
    """``accumulated`` and ``contributions`` before, after and in between, of one prompt or all."""
    clean, now = session.run(()), session.run()
    parts, before = contributions(session, clean)
    _, after = contributions(session, now)
    sums, sums_sem = _compared(
        accumulated(session, clean, incl_mid), accumulated(session, now, incl_mid), prompt
    )
    adds, adds_sem = _compared(before, after, prompt)
    stages = [stage.name for stage in model_stages(session, incl_mid)]
    return Lines(stages, parts, sums, sums_sem, adds, adds_sem)


def _compared(
    before: Float[Tensor, "prompt name"], after: Float[Tensor, "prompt name"], prompt: int | None
) -> tuple[Float[Tensor, "show name"], Float[Tensor, "show name"]]:
    by = {"baseline": before, "current": after, "difference": after - before}
    values = [by[which] for which in WHICH]
    if prompt is not None:
        chosen = torch.stack([each[prompt] for each in values])
        return chosen, torch.full_like(chosen, float("nan"))
    means = torch.stack([each.mean(dim=0) for each in values])
    return means, torch.stack([standard_error(each) for each in values])
