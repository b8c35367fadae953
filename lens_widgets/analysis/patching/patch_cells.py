"""Cells of patching maps as interventions, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from lens_widgets.analysis.patching.nodes import n_heads_of, node_kind
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention
from lens_widgets.interventions.patch import Patch
from lens_widgets.prompts.span import Span

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


class PatchCell(TypedDict):
    """One cell of a map; ``head`` None for blocks, ``pos`` None for all positions."""

    node: str
    layer: int
    head: int | None
    pos: int | None


def patch_of(session: Session, cell: PatchCell) -> Patch:
    """The patch of the corrupted prompts' value that a cell stands for.

    InputError where the model has no such cell.
    """
    node, layer, head, pos = cell["node"], cell["layer"], cell["head"], cell["pos"]
    kind = node_kind(node)
    if not 0 <= layer < session.facts.n_layers:
        raise InputError(
            f"layer={layer} is out of range.",
            f"Layers run from 0 to {session.facts.n_layers - 1}.",
        )
    stream = kind.head_axis is None
    if stream != (head is None) or (stream and pos is None):
        raise InputError(
            f"head={head}, pos={pos} do not name a cell of the {node} map.",
            "Blocks are patched by layer and position, heads by layer and head.",
        )
    if head is not None and not 0 <= head < n_heads_of(session, node):
        raise InputError(
            f"head={head} is out of range.", f"The map has {n_heads_of(session, node)} heads."
        )
    positions = None if pos is None else (pos,)
    if node == "z":
        return Patch(f"L{layer}H{head}", positions)
    return Patch(kind.name(layer), positions, head=head)


def kept_cell(item: Intervention) -> PatchCell | None:
    """The cell that an intervention is, if it is one."""
    if not isinstance(item, Patch) or item.source != "corrupted":
        return None
    places = item.acts_at
    if isinstance(places, Span) or (places is not None and len(places) != 1):
        return None
    site = item.site
    node = site.hook_kind.node
    if node is None:
        return None
    pos = None if places is None else places[0]
    return {"node": node, "layer": int(site.hook.split(".")[1]), "head": site.head, "pos": pos}
