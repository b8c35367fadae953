"""What a sweep is given: the run it starts from, the changes, and the logits it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from lens_widgets.engine.forward import BlockCall, Hook
from lens_widgets.engine.shares import GivenInputs, ReplacedShares, in_order
from lens_widgets.engine.written import Written


@dataclass(frozen=True)
class Variant:
    """One change, from one block on, to all prompts at once.

    ``hook`` edits an activation [prompt, ...] of that block; ``shares`` are replaced and whole
    inputs ``given`` in it and in later ones, or in what the logits read: then ``layer`` is the
    number of layers. The masks
    [prompt, pos], on the host, say where the block must be computed anew: ``inputs`` for what comes
    before attention mixes positions, ``outputs`` for what comes after; and ``changed``, where its
    output differs from the base.
    """

    layer: int
    hook: Hook | None
    inputs: Bool[Tensor, "prompt pos"]
    outputs: Bool[Tensor, "prompt pos"]
    changed: Bool[Tensor, "prompt pos"]
    shares: tuple[ReplacedShares, ...] = ()
    given: GivenInputs | None = None

    @cached_property
    def reached(self) -> Bool[Tensor, "prompt pos"]:
        """Where later blocks differ: whatever a position changed, every later one may attend to."""
        return self.changed.long().cummax(dim=1).values.bool()

    @property
    def hooks(self) -> list[Hook]:
        """The one hook, if there is one."""
        return [] if self.hook is None else [self.hook]

    def over(self, base: Sequence[ReplacedShares]) -> Variant:
        """The same with what is replaced in the base run as well. Of an edge that both replace this
        one counts, and its reader's input may then differ from the base's at any position."""
        if not base or not self.shares:
            return replace(self, shares=(*base, *self.shares))
        whole = tuple(in_order((*base, *self.shares)))
        kept = {id(one) for one in whole}
        made = replace(self, shares=whole)
        return made if all(id(one) in kept for one in base) else made.everywhere()

    def everywhere(self) -> Variant:
        """The same, computed at all positions: for models in which a change reaches back."""
        every = torch.ones_like(self.changed)
        return replace(self, inputs=every, outputs=every, changed=every)


@dataclass(frozen=True)
class BaseRun:
    """The run that variants start from: how each block was called, and the hooks in force.

    ``shares`` are replaced in it; variants name all that is replaced in them, these included.
    ``written`` is what its writers wrote, as far as the shares of variants need it.

    ``prefix_owner`` [prompt, pos], on the host, names the first prompt that begins alike (see
    ``recompute``) when variants and hooks change such prompts in the same way; else None.
    """

    calls: Sequence[BlockCall]
    hooks: Sequence[Hook]
    prefix_owner: Int[Tensor, "prompt pos"] | None = None
    shares: tuple[ReplacedShares, ...] = ()
    written: Written | None = None

    @property
    def n_prompts(self) -> int:
        return int(self.calls[0].resid.shape[0])

    @property
    def n_pos(self) -> int:
        return int(self.calls[0].resid.shape[1])


@dataclass(frozen=True)
class Reading:
    """Which logits are read, and what is made of them.

    ``function`` gets logits [prompt, pos, d_vocab]; with ``positions`` those at one position of
    each prompt, float32 [prompt, d_vocab]; with ``tokens`` too, only of these [prompt, n].
    """

    function: Callable[[Tensor], Tensor]
    positions: Int[Tensor, "prompt"] | None = None
    tokens: Int[Tensor, "prompt n"] | None = None
