"""Weight circuits of heads, as products that are never multiplied out.

Full OV, full QK, positional and composition circuits of Elhage et al. (2021), A Mathematical
Framework for Transformer Circuits, with the definitions of TransformerLens's ``FactoredMatrix``
demos: embeddings and unembeddings as they are in the model, norms and biases left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from lens_widgets.analysis.weights.factored import FactoredCircuit
from lens_widgets.analysis.weights.head_weights import (
    embedding,
    head_weights,
    model_of,
    positions,
    unembedding,
)
from lens_widgets.engine.access import access_for
from lens_widgets.engine.components import Component
from lens_widgets.engine.current import check_cancelled
from lens_widgets.errors import InputError

ACCURACY_ROWS = 256
"""Rows that are multiplied out at once for accuracies: 50 MB at 50,257 tokens."""


def ov_circuit(source: Any, head: Component | str) -> FactoredCircuit:
    """Full OV circuit W_E W_V W_O W_U: how attending to a row's token moves a column's logit.

    Weights as they are in the model, norms and biases left out; never multiplied out.

    Args:
        source: a session or a model.
        head: as in ``"L1H4"``.

    Returns:
        A product of factors [d_vocab, d_vocab] in logits, read in tiles and rows: rows are the
        tokens attended to, columns the tokens predicted.

    Raises:
        InputError: what is neither session nor model; what is no head of it.

    Source:
        Elhage et al., A Mathematical Framework for Transformer Circuits (2021); TransformerLens's
        ``FactoredMatrix``.

    Examples:
        >>> circuit = lw.analysis.ov_circuit(model, "L1H4")
        >>> logits, tokens = circuit.top_k(row=300, k=3)
    """
    model = model_of(source)
    h = head_weights(model, head)
    return FactoredCircuit(
        f"OV {h.name}",
        f"W_E W_V W_O W_U of {h.name}: what attending to the row's token adds to a column's logit",
        "logits before the final norm",
        embedding(model) @ h.v,
        h.o @ unembedding(model),
        model,
    )


def qk_circuit(source: Any, head: Component | str) -> FactoredCircuit:
    """Full QK circuit W_E W_Q W_Kᵀ W_Eᵀ: score of the row's token as query, the column's as key.

    Weights as they are in the model, norms and biases left out; never multiplied out.

    Args:
        source: a session or a model.
        head: as in ``"L1H4"``.

    Returns:
        A product of factors [d_vocab, d_vocab], read in tiles and rows, in units of the attention
        score, unscaled.

    Raises:
        InputError: what is neither session nor model; what is no head of it.

    Source:
        Elhage et al., A Mathematical Framework for Transformer Circuits (2021); TransformerLens's
        ``FactoredMatrix``.

    Examples:
        >>> u, singular_values, v = lw.analysis.qk_circuit(model, "L1H4").svd
        >>> bool((singular_values.diff() <= 0).all())
        True
    """
    model = model_of(source)
    h, tokens = head_weights(model, head), embedding(model)
    return FactoredCircuit(
        f"QK {h.name}",
        f"W_E W_Q W_Kᵀ W_Eᵀ of {h.name}: score of the row's token as query, the column's as key",
        "score before scaling",
        tokens @ h.q,
        (tokens @ h.k).T,
        model,
    )


def pos_circuit(source: Any, head: Component | str) -> FactoredCircuit:
    """A head's pattern by position alone: softmax(mask(W_pos W_Q W_Kᵀ W_posᵀ / √d_head)).

    Args:
        source: a session or a model.
        head: as in ``"L0H4"``.

    Returns:
        A product of factors [n_ctx, n_ctx], read in tiles and rows: attention weight from 0 to 1,
        rows are query and columns key positions.

    Raises:
        InputError: what is no head of the model; a model without learned absolute positions, or
            one that looks ahead.

    Source:
        Elhage et al., A Mathematical Framework for Transformer Circuits (2021); previous-token
        heads in TransformerLens's demos.

    Examples:
        >>> weights = lw.analysis.pos_circuit(model, "L0H3").tile(range(8), range(8))
        >>> weights.shape
        (8, 8)
    """
    model = model_of(source)
    h, pos = head_weights(model, head), positions(model)
    if not access_for(model).facts().batch.causal:
        raise InputError(
            "pos_circuit: positions of this model see the ones after them.",
            "Positional circuits exist for models that look back only.",
        )
    return FactoredCircuit(
        f"positions {h.name}",
        f"attention of {h.name} if queries and keys were positional embeddings alone",
        "attention weight",
        pos @ h.q,
        (pos @ h.k).T,
        model,
        "position",
        causal=True,
        scale=h.q.shape[1] ** -0.5,
    )


def k_composition_circuit(
    source: Any, writer: Component | str, reader: Component | str
) -> FactoredCircuit:
    """W_E W_Q (W_E W_V W_O W_K)ᵀ: ``reader``'s score on keys that ``writer`` wrote.

    Args:
        source: a session or a model.
        writer: the earlier head, as in ``"L0H4"``.
        reader: the later head, as in ``"L1H5"``.

    Returns:
        A product of factors [d_vocab, d_vocab], read in tiles and rows: rows are query tokens, a
        column is the token that ``writer`` attended to from the key; in units of the attention
        score, unscaled.

    Raises:
        InputError: what is no head of the model; a writer that does not come before its reader.

    Source:
        K-composition, Elhage et al., A Mathematical Framework for Transformer Circuits (2021);
        TransformerLens's ``FactoredMatrix``.

    Examples:
        >>> circuit = lw.analysis.k_composition_circuit(model, "L0H3", "L2H6")
        >>> circuit.tile(range(4), range(4)).shape
        (4, 4)
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
        model,
    )


def q_composition_circuit(
    source: Any, writer: Component | str, reader: Component | str
) -> FactoredCircuit:
    """W_E W_V W_O W_Q (W_E W_K)ᵀ: ``reader``'s score of queries that ``writer`` wrote.

    Args:
        source: a session or a model.
        writer: the earlier head, as in ``"L1H4"``.
        reader: the later head, as in ``"L2H6"``.

    Returns:
        A product of factors [d_vocab, d_vocab], read in tiles and rows: a row is the token that
        ``writer`` attended to from the query, columns are key tokens; in units of the attention
        score, unscaled.

    Raises:
        InputError: what is no head of the model; a writer that does not come before its reader.

    Source:
        Q-composition, Elhage et al., A Mathematical Framework for Transformer Circuits (2021);
        TransformerLens's ``FactoredMatrix``.

    Examples:
        >>> circuit = lw.analysis.q_composition_circuit(model, "L1H4", "L2H6")
        >>> circuit.shape == (model.cfg.d_vocab, model.cfg.d_vocab)
        True
    """
    model, w, r = _pair(source, writer, reader)
    tokens = embedding(model)
    return FactoredCircuit(
        f"Q {w.name} → {r.name}",
        f"W_E W_V W_O W_Q (W_E W_K)ᵀ: score in {r.name} of a query into which {w.name} copied from "
        "the row's token, on the column's token as key",
        "score before scaling",
        tokens @ w.v @ (w.o @ r.q),
        (tokens @ r.k).T,
        model,
    )


def v_composition_circuit(
    source: Any, writer: Component | str, reader: Component | str
) -> FactoredCircuit:
    """W_E W_V W_O W_V' W_O' W_U: the full OV circuit of the virtual head writer → reader.

    Args:
        source: a session or a model.
        writer: the earlier head, as in ``"L1H4"``.
        reader: the later head, as in ``"L2H6"``.

    Returns:
        A product of factors [d_vocab, d_vocab] in logits, read in tiles and rows: a row is the
        token that ``writer`` attended to from where ``reader`` attends, a column the token
        predicted.

    Raises:
        InputError: what is no head of the model; a writer that does not come before its reader.

    Source:
        Virtual attention heads, Elhage et al., A Mathematical Framework for Transformer Circuits
        (2021); TransformerLens's ``FactoredMatrix``.

    Examples:
        >>> circuit = lw.analysis.v_composition_circuit(model, "L1H4", "L2H6")
        >>> circuit.get_corner(2).shape
        torch.Size([2, 2])
    """
    model, w, r = _pair(source, writer, reader)
    return FactoredCircuit(
        f"OV {w.name} → {r.name}",
        f"W_E W_V W_O W_V' W_O' W_U: effect of the row's token on the column's logit through "
        f"{w.name} and then {r.name}",
        "logits before the final norm",
        embedding(model) @ w.v,
        (w.o @ r.v) @ (r.o @ unembedding(model)),
        model,
    )


def copy_counts(
    circuit: FactoredCircuit, ks: tuple[int, ...] = (1, 5)
) -> Iterator[tuple[int, list[int]]]:
    """Rows done so far, and of them how many have their own token among their top k columns."""
    n_rows, n_columns = circuit.shape
    if circuit.axis != "token" or n_rows != n_columns:
        raise InputError(
            f"copying: {circuit.name} does not lead from tokens to tokens.", "Use an OV circuit."
        )
    counts, device = torch.zeros(len(ks), dtype=torch.long, device="cpu"), circuit.left.device
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
    """Share of tokens that a head raises most when it attends to them: does it copy?

    Args:
        source: a session or a model.
        head: as in ``"L1H5"``.
        k: how many of the largest logits of a token's row count; 1 asks for the largest alone.

    Returns:
        A share from 0 to 1: of all tokens of the vocabulary, those whose own logit is among the
        ``k`` largest of their row of the OV circuit.

    Raises:
        InputError: what is no head of the model; ``k`` below 1.

    Source:
        Copying heads, Elhage et al., A Mathematical Framework for Transformer Circuits (2021).

    Examples:
        >>> lw.analysis.copy_accuracy(lw.load_demo("induction"), "L1H5")
        1.0
    """
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
