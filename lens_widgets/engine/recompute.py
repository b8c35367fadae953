"""Computing only what a variant changes inside a block.

A block's cost is its position-wise parts: queries, keys, values, the output projection, the MLP.
Their outputs at positions that a variant leaves alone are the base run's, so during a sweep these
modules compute the changed positions and take the rest from the base. Everything else runs in full,
and TransformerLens hooks see full activations. Nothing here knows an architecture: it finds the
parts by the names TransformerLens gives them, and leaves alone what it does not find.

A position whose value is the base run's is taken from the base. Two prompts that begin alike have
equal values at every position of their common beginning, as long as they are changed alike: these
are computed once and copied. Everything is decided on the host, so that a GPU is never waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from lens_widgets.engine.fused import replaced_forward
from lens_widgets.engine.structure import from_library
from lens_widgets.engine.transformer_lens_private import wrapped_module

Side = Literal["query", "input", "output"]
"""Queries; what else comes before attention mixes positions; what comes after it."""

_ATTENTION: dict[str, Side] = {
    "q": "query",
    "k": "input",
    "v": "input",
    "qkv": "input",
    "o": "output",
}
_MLP: dict[str, Side] = {"in": "output", "gate": "output", "out": "output"}


class ComputedPositions:
    """Which positions of a batch are computed, and how the others come by their values.

    The rows of the batch are groups of as many as there are prompts.

    Args:
        mask: where the value differs from the base run's.
        prefix_owner: for each prompt and position the first prompt that begins alike, or None.
    """

    def __init__(
        self,
        mask: Bool[Tensor, "row pos"],
        prefix_owner: Int[Tensor, "prompt pos"] | None,
    ) -> None:
        self.shape = tuple(mask.shape)
        self._split = _split(mask, prefix_owner)
        self.n_computed = len(self._split[0])
        self.everything = self.n_computed == mask.numel()
        self._n_copied = len(self._split[1])
        self._at: dict[torch.device, tuple[Tensor, ...]] = {}

    def _on(self, device: torch.device) -> tuple[Tensor, ...]:
        """What is computed, what is copied, and from where, as indices on a block's device."""
        if device not in self._at:
            self._at[device] = tuple(part.to(device, non_blocking=True) for part in self._split)
        return self._at[device]

    def fit(self, values: Tensor) -> bool:
        """Whether ``values`` is [row, pos, ...] of this batch."""
        return values.dim() >= 3 and tuple(values.shape[:2]) == self.shape

    def pick(self, values: Tensor) -> Tensor:
        """What is computed, as one long prompt: [1, computed, ...]."""
        return values.flatten(0, 1).index_select(0, self._on(values.device)[0])[None]

    def fill(self, into: Tensor, computed: Tensor) -> None:
        """Writes ``computed`` [1, computed, ...] and its copies into [row, pos, ...]."""
        flat = into.view(-1, *into.shape[2:])
        there, copied, source = self._on(into.device)
        flat.index_copy_(0, there, computed[0])
        if self._n_copied:
            flat.index_copy_(0, copied, computed[0].index_select(0, source))


def _split(
    mask: Bool[Tensor, "row pos"], prefix_owner: Int[Tensor, "prompt pos"] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Flat indices of what is computed, of what is copied, and of what among the computed."""
    n_rows, n_pos = mask.shape
    empty = torch.zeros(0, dtype=torch.long, device="cpu")
    if prefix_owner is None:
        return mask.flatten().nonzero()[:, 0], empty, empty
    n_prompts = len(prefix_owner)
    group = torch.arange(n_rows // n_prompts, device="cpu")[:, None, None] * n_prompts
    first = (group + prefix_owner).reshape(n_rows, n_pos)
    own = torch.arange(n_rows, device="cpu")[:, None]
    shared = mask & (first != own) & mask.gather(0, first)
    computed = (mask & ~shared).flatten().nonzero()[:, 0]
    copied = shared.flatten().nonzero()[:, 0]
    number = torch.full((n_rows * n_pos,), -1, device="cpu")
    number[computed] = torch.arange(len(computed), device="cpu")
    wanted = first * n_pos + torch.arange(n_pos, device="cpu")
    return computed, copied, number[wanted.flatten()[copied]]


def first_alike(*token_rows: Int[Tensor, "prompt pos"]) -> Int[Tensor, "prompt pos"] | None:
    """For each prompt and position the first prompt with the same tokens up to there.

    Several batches of tokens are compared together. None when no two prompts begin alike.
    """
    rows = [rows.cpu() for rows in token_rows]
    n_prompts, n_pos = rows[0].shape
    first = torch.arange(n_prompts, device="cpu")[:, None].repeat(1, n_pos)
    for later in range(n_prompts):
        for earlier in range(later):
            same = torch.stack([part[later] == part[earlier] for part in rows]).all(dim=0)
            alike = same.long().cumprod(dim=0).bool()
            first[later] = torch.where(alike, first[later].clamp(max=earlier), first[later])
    return first if bool((first != torch.arange(n_prompts, device="cpu")[:, None]).any()) else None


def computing_at(
    compute: Callable[..., Tensor],
    base: Tensor,
    prompts: Int[Tensor, "row"],
    positions: ComputedPositions,
) -> Callable[..., Tensor]:
    """``compute`` limited to ``positions``: elsewhere its output is ``base`` of each row's prompt.

    Called with anything but the batch's own shape it computes everything.
    """

    def limited(*args: Tensor, **kwargs: object) -> Tensor:
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if kwargs or not tensors or not all(map(positions.fit, tensors)):
            return compute(*args, **kwargs)
        result = base.index_select(0, prompts.to(base.device))
        if positions.n_computed:
            picked = [positions.pick(arg) if isinstance(arg, Tensor) else arg for arg in args]
            positions.fill(result, compute(*picked))
        return result

    return limited


@dataclass(frozen=True)
class BlockPositions:
    """Where one block computes, side by side with ``Side``."""

    query: ComputedPositions
    input: ComputedPositions
    output: ComputedPositions


class SparseBlock:
    """One block whose position-wise parts can be told which positions to compute.

    ``hooks`` are the names of all hook points that a sweep edits: where one lies inside the MLP,
    which then must see full activations, its linear maps are limited one by one.
    """

    def __init__(self, block: Any, hooks: Sequence[str]) -> None:
        parts = [*_linear(block, "attn", _ATTENTION), *_mlp(block, hooks)]
        # A module of the user's own may mix positions, or count them.
        self._parts = [
            (part, side)
            for part, side in parts
            if all(from_library(type(module)) for module in part.modules())
        ]
        self._base: dict[nn.Module, Tensor] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keeps each part's output [prompt, pos, ...] of the base run made inside."""

        def keep(module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 3:
                self._base[module] = output.detach()

        handles = [part.register_forward_hook(keep) for part, _ in self._parts]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def computing(self, prompts: Int[Tensor, "row"], positions: BlockPositions) -> Iterator[None]:
        """Inside, the block computes these positions; ``prompts`` tells each row's prompt."""
        with ExitStack() as stack:
            for part, side in self._parts:
                chosen: ComputedPositions = getattr(positions, side)
                base = self._base.get(part)
                if not chosen.everything and base is not None:
                    limited = computing_at(part.forward, base, prompts, chosen)
                    stack.enter_context(replaced_forward(part, limited))
            yield


def _mlp(block: Any, hooks: Sequence[str]) -> Iterator[tuple[nn.Module, Side]]:
    """The MLP as a whole, experts included, or its linear maps."""
    mlp = getattr(block, "mlp", None)
    # Without a name of its own an MLP is spread over its block, which it then stands for.
    whole = None if getattr(mlp, "name", None) is None else wrapped_module(mlp)
    if whole is None or any(_inside_mlp(name) for name in hooks):
        yield from _linear(block, "mlp", _MLP)
    else:
        yield whole, "output"


def _inside_mlp(name: str) -> bool:
    parts = name.split(".")
    return "mlp" in parts and parts[-2:] not in (["mlp", "hook_in"], ["mlp", "hook_out"])


def _linear(block: Any, owner: str, sides: dict[str, Side]) -> Iterator[tuple[nn.Module, Side]]:
    for name, child in getattr(block, owner, nn.Module()).named_children():
        module = wrapped_module(child)
        if name in sides and module is not None:
            yield module, sides[name]
