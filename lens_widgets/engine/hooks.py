"""The table of activations: what is known of each hook point of a block, and what follows of it.

Which axis counts heads, which one positions, whether edits count, and what a change reaches inside
its block: whoever needs one of these asks here. An activation becomes one that can be patched by
having a row with a ``node`` in ``TABLE``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

AxisName = Literal[
    "prompt", "pos", "query_pos", "key_pos", "head", "key_value_head", "d_model", "d_head", "d_mlp"
]

Reads = Literal["input", "keys", "itself", "nothing"]
"""What of its block a change at some position moves, besides the block's output there:

- ``"input"``: queries, keys and values there, and all that attends to them
- ``"keys"``: what attends to the position: itself and all later ones
- ``"itself"``: what comes after attention mixed positions, at that position alone
- ``"nothing"``: it joins the residual stream at the end of the block
"""


class Reach(NamedTuple):
    """What of a block is computed anew for a change, as masks [prompt, pos] on the host.

    ``inputs``: what comes before attention mixes positions; ``outputs``: what comes after;
    ``changed``: where the block's output differs. As in ``engine.variants.Variant``.
    """

    inputs: Bool[Tensor, "prompt pos"]
    outputs: Bool[Tensor, "prompt pos"]
    changed: Bool[Tensor, "prompt pos"]


@dataclass(frozen=True)
class HookKind:
    """One row: an activation that every block has, or, with ``reads`` None, the model once.

    Args:
        part: its TransformerLens name, in a block without ``"blocks.{layer}."``.
        axes: what its axes count.
        reads: what a change of it moves.
        node: the name under which it can be patched, if it can; ``title`` is the one on screen.
        copied_as: its name where an architecture may report a copy, so that edits do nothing.
        in_stream: whether it is the residual stream between components, and not what one writes.
        masked: whether entries that the attention mask takes out are no numbers of the model's.
    """

    part: str
    axes: tuple[AxisName, ...]
    reads: Reads | None
    node: str | None = None
    title: str = ""
    copied_as: Literal["pattern", "scores"] | None = None
    in_stream: bool = False
    masked: bool = False

    def name(self, layer: int) -> str:
        """The hook in a layer."""
        return self.part if self.reads is None else f"blocks.{layer}.{self.part}"

    # --- axes -------------------------------------------------------------------------------

    @property
    def head_axis(self) -> int | None:
        """The axis that counts heads, or the groups of keys and values."""
        return self._axis("head", "key_value_head")

    @property
    def pos_axis(self) -> int:
        """The axis that counts positions; of patterns those of the query."""
        found = self._axis("pos", "query_pos")
        assert found is not None, self.part
        return found

    @property
    def holds_vectors(self) -> bool:
        """Whether the last axis is a vector's, to which a direction can be added."""
        return self.axes[-1].startswith("d_")

    def _axis(self, *names: AxisName) -> int | None:
        return next((i for i, axis in enumerate(self.axes) if axis in names), None)

    def n_heads(self, shape: Sequence[int]) -> int:
        """Heads that an activation of this kind holds, by its shape; 0 where it holds none."""
        if self.head_axis is None or len(shape) != len(self.axes):
            return 0
        return int(shape[self.head_axis])

    def fits(self, shape: Sequence[int], n_heads: int, n_pos: int) -> bool:
        """Whether an activation of one prompt has these axes: some attentions report theirs in
        another order, or cut into other pieces than heads."""
        if len(shape) != len(self.axes):
            return False
        counts: dict[str, int] = {"prompt": 1, "head": n_heads}
        counts |= dict.fromkeys(("pos", "query_pos", "key_pos"), n_pos)
        sizes = dict(zip(self.axes, shape, strict=True))
        groups = sizes.pop("key_value_head", n_heads)
        return (
            all(counts.get(axis, size) == size for axis, size in sizes.items())
            and groups > 0
            and n_heads % groups == 0
        )

    def size(self, shape: Sequence[int], n_prompts: int, n_pos: int) -> int:
        """How many numbers it has on a batch, by its ``shape`` on another one."""
        counts: dict[str, int] = {"prompt": n_prompts}
        counts |= dict.fromkeys(("pos", "query_pos", "key_pos"), n_pos)
        total = 1
        for i, length in enumerate(shape):
            total *= counts.get(self.axes[i], length) if i < len(self.axes) else length
        return total

    def index(self, head: int | None = None, pos: int | None = None) -> tuple[Any, ...]:
        """Where one head, one position or both lie in an activation."""
        places: list[Any] = [slice(None)] * len(self.axes)
        if head is not None:
            assert self.head_axis is not None, self.part
            places[self.head_axis] = head
        if pos is not None:
            places[self.pos_axis] = pos
        return tuple(places[: 1 + self._last(head is not None, pos is not None)])

    def index_code(self, head: str | None, pos: str | None, prompt: str = ":") -> str:
        """The same as Python code: what stands between the brackets."""
        return ", ".join(self._written(head, pos, prompt, ":"))

    def cell_code(self, head: str | None, pos: str | None) -> str:
        """The same as the code of a tuple."""
        written = self._written(head, pos, "slice(None)", "slice(None)")
        return f"({', '.join(written)})"

    def _written(self, head: str | None, pos: str | None, prompt: str, all_of: str) -> list[str]:
        parts = [prompt] + [all_of] * (len(self.axes) - 1)
        if head is not None:
            assert self.head_axis is not None, self.part
            parts[self.head_axis] = head
        if pos is not None:
            parts[self.pos_axis] = pos
        return parts[: 1 + self._last(head is not None, pos is not None)]

    def _last(self, with_head: bool, with_pos: bool) -> int:
        """The last axis that an index has to name."""
        head = self.head_axis if with_head and self.head_axis is not None else 0
        return max(head, self.pos_axis if with_pos else 0)

    def at_positions(
        self, mask: Bool[Tensor, "prompt pos"], n_axes: int, *, one_head: bool
    ) -> Bool[Tensor, "prompt *n"]:
        """A mask as it is spread over an activation, or over one head of it, of ``n_axes``."""
        axis = self.pos_axis
        if one_head and self.head_axis is not None and self.head_axis < axis:
            axis -= 1
        shape = [1] * n_axes
        shape[0], shape[axis] = mask.shape
        return mask.view(shape)

    def differing(
        self, first: Tensor, second: Tensor
    ) -> Bool[Tensor, "prompt pos"] | Bool[Tensor, "prompt pos head"]:
        """Where two activations of this kind are not the very same."""
        kept = {0, self.pos_axis} | ({self.head_axis} - {None})
        others = [axis for axis in range(first.dim()) if axis not in kept]
        differs = first != second
        for axis in reversed(others):
            differs = differs.any(dim=axis)
        swapped = self.head_axis is not None and self.head_axis < self.pos_axis
        return differs.transpose(1, 2) if swapped else differs

    # --- what a change reaches ----------------------------------------------------------------

    def reach(self, at: Bool[Tensor, "prompt pos"]) -> Reach:
        """What a change at some positions moves in its block."""
        nowhere = torch.zeros_like(at)
        # Whatever attends to a position comes after it.
        onward = at.long().cummax(dim=1).values.bool()
        if self.reads == "input":
            return Reach(at, onward, onward)
        if self.reads == "keys":
            return Reach(nowhere, onward, onward)
        if self.reads == "itself":
            return Reach(nowhere, at, at)
        assert self.reads == "nothing", self.part
        return Reach(nowhere, nowhere, at)


_VECTOR: tuple[AxisName, ...] = ("prompt", "pos", "d_model")
_HEADS: tuple[AxisName, ...] = ("prompt", "pos", "head", "d_head")
_GROUPS: tuple[AxisName, ...] = ("prompt", "pos", "key_value_head", "d_head")
_SQUARE: tuple[AxisName, ...] = ("prompt", "head", "query_pos", "key_pos")
_HIDDEN: tuple[AxisName, ...] = ("prompt", "pos", "d_mlp")

_ROWS = (
    HookKind("hook_resid_pre", _VECTOR, "input", "resid_pre", "residual stream", in_stream=True),
    HookKind("hook_attn_out", _VECTOR, "itself", "attn_out", "attention output"),
    HookKind("hook_mlp_out", _VECTOR, "nothing", "mlp_out", "MLP output"),
    HookKind("attn.hook_z", _HEADS, "itself", "z", "output"),
    HookKind("attn.hook_q", _HEADS, "itself", "q", "query"),
    HookKind("attn.hook_k", _GROUPS, "keys", "k", "key"),
    HookKind("attn.hook_v", _GROUPS, "keys", "v", "value"),
    HookKind("attn.hook_pattern", _SQUARE, "itself", "pattern", "pattern", copied_as="pattern"),
    HookKind("attn.hook_attn_scores", _SQUARE, "itself", copied_as="scores", masked=True),
    HookKind("mlp.hook_in", _VECTOR, "itself"),
    HookKind("mlp.in.hook_out", _HIDDEN, "itself"),
    HookKind("mlp.out.hook_in", _HIDDEN, "itself"),
    HookKind("hook_embed", _VECTOR, None),
    HookKind("hook_pos_embed", _VECTOR, None),
)

TABLE: dict[str, HookKind] = {row.part: row for row in _ROWS}
"""By ``part``; those with a ``node`` in the order in which they are shown."""


def hook_kind(name: str) -> HookKind:
    """What is known of a hook by its full name, such as ``"blocks.0.attn.hook_q"``.

    Of one that has no row: positions come after prompts, and a third of four axes counts heads, as
    everywhere in TransformerLens. A change of it may be one of the residual stream.
    """
    part = name.split(".", 2)[2] if name.startswith("blocks.") else name
    return TABLE.get(part) or HookKind(part, _HEADS, "input", in_stream=True)


def layer_of(name: str) -> int | None:
    """The layer of a hook in a block; None for one outside of blocks."""
    parts = name.split(".")
    return int(parts[1]) if parts[0] == "blocks" and parts[1].isdigit() else None


def nodes() -> dict[str, HookKind]:
    """What can be patched, by the name of the node."""
    return {row.node: row for row in TABLE.values() if row.node is not None}
