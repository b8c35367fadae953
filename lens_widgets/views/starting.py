"""Where views open: on the head, the position and the neuron that move the metric most.

Read from the run that the session was made with, by direct effects: the model is not run again.
"""

from __future__ import annotations

import logging

from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attribution.decomposition import decompose, decompose_heads
from lens_widgets.analysis.attribution.neuron_effects import neuron_effects
from lens_widgets.session.session import Session

log = logging.getLogger(__name__)


def start_selection(session: Session) -> None:
    """Moves a selection that nobody has made yet to the head with the largest direct effect on
    the metric without interventions, and to the first prompt's last position where its answer is
    read. A model without direct effects leaves it at the first head."""
    selection = session.selection
    if selection.made:
        return
    fields: dict[str, int] = {}
    head = largest_head(session)
    if head is not None:
        fields |= {"layer": head[0], "head": head[1]}
    if session.answer_tokens is not None:
        fields["query_pos"] = int(session.positions[selection.prompt])
    selection.update(**fields)


def largest_head(session: Session) -> tuple[int, int] | None:
    """Layer and head of the largest mean direct effect, by magnitude; None where the model has no
    direct effects of heads."""
    try:
        effects = decompose_heads(session, session.run(())).heads
        return _largest(effects.flatten(0, -3).nanmean(dim=0))
    except (ValueError, RuntimeError) as error:
        # An opening that costs the view itself would be a bad bargain: the view says what is wrong.
        log.debug("no head to open on: %s", error)
        return None


def largest_neuron(session: Session) -> str | None:
    """Of the MLP with the largest mean direct effect the neuron with the largest, as in
    ``"L3N1024"``: the first neuron where the model has no direct effects; None without MLPs."""
    run, mlps = session.run(()), session.facts.mlp_layers
    if not mlps:
        return None
    try:
        by_layer = decompose(session, run).mlp.flatten(0, -2).nanmean(dim=0).abs()
        layer = max(mlps, key=lambda each: float(by_layer[each]))
        effects = neuron_effects(session, run, layer=layer)
        return f"L{layer}N{_largest(effects.flatten(0, -2).nanmean(dim=0)[None])[1]}"
    except (ValueError, RuntimeError) as error:
        log.debug("no neuron to open on: %s", error)
        return f"L{mlps[0]}N0"


def _largest(effects: Float[Tensor, "row column"]) -> tuple[int, int]:
    sizes = effects.abs().nan_to_num(nan=-1.0)
    return divmod(int(sizes.argmax()), sizes.shape[1])
