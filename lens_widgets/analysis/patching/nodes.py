"""The activations that can be patched: where they live, how a cell of them is indexed, and what a
change of it can reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from lens_widgets.engine.forward import Hook
from lens_widgets.engine.variants import Variant
from lens_widgets.errors import InputError, check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Node = Literal["resid_pre", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern"]
NODES = ("resid_pre", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern")
STREAM_NODES = ("resid_pre", "attn_out", "mlp_out")


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


def make_grid(session: Session, node: str, by_pos: bool) -> Grid:
    """The cells of a map; InputError when the model cannot be patched there."""
    check_choice("node", node, NODES)
    facts, n_pos = session.facts, int(session.tokens.shape[1])
    layers = [layer for layer in range(facts.n_layers) if hook_name(node, layer) in facts.hooks]
    if not layers:
        raise InputError(
            f"node={node!r}: this model has no {hook_name(node, 0)}.", "Choose another node."
        )
    if node == "pattern" and not facts.pattern_edits:
        raise InputError(
            "node='pattern': this model's attention ignores edits of its pattern.",
            "Patch 'q', 'k' or 'z' instead.",
        )
    if node in STREAM_NODES:
        cells = [Cell(layer, None, pos) for layer in layers for pos in range(n_pos)]
        return Grid(node, ("layer", "pos"), (facts.n_layers, n_pos), tuple(cells))
    n_heads = n_heads_of(session, node)
    positions: list[int | None] = list(range(n_pos)) if by_pos else [None]
    cells = [Cell(la, h, p) for la in layers for h in range(n_heads) for p in positions]
    shape = (facts.n_layers, n_heads)
    if by_pos:
        return Grid(node, ("layer", "head", "pos"), (*shape, n_pos), tuple(cells))
    return Grid(node, ("layer", "head"), shape, tuple(cells))


def n_heads_of(session: Session, node: str) -> int:
    """Heads of an activation: keys and values have fewer under grouped-query attention."""
    if node not in ("k", "v"):
        return session.facts.n_heads
    return session.facts.hooks[hook_name(node, 0)][2]


def hook_name(node: str, layer: int) -> str:
    """The TransformerLens hook of a node in a layer."""
    if node in STREAM_NODES:
        return f"blocks.{layer}.hook_{node}"
    return f"blocks.{layer}.attn.hook_{node}"


def index_of(cell: Cell, node: str) -> tuple[Any, ...]:
    """Where a cell lies in its activation; pattern positions are query positions."""
    pos = slice(None) if cell.pos is None else cell.pos
    if cell.head is None:
        return (slice(None), pos)
    if node == "pattern":
        return (slice(None), cell.head, pos)
    return (slice(None), pos, cell.head)


def differing(
    node: str, source: Tensor, base: Tensor
) -> Bool[Tensor, "prompt pos"] | Bool[Tensor, "prompt pos head"]:
    """Where two activations of a node are not the very same; of patterns, at which queries."""
    differs = (source != base).any(dim=-1)
    return differs.transpose(1, 2) if node == "pattern" else differs


def patch_variant(
    node: str,
    cell: Cell,
    source: Tensor,
    differs: Bool[Tensor, "prompt pos"] | Bool[Tensor, "prompt pos head"],
) -> Variant:
    """Replacing one cell by ``source``'s, as the engine's sweep takes it.

    ``differs``, on the host, as made by ``differing``: elsewhere the patch changes nothing.
    """
    index = index_of(cell, node)

    def patch(activation: Tensor, hook: Any) -> Tensor:
        edited = activation.clone()
        edited[index] = source[index].to(edited.dtype)
        return edited

    hook: Hook = (hook_name(node, cell.layer), patch)
    at = _patched(differs if cell.head is None else differs[:, :, cell.head], cell.pos)
    # What attends to a patched position comes after it.
    onward = at.long().cummax(dim=1).values.bool()
    nowhere = torch.zeros_like(at)
    if node == "resid_pre":
        return Variant(cell.layer, hook, at, onward, onward)
    if node == "mlp_out":
        return Variant(cell.layer, hook, nowhere, nowhere, at)
    if node in ("k", "v"):
        return Variant(cell.layer, hook, nowhere, onward, onward)
    return Variant(cell.layer, hook, nowhere, at, at)


def _patched(differs: Bool[Tensor, "prompt pos"], pos: int | None) -> Bool[Tensor, "prompt pos"]:
    if pos is None:
        return differs
    at = torch.zeros_like(differs)
    at[:, pos] = differs[:, pos]
    return at
