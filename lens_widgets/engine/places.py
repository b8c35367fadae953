"""Which rows and positions of a batch are computed, and where the others come from.

A position whose value is the base run's is taken from the base. Two prompts that begin alike have
equal values at every position of their common beginning, as long as they are changed alike: these
are computed once and copied. Everything is decided on the host, so that a GPU is never waited for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class Places:
    """The places of one batch of ``rows``, groups of as many rows as there are prompts.

    Args:
        mask: where the value differs from the base run's.
        twins: for each prompt and position the first prompt that begins alike, or None.
        device: where the batch is.
    """

    def __init__(
        self,
        mask: Bool[Tensor, "row pos"],
        twins: Int[Tensor, "prompt pos"] | None,
        device: torch.device,
    ) -> None:
        self.shape = tuple(mask.shape)
        computed, copied, source = _split(mask, twins)
        self.n_computed = len(computed)
        self.everything = self.n_computed == mask.numel()
        self._computed = computed.to(device, non_blocking=True)
        self._copied = copied.to(device, non_blocking=True)
        self._source = source.to(device, non_blocking=True)

    def fit(self, values: Tensor) -> bool:
        """Whether ``values`` is [row, pos, ...] of this batch."""
        return values.dim() >= 3 and tuple(values.shape[:2]) == self.shape

    def pick(self, values: Tensor) -> Tensor:
        """What is computed, as one long prompt: [1, place, ...]."""
        return values.flatten(0, 1).index_select(0, self._computed)[None]

    def fill(self, into: Tensor, computed: Tensor) -> None:
        """Writes ``computed`` [1, place, ...] and its copies into [row, pos, ...]."""
        flat = into.view(-1, *into.shape[2:])
        flat.index_copy_(0, self._computed, computed[0])
        if len(self._copied):
            flat.index_copy_(0, self._copied, computed[0].index_select(0, self._source))


def _split(
    mask: Bool[Tensor, "row pos"], twins: Int[Tensor, "prompt pos"] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Flat indices of what is computed, of what is copied, and of what among the computed."""
    n_rows, n_pos = mask.shape
    empty = torch.zeros(0, dtype=torch.long)
    if twins is None:
        return mask.flatten().nonzero()[:, 0], empty, empty
    n_prompts = len(twins)
    group = torch.arange(n_rows // n_prompts)[:, None, None] * n_prompts
    first = (group + twins).reshape(n_rows, n_pos)
    own = torch.arange(n_rows)[:, None]
    shared = mask & (first != own) & mask.gather(0, first)
    computed = (mask & ~shared).flatten().nonzero()[:, 0]
    copied = shared.flatten().nonzero()[:, 0]
    number = torch.full((n_rows * n_pos,), -1)
    number[computed] = torch.arange(len(computed))
    wanted = first * n_pos + torch.arange(n_pos)
    return computed, copied, number[wanted.flatten()[copied]]


def first_alike(*token_rows: Int[Tensor, "prompt pos"]) -> Int[Tensor, "prompt pos"] | None:
    """For each prompt and position the first prompt with the same tokens up to there.

    Several batches of tokens are compared together. None when no two prompts begin alike.
    """
    rows = [rows.cpu() for rows in token_rows]
    n_prompts, n_pos = rows[0].shape
    first = torch.arange(n_prompts)[:, None].repeat(1, n_pos)
    for later in range(n_prompts):
        for earlier in range(later):
            same = torch.stack([part[later] == part[earlier] for part in rows]).all(dim=0)
            alike = same.long().cumprod(dim=0).bool()
            first[later] = torch.where(alike, first[later].clamp(max=earlier), first[later])
    return first if bool((first != torch.arange(n_prompts)[:, None]).any()) else None


def computing_at(
    compute: Callable[..., Tensor],
    base: Tensor,
    prompts: Int[Tensor, "row"],
    places: Places,
) -> Callable[..., Tensor]:
    """``compute`` limited to ``places``: the rest of its output is ``base`` of each row's prompt.

    Called with anything but the batch's own shape it computes everything.
    """

    def limited(*args: Tensor, **kwargs: object) -> Tensor:
        tensors = [arg for arg in args if isinstance(arg, Tensor)]
        if kwargs or not tensors or not all(map(places.fit, tensors)):
            return compute(*args, **kwargs)
        result = base.index_select(0, prompts)
        if places.n_computed:
            picked = [places.pick(arg) if isinstance(arg, Tensor) else arg for arg in args]
            places.fill(result, compute(*picked))
        return result

    return limited
