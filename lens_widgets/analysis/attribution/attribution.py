"""Direct attribution: how much each component's output moves the metric's logits by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
import xarray as xr
from torch import Tensor

from lens_widgets.analysis.attribution.decomposition import (
    Decomposition,
    components,
    decompose,
    decompose_heads,
)
from lens_widgets.analysis.attribution.neuron_effects import neuron_effects
from lens_widgets.analysis.attribution.readout import Where, definition_of
from lens_widgets.analysis.labels import labelled
from lens_widgets.engine.current import one_call
from lens_widgets.engine.parts import HEADS, check_layer
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


@one_call()
def attribution(
    session: Session,
    by: By = "head",
    *,
    per_position: bool = False,
    per_prompt: bool = False,
    layer: int | None = None,
    pos: int | None = None,
) -> xr.DataArray:
    """Each part's direct effect: what it adds to the metric's logits through the final norm.

    The norm's scale is held at the value it had in the run, so effects add up. What later parts do
    with an output is left out. Under the session's interventions.

    Args:
        session: whose prompts, answers and interventions.
        by: ``"head"``; ``"layer"``, all that a layer writes; ``"component"``, embeddings,
            attention layers, MLPs and ``bias``; ``"neuron"``, activation times output direction.
        per_position: read every position with its own final norm, not only where the metric reads.
        per_prompt: keep the prompts apart instead of their mean.
        layer: for neurons, only this layer's.
        pos: read there instead of where the metric reads.

    Returns:
        Dims layer, head; layer; component; or layer, neuron, in logits, with ``sem``, the standard
        error over the prompts; a leading dim prompt with ``per_prompt``, a last dim pos with
        ``per_position`` (NaN past a prompt's end). Components sum to ``attrs["total"]``, the
        metric's logit difference; the others together with ``attrs["rest"]``, what all else adds.
        With ``per_position`` these are coordinates, and without answers the total is the next
        token's logit minus the mean logit.

    Raises:
        InputError: an unknown ``by``; a position or a layer out of range; ``pos`` together with
            ``per_position``; models whose MLPs cannot be split into neurons, whose heads do not add
            up to their layers, or whose logits are no sum of what the parts write.

    Source:
        Direct logit attribution, Elhage et al., A Mathematical Framework for Transformer Circuits
        (2021); TransformerLens's ``ActivationCache.decompose_resid``, ``stack_head_results`` and
        ``logit_attrs``.

    Examples:
        >>> parts = lw.analysis.attribution(session, by="component")
        >>> abs(float(parts.sum()) - parts.attrs["total"]) < 1e-3
        True
    """
    check_choice("by", by, BY)
    if per_position and pos is not None:
        raise InputError(
            f"per_position=True and pos={pos} exclude each other.",
            "Give pos to read at one position, or per_position=True to read at all.",
        )
    if layer is not None and by != "neuron":
        raise InputError(f"layer={layer} is for by='neuron', not by={by!r}.", "Leave it out.")
    if by == "head":
        for attention in session.facts.layers.attention:
            check_layer(session.facts, attention, "by='head'", HEADS)
    where = read_where(pos, per_position)
    parts = (decompose_heads if by == "head" else decompose)(session, where=where)
    values, coords = _values(session, parts, by, layer, where)
    dims = tuple(dim for dim in _DIMS[by] if dim not in coords or dim == "component")
    attrs: dict[str, Any] = {
        "units": "logits",
        "metric": session.metric.name,
        "definition": f"direct effect on the {definition_of(parts.readout.target, where)}",
    }
    lead = parts.total.dim()
    rest = parts.total - values.flatten(lead).nansum(dim=-1)
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
        return parts.layers, {}
    values = neuron_effects(session, where=where, layer=layer)
    return values, {} if layer is None else {"layer": layer}
