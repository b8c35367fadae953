"""Computing only what a variant changes inside a block.

A block's cost is its position-wise parts: queries, keys, values, the output projection, the MLP.
Their outputs at positions that a variant leaves alone are the base run's, so during a sweep these
modules compute the changed positions and take the rest from the base. Everything else runs in full,
and TransformerLens hooks see full activations. Nothing here knows an architecture: it finds the
parts by the names TransformerLens gives them, and leaves alone what it does not find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Int
from torch import Tensor, nn

from lens_widgets.engine.activations import replaced_forward
from lens_widgets.engine.places import Places, computing_at

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


@dataclass(frozen=True)
class BlockPlaces:
    """Where one block computes, side by side with ``Side``."""

    query: Places
    input: Places
    output: Places


class SparseBlock:
    """One block whose position-wise parts can be told which positions to compute.

    ``hooks`` are the names of all hook points that a sweep edits: where one lies inside the MLP,
    which then must see full activations, its linear maps are limited one by one.
    """

    def __init__(self, block: Any, hooks: Sequence[str]) -> None:
        self._parts = [*_linear(block, "attn", _ATTENTION), *_mlp(block, hooks)]
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
    def computing(self, prompts: Int[Tensor, "row"], places: BlockPlaces) -> Iterator[None]:
        """Inside, the block computes these places; ``prompts`` tells each row's prompt."""
        with ExitStack() as stack:
            for part, side in self._parts:
                chosen: Places = getattr(places, side)
                base = self._base.get(part)
                if not chosen.everything and base is not None:
                    limited = computing_at(part.forward, base, prompts, chosen)
                    stack.enter_context(replaced_forward(part, limited))
            yield


def _mlp(block: Any, hooks: Sequence[str]) -> Iterator[tuple[nn.Module, Side]]:
    """The MLP as a whole, experts included, or its linear maps."""
    mlp = getattr(block, "mlp", None)
    # Without a name of its own an MLP is spread over its block, which it then stands for.
    whole = None if getattr(mlp, "name", None) is None else _original(mlp)
    if whole is None or any(_inside_mlp(name) for name in hooks):
        yield from _linear(block, "mlp", _MLP)
    else:
        yield whole, "output"


def _inside_mlp(name: str) -> bool:
    parts = name.split(".")
    return "mlp" in parts and parts[-2:] not in (["mlp", "hook_in"], ["mlp", "hook_out"])


def _linear(block: Any, owner: str, sides: dict[str, Side]) -> Iterator[tuple[nn.Module, Side]]:
    for name, child in getattr(block, owner, nn.Module()).named_children():
        module = _original(child)
        if name in sides and module is not None:
            yield module, sides[name]


def _original(component: Any) -> nn.Module | None:
    module = getattr(component, "original_component", None)
    return module if isinstance(module, nn.Module) else None
