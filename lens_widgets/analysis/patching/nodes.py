"""What is patched: the cells of a map, and each of them as the engine's sweep takes it.

Which activations can be patched, and how they are indexed, is in ``engine.hooks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Bool
from torch import Tensor

from lens_widgets.engine.hooks import HookKind, nodes
from lens_widgets.engine.parts import check_layers
from lens_widgets.engine.variants import Variant
from lens_widgets.errors import InputError, check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


@dataclass(frozen=True)
class Cell:
    """One cell of a map; ``head`` None for the residual stream, ``pos`` None for all positions."""

    layer: int
    head: int | None
    pos: int | None


@dataclass(frozen=True)
class Grid:
    """All cells of one patching map, in the order of ``dims``."""

    node: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    cells: tuple[Cell, ...]


def node_kind(node: str) -> HookKind:
    """The activation that ``node`` names; InputError where it is none that can be patched."""
    known = nodes()
    check_choice("node", node, tuple(known))
    return known[node]


def block_nodes() -> tuple[str, ...]:
    """Nodes that a block has once: they are patched by layer and position."""
    return tuple(node for node, kind in nodes().items() if kind.head_axis is None)


def head_nodes() -> tuple[str, ...]:
    """Nodes that each head has."""
    return tuple(node for node, kind in nodes().items() if kind.head_axis is not None)


def make_grid(session: Session, node: str, by_pos: bool) -> Grid:
    """The cells of a map; InputError when the model cannot be patched there."""
    kind = node_kind(node)
    facts, n_pos = session.facts, int(session.tokens.shape[1])
    layers = check_layers(facts, f"node={node!r}", kind.part)
    if not facts.edits_count(kind):
        raise InputError(
            f"node={node!r}: this model's attention ignores edits of its {kind.copied_as}.",
            "Patch 'q', 'k' or 'z' instead.",
        )
    if kind.head_axis is None:
        cells = [Cell(layer, None, pos) for layer in layers for pos in range(n_pos)]
        return Grid(node, ("layer", "pos"), (facts.n_layers, n_pos), tuple(cells))
    n_heads = n_heads_of(session, node)
    positions: list[int | None] = list(range(n_pos)) if by_pos else [None]
    cells = [
        Cell(layer, head, pos)
        for layer in layers
        for head in range(n_heads_in(session, node, layer))
        for pos in positions
    ]
    shape = (facts.n_layers, n_heads)
    if by_pos:
        return Grid(node, ("layer", "head", "pos"), (*shape, n_pos), tuple(cells))
    return Grid(node, ("layer", "head"), shape, tuple(cells))


def n_heads_of(session: Session, node: str) -> int:
    """Heads of an activation: keys and values have fewer under grouped-query attention."""
    layers = check_layers(session.facts, f"node={node!r}", node_kind(node).part)
    return max(n_heads_in(session, node, layer) for layer in layers)


def n_heads_in(session: Session, node: str, layer: int) -> int:
    """The same of one layer: layers can share their keys and values in other groups."""
    kind = node_kind(node)
    return kind.n_heads(session.facts.hooks[kind.name(layer)])


def patch_variant(
    kind: HookKind,
    cell: Cell,
    source: Tensor,
    differs: Bool[Tensor, "prompt pos"] | Bool[Tensor, "prompt pos head"],
) -> Variant:
    """Replacing one cell by ``source``'s, as the engine's sweep takes it.

    ``differs``, on the host, as made by ``HookKind.differing``: elsewhere the patch changes
    nothing.
    """
    index = kind.index(cell.head, cell.pos)

    def patch(activation: Tensor, hook: Any) -> Tensor:
        edited = activation.clone()
        edited[index] = source[index].to(edited.dtype)
        return edited

    at = _patched(differs if cell.head is None else differs[:, :, cell.head], cell.pos)
    return Variant(cell.layer, (kind.name(cell.layer), patch), *kind.reach(at))


def _patched(differs: Bool[Tensor, "prompt pos"], pos: int | None) -> Bool[Tensor, "prompt pos"]:
    if pos is None:
        return differs
    at = differs.new_zeros(differs.shape)
    at[:, pos] = differs[:, pos]
    return at
