"""The part of a circuit that is looked at: a window of blocks, the tokens of a prompt, both ends of
a row or of a singular direction."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.weights.factored import FactoredCircuit
from lens_widgets.session.session import Session

POOLED_ENTRIES = 1 << 22
"""Entries that one window of blocks may look at."""


def window(
    circuit: FactoredCircuit, row: int, col: int, size: int, pool: int = 1
) -> tuple[range, range]:
    """Rows and columns from ``row`` and ``col`` on, up to the edges: ``size`` blocks of ``pool``
    along each side."""
    n_rows, n_columns = circuit.shape
    rows = range(row, min(n_rows, row + size * pool))
    return rows, range(col, min(n_columns, col + size * pool))


def largest_pool(circuit: FactoredCircuit, size: int) -> int:
    """The coarsest blocks that a window is asked for in: all of a small circuit at once, and of a
    large one as much as can be looked at in one go. A power of two."""
    pool = 1
    while pool * size < max(circuit.shape) and (2 * pool * size) ** 2 <= POOLED_ENTRIES:
        pool *= 2
    return pool


def tokens_once(session: Session, prompt: int, most: int) -> list[int]:
    """The first ``most`` different tokens of a prompt: a circuit knows no positions."""
    length = int(session.prompt_set.lengths[prompt])
    return list(dict.fromkeys(session.tokens[prompt, :length].tolist()))[:most]


def ends(
    values: Float[Tensor, "n"], k: int
) -> tuple[Float[Tensor, "end rank"], Int[Tensor, "end rank"]]:
    """The k largest values and the k smallest, strongest first, and where they stand."""
    found = [values.topk(min(k, len(values)), largest=largest) for largest in (True, False)]
    return torch.stack([end.values for end in found]), torch.stack([end.indices for end in found])
