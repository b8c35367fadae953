"""Direct attribution: how much each component's output moves the metric's logits by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
import xarray as xr
from torch import Tensor

from lens_widgets.analysis.attribution.decomposition import Decomposition, components, decompose
from lens_widgets.analysis.attribution.neuron_effects import neuron_effects
from lens_widgets.analysis.attribution.readout import Where, definition_of
from lens_widgets.analysis.labels import labelled
from lens_widgets.errors import InputError, check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

By = Literal["head", "layer", "component", "neuron"]
BY = ("head", "layer", "component", "neuron")

_DIMS = {
    "head": ("layer", "head"),
    "layer": ("layer",),
    "component": ("component",),
    "neuron": ("layer", "neuron"),
}


def attribution(
    session: Session,
    by: By = "head",
    *,
    per_position: bool = False,
    per_prompt: bool = False,
    layer: int | None = None,
    pos: int | None = None,
) -> xr.DataArray:
    """Direct effects on the metric's logits under the session's interventions, in logits.

    ``by="head"``: dims layer, head; ``attrs["rest"]`` is what all else adds. ``by="layer"``: dim
    ``layer``, attention and MLP together, ``attrs["rest"]`` again. ``by="component"``: dim
    ``component`` (embed, pos_embed, L0.attn, L0.mlp, ..., bias), which sums to ``attrs["total"]``:
    the metric's logit difference. ``by="neuron"``: dims layer, neuron, or with ``layer`` neuron
    alone: activation times output direction; ``attrs["rest"]`` has what the MLPs add besides (their
    output biases) and all other parts.

    Read where the metric reads, or at ``pos``; ``per_position`` reads every position with its own
    final norm (TransformerLens's ``decompose_resid`` with ``pos_slice=None``) and adds a last dim
    ``pos``, NaN past a prompt's end. What is summed to is then the logit difference of the answers
    at each position (without answers: the next token's logit minus the mean logit), kept in the
    coordinates ``total`` and ``rest``.

    Means over prompts with their standard error in the coordinate ``sem``, or with ``per_prompt`` a
    leading prompt dim. InputError for neurons of models whose MLPs cannot be split into them.
    """
    check_choice("by", by, BY)
    if per_position and pos is not None:
        raise InputError(
            f"per_position=True and pos={pos} exclude each other.",
            "Give pos to read at one position, or per_position=True to read at all.",
        )
    if layer is not None and by != "neuron":
        raise InputError(f"layer={layer} is for by='neuron', not by={by!r}.", "Leave it out.")
    where = read_where(pos, per_position)
    parts = decompose(session, where=where)
    values, coords = _values(session, parts, by, layer, where)
    dims = tuple(dim for dim in _DIMS[by] if dim not in coords or dim == "component")
    attrs: dict[str, Any] = {
        "units": "logits",
        "metric": session.metric.name,
        "definition": f"direct effect on the {definition_of(parts.readout.target, where)}",
    }
    lead = parts.total.dim()
    rest = parts.total - values.flatten(lead).sum(dim=-1)
    if not per_position:
        attrs |= {"total": float(parts.total.nanmean())}
        if by != "component":
            attrs |= {"rest": float(rest.nanmean())}
        return labelled(values, dims, coords, attrs, per_prompt, ragged=pos is not None)
    array = labelled(values.movedim(1, -1), (*dims, "pos"), coords, attrs, per_prompt, ragged=True)
    for name, sums in (("total", parts.total), ("rest", rest)):
        array = array.assign_coords({name: labelled(sums, ("pos",), {}, {}, per_prompt).variable})
    return array


def read_where(pos: int | None, per_position: bool = False) -> Where:
    """Where to read, of the arguments that say it."""
    if per_position:
        return "everywhere"
    if pos is None:
        return "metric"
    if isinstance(pos, bool) or not isinstance(pos, int):
        raise InputError(f"pos={pos!r} is not a position.", "Pass a whole number from 0.")
    return pos


def _values(
    session: Session, parts: Decomposition, by: By, layer: int | None, where: Where
) -> tuple[Tensor, dict[str, Any]]:
    """Effects [*lead, *dims] and the coordinates that are not plain numbers."""
    if by == "component":
        names, effects = components(session, parts)
        return torch.stack(effects, dim=-1), {"component": names}
    if by == "head":
        return parts.heads, {}
    if by == "layer":
        return parts.attn + parts.mlp, {}
    values = neuron_effects(session, where=where, layer=layer)
    return values, {} if layer is None else {"layer": layer}
