"""Notices that a model's weights are no longer those that were run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.engine.model import TransformerModel

SAMPLES = 64
"""Of each parameter, how many entries are remembered."""


class Weights:
    """What a model's weights were.

    torch counts writes to a tensor, but not those through ``.data``. A user writes in cells: after
    each of them the tensors are looked up again, and some entries of each compared.
    """

    def __init__(self, model: TransformerModel) -> None:
        self._cells = CELL_PAUSE.cells
        self._tensors = list(model.parameters())
        self._writes = _writes(self._tensors)
        self._addresses = _addresses(self._tensors)
        self._samples = _samples(self._tensors)

    def same(self, model: TransformerModel) -> bool:
        """Whether ``model`` still has them. Moved to and fro, they are the same."""
        cells = CELL_PAUSE.cells
        # Outside of notebooks there are no cells to go by.
        if 0 < cells == self._cells:
            return _writes(self._tensors) == self._writes
        tensors = list(model.parameters())
        if _writes(tensors) != self._writes:
            return False
        moved = _addresses(tensors) != self._addresses
        if (moved or cells > 0) and not torch.equal(_samples(tensors), self._samples):
            return False
        self._tensors, self._addresses, self._cells = tensors, _addresses(tensors), cells
        return True


def _writes(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor._version for tensor in tensors]


def _addresses(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def _samples(tensors: Sequence[Tensor]) -> Tensor:
    """Entries of every tensor, evenly spaced; on the host, in one transfer."""
    return torch.cat([_spaced(tensor.detach()) for tensor in tensors]).cpu()


def _spaced(values: Tensor) -> Tensor:
    step = max(1, values.numel() // SAMPLES)
    # Nothing is copied, even of a view that is not contiguous.
    indices = torch.arange(0, values.numel(), step, device=values.device)
    return torch.take(values, indices).float()
