"""Weight circuits of heads, as products that are never multiplied out.

Full OV, full QK, positional and composition circuits of Elhage et al. (2021), A Mathematical
Framework for Transformer Circuits, with the definitions of TransformerLens's ``FactoredMatrix``
demos: embeddings and unembeddings as they are in the model, norms and biases left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.circuits.head_weights import (
    embedding,
    head_weights,
    model_of,
    positions,
    unembedding,
)
from lens_widgets.components import Component
from lens_widgets.engine.current import check_cancelled
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.probe import weight_processing
from lens_widgets.errors import InputError
from lens_widgets.prompts.token_text import token_text

Axis = Literal["token", "position"]
ACCURACY_ROWS = 256
"""Rows that are multiplied out at once for accuracies: 50 MB at 50,257 tokens."""


@dataclass(frozen=True, eq=False)
class FactoredCircuit:
    """``left @ right``, read in tiles and rows: the whole would have a vocabulary squared.

    ``rows`` and ``columns`` say what the axes count: tokens of the vocabulary, or positions.
    ``causal``: entries are scores of positions, masked, scaled and turned into attention weights.
    """

    name: str
    definition: str
    units: str
    left: Float[Tensor, "row rank"]
    right: Float[Tensor, "rank column"]
    rows: Axis
    columns: Axis
    model: TransformerModel
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
                "row_label": ("row", self.labels(r.tolist(), "rows")),
                "column_label": ("column", self.labels(c.tolist(), "columns")),
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

    def labels(self, indices: Sequence[int], axis: Literal["rows", "columns"]) -> list[str]:
        """Token texts as shown, or positions."""
        if getattr(self, axis) == "position":
            return [str(i) for i in indices]
        return [token_text(self.model.tokenizer, i) for i in indices]

    def find(self, text: str, limit: int = 20) -> list[int]:
        """Tokens whose text as shown contains ``text`` (spaces are middle dots), shortest first."""
        wanted = text.replace(" ", "·")
        found = [i for i, label in enumerate(self._vocabulary) if wanted in label]
        return sorted(found, key=lambda i: (len(self._vocabulary[i]), i))[:limit]

    @cached_property
    def _vocabulary(self) -> list[str]:
        size = self.shape[0] if self.rows == "token" else self.shape[1]
        return [token_text(self.model.tokenizer, i) for i in range(size)]

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


def ov_circuit(source: Any, head: Component | str) -> FactoredCircuit:
    """Full OV circuit W_E W_V W_O W_U: how attending to a row's token moves a column's logit."""
    model = model_of(source)
    h = head_weights(model, head)
    return FactoredCircuit(
        f"OV {h.name}",
        f"W_E W_V W_O W_U of {h.name}: what attending to the row's token adds to a column's logit",
        "logits before the final norm",
        embedding(model) @ h.v,
        h.o @ unembedding(model),
        "token",
        "token",
        model,
    )


def qk_circuit(source: Any, head: Component | str) -> FactoredCircuit:
    """Full QK circuit W_E W_Q W_Kᵀ W_Eᵀ: score of the row's token as query, the column's as key."""
    model = model_of(source)
    h, tokens = head_weights(model, head), embedding(model_of(source))
    return FactoredCircuit(
        f"QK {h.name}",
        f"W_E W_Q W_Kᵀ W_Eᵀ of {h.name}: score of the row's token as query, the column's as key",
        "score before scaling",
        tokens @ h.q,
        (tokens @ h.k).T,
        "token",
        "token",
        model,
    )


def pos_circuit(source: Any, head: Component | str) -> FactoredCircuit:
    """Positional pattern softmax(mask(W_pos W_Q W_Kᵀ W_posᵀ / √d_head)) of a head.

    InputError when the model has no learned positions.
    """
    model = model_of(source)
    h, pos = head_weights(model, head), positions(model_of(source))
    return FactoredCircuit(
        f"positions {h.name}",
        f"attention of {h.name} if queries and keys were positional embeddings alone",
        "attention weight",
        pos @ h.q,
        (pos @ h.k).T,
        "position",
        "position",
        model,
        causal=True,
        scale=h.q.shape[1] ** -0.5,
    )


def k_composition_circuit(
    source: Any, writer: Component | str, reader: Component | str
) -> FactoredCircuit:
    """W_E W_Q (W_E W_V W_O W_K)ᵀ: ``reader``'s score on keys that ``writer`` wrote.

    Rows are query tokens; a column is the token that ``writer`` attended to from the key.
    """
    model, w, r = _pair(source, writer, reader)
    tokens = embedding(model)
    return FactoredCircuit(
        f"K {w.name} → {r.name}",
        f"W_E W_Q (W_E W_V W_O W_K)ᵀ: score in {r.name} of the row's token as query on a key into "
        f"which {w.name} copied from the column's token",
        "score before scaling",
        tokens @ r.q,
        (tokens @ w.v @ (w.o @ r.k)).T,
        "token",
        "token",
        model,
    )


def q_composition_circuit(
    source: Any, writer: Component | str, reader: Component | str
) -> FactoredCircuit:
    """W_E W_V W_O W_Q (W_E W_K)ᵀ: ``reader``'s score of queries that ``writer`` wrote."""
    model, w, r = _pair(source, writer, reader)
    tokens = embedding(model)
    return FactoredCircuit(
        f"Q {w.name} → {r.name}",
        f"W_E W_V W_O W_Q (W_E W_K)ᵀ: score in {r.name} of a query into which {w.name} copied from "
        "the row's token, on the column's token as key",
        "score before scaling",
        tokens @ w.v @ (w.o @ r.q),
        (tokens @ r.k).T,
        "token",
        "token",
        model,
    )


def v_composition_circuit(
    source: Any, writer: Component | str, reader: Component | str
) -> FactoredCircuit:
    """W_E W_V W_O W_V' W_O' W_U: the full OV circuit of the virtual head writer → reader."""
    model, w, r = _pair(source, writer, reader)
    return FactoredCircuit(
        f"OV {w.name} → {r.name}",
        f"W_E W_V W_O W_V' W_O' W_U: effect of the row's token on the column's logit through "
        f"{w.name} and then {r.name}",
        "logits before the final norm",
        embedding(model) @ w.v,
        (w.o @ r.v) @ (r.o @ unembedding(model)),
        "token",
        "token",
        model,
    )


def copy_counts(
    circuit: FactoredCircuit, ks: tuple[int, ...] = (1, 5)
) -> Iterator[tuple[int, list[int]]]:
    """Rows done so far, and of them how many have their own token among their top k columns."""
    n_rows, n_columns = circuit.shape
    if circuit.rows != "token" or n_rows != n_columns:
        raise InputError(
            f"copying: {circuit.name} does not lead from tokens to tokens.", "Use an OV circuit."
        )
    counts, device = torch.zeros(len(ks), dtype=torch.long), circuit.left.device
    # One buffer for all: fresh pages would cost as much as the product.
    buffer = circuit.left.new_empty(ACCURACY_ROWS, n_columns)
    for start in range(0, n_rows, ACCURACY_ROWS):
        check_cancelled()
        rows = torch.arange(start, min(start + ACCURACY_ROWS, n_rows), device=device)
        logits = torch.mm(circuit.left[rows], circuit.right, out=buffer[: len(rows)])
        own = logits.gather(1, rows[:, None])
        best = logits.topk(min(max(ks), n_columns), dim=1).values
        counts += torch.stack([(own >= best[:, [min(k, n_columns) - 1]]).sum() for k in ks]).cpu()
        yield start + len(rows), counts.tolist()


def copy_accuracy(source: Any, head: Component | str, k: int = 1) -> float:
    """Share of tokens whose own logit is among the k largest of their row of the OV circuit."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k={k!r} must be a positive integer.", "For example k=5.")
    *_, (done, counts) = copy_counts(ov_circuit(source, head), (k,))
    return counts[0] / done


def _pair(source: Any, writer: Component | str, reader: Component | str) -> tuple[Any, Any, Any]:
    model = model_of(source)
    first, second = head_weights(model, writer, "writer"), head_weights(model, reader, "reader")
    if first.layer >= second.layer:
        raise InputError(
            f"writer={first.name} does not come before reader={second.name}.",
            "A head reads what heads of earlier layers wrote.",
        )
    return model, first, second
