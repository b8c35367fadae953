"""A product of two matrices that is read in tiles and rows, and never multiplied out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.probe import weight_processing
from lens_widgets.errors import InputError
from lens_widgets.prompts.token_text import token_text

Axis = Literal["token", "position"]


@dataclass(frozen=True, eq=False)
class FactoredCircuit:
    """``left @ right``, read in tiles and rows: the whole would have a vocabulary squared.

    ``axis``: what rows and columns count, tokens of the vocabulary or positions.
    ``causal``: entries are scores of positions, masked, scaled and turned into attention weights.
    """

    name: str
    definition: str
    units: str
    left: Float[Tensor, "row rank"]
    right: Float[Tensor, "rank column"]
    model: TransformerModel
    axis: Axis = "token"
    causal: bool = False
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.left.shape[0]), int(self.right.shape[1])

    @property
    def attrs(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "definition": self.definition,
            "circuit": self.name,
            "weights": weight_processing(self.model),
        }

    def values(self, rows: Int[Tensor, "r"], columns: Int[Tensor, "c"]) -> Float[Tensor, "r c"]:
        """Chosen rows and columns, on the model's device."""
        if not self.causal:
            return self.left[rows] @ self.right[:, columns]
        scores = self.left[rows] @ self.right * self.scale
        keys = torch.arange(self.shape[1], device=scores.device)
        masked = scores.masked_fill(keys[None] > rows[:, None], -torch.inf)
        return masked.softmax(dim=-1)[:, columns]

    def tile(self, rows: Sequence[int] | slice, columns: Sequence[int] | slice) -> xr.DataArray:
        """A labelled part: dims row, column, with token texts as second coordinates."""
        r, c = self.indices(rows, 0), self.indices(columns, 1)
        return xr.DataArray(
            self.values(r, c).cpu().numpy(),
            dims=("row", "column"),
            coords={
                "row": r.tolist(),
                "column": c.tolist(),
                "row_label": ("row", self.labels(r.tolist())),
                "column_label": ("column", self.labels(c.tolist())),
            },
            attrs=self.attrs,
        )

    def get_corner(self, n: int = 3) -> Float[Tensor, "n n"]:
        """The first rows and columns, as TransformerLens's FactoredMatrix has it."""
        return self.values(self.indices(slice(0, n), 0), self.indices(slice(0, n), 1))

    def top_k(
        self, row: int, k: int = 10, largest: bool = True
    ) -> tuple[Float[Tensor, "k"], Int[Tensor, "k"]]:
        """The largest (or smallest) entries of a row and their columns."""
        values = self.values(self.indices([row], 0), self.indices(slice(None), 1))[0]
        found = values.topk(min(k, len(values)), largest=largest)
        return found.values, found.indices

    def labels(self, indices: Sequence[int]) -> list[str]:
        """Token texts as shown, or positions."""
        if self.axis == "position":
            return [str(i) for i in indices]
        return [token_text(self.model.tokenizer, i) for i in indices]

    def find(self, text: str, limit: int = 20) -> list[int]:
        """Tokens whose text as shown contains ``text`` (spaces are middle dots), shortest first."""
        wanted = text.replace(" ", "·")
        found = [i for i, label in enumerate(self._vocabulary) if wanted in label]
        return sorted(found, key=lambda i: (len(self._vocabulary[i]), i))[:limit]

    @cached_property
    def _vocabulary(self) -> list[str]:
        return self.labels(range(self.shape[0]))

    @cached_property
    def svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """U [row, rank], singular values [rank], V [column, rank] of the product.

        From the QR decompositions of the factors, so that nothing larger than they are is made.
        """
        if self.causal:
            raise InputError(
                "svd: attention weights of positions are no product of two factors.",
                "Look at its tiles instead.",
            )
        q_left, r_left = torch.linalg.qr(self.left)
        q_right, r_right = torch.linalg.qr(self.right.T)
        u, s, vh = torch.linalg.svd(r_left @ r_right.T, full_matrices=False)
        return q_left @ u, s, q_right @ vh.T

    def indices(self, chosen: Sequence[int] | slice, axis: int) -> Int[Tensor, "n"]:
        """Rows (``axis`` 0) or columns (1) as numbers; InputError for one that is not there."""
        size, name = self.shape[axis], ("rows", "columns")[axis]
        if isinstance(chosen, slice):
            return torch.arange(size, device=self.left.device)[chosen]
        bad = [i for i in chosen if not 0 <= i < size]
        if bad:
            raise InputError(
                f"{name}={bad[0]} is out of range; the circuit has {size}.",
                f"They run from 0 to {size - 1}.",
            )
        return torch.tensor(list(chosen), dtype=torch.long, device=self.left.device)
