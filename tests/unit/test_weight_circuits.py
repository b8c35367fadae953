"""Factored weight circuits equal the products written out, and name the circuit that was built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformer_lens import FactoredMatrix

import lens_widgets as lw
from lens_widgets.analysis.weights.composition import composition_score
from lens_widgets.analysis.weights.weight_circuits import copy_accuracy, copy_counts
from lens_widgets.errors import InputError
from tests import handmade as made
from tests.models import ARCHITECTURES, D_VOCAB, N_HEADS, tiny

LEARNED = ("gpt2", "attn_only", "gptneo", "opt")
GROUPED = {"llama", "gemma2", "mistral", "native", "falcon"}


def _matrices(model: Any, layer: int, head: int) -> dict[str, Tensor]:
    """A head's matrices, read again: keys and values by groups of query heads."""
    attn = model.blocks[layer].attn
    kv = head // (N_HEADS // attn.W_K.shape[0])
    found = {"Q": attn.W_Q[head], "K": attn.W_K[kv], "V": attn.W_V[kv], "O": attn.W_O[head]}
    return {name: value.detach().float() for name, value in found.items()}


@pytest.mark.parametrize("name", [a for a in ARCHITECTURES if a != "granite"])
def test_ov_and_qk_circuits_are_the_products_of_the_matrices(name: str) -> None:
    model = tiny(name)
    tokens, logits = model.W_E.detach(), model.W_U.detach()
    for layer, head in ((0, 1), (1, 3)):
        w = _matrices(model, layer, head)
        ov = lw.analysis.ov_circuit(model, f"L{layer}H{head}")
        expected = tokens @ w["V"] @ w["O"] @ logits
        assert ov.shape == (D_VOCAB, D_VOCAB)
        torch.testing.assert_close(ov.get_corner(20), expected[:20, :20], atol=1e-4, rtol=1e-4)
        theirs = FactoredMatrix(tokens @ w["V"], w["O"] @ logits)
        torch.testing.assert_close(ov.svd[1], theirs.svd()[1][:8], atol=1e-3, rtol=1e-4)
        qk = lw.analysis.qk_circuit(model, f"L{layer}H{head}")
        scores = tokens @ w["Q"] @ w["K"].T @ tokens.T
        tile = qk.tile([5, 9], slice(2, 40, 3))
        np.testing.assert_allclose(tile, scores[[5, 9], 2:40:3], atol=1e-3)
        assert tile.column_label.values[1] == "w5"


@pytest.mark.parametrize("name", LEARNED)
def test_the_positional_pattern_is_a_causal_softmax(name: str) -> None:
    model = tiny(name)
    circuit = lw.analysis.pos_circuit(model, "L0H2")
    w = _matrices(model, 0, 2)
    places = model.W_pos.detach()[-model.cfg.n_ctx :]
    scores = places @ w["Q"] @ w["K"].T @ places.T / w["Q"].shape[1] ** 0.5
    mask = torch.ones_like(scores).tril().bool()
    expected = scores.where(mask, -1e6).softmax(dim=-1)
    np.testing.assert_allclose(circuit.tile(slice(None), slice(None)), expected, atol=1e-5)
    with pytest.raises(InputError, match="svd"):
        _ = circuit.svd


@pytest.mark.parametrize("name", ["llama", "neox", "bloom"])
def test_without_learned_positions_there_is_no_positional_circuit(name: str) -> None:
    with pytest.raises(InputError, match=r"pos_circuit.*no W_pos"):
        lw.analysis.pos_circuit(tiny(name), "L0H0")


@pytest.mark.parametrize("name", ["gpt2", "llama", "native"])
def test_composition_circuits_are_the_products_of_both_heads(name: str) -> None:
    model = tiny(name)
    a, b = _matrices(model, 0, 3), _matrices(model, 1, 2)
    tokens, logits = model.W_E.detach(), model.W_U.detach()
    written = tokens @ a["V"] @ a["O"]
    expected = {
        "k": (tokens @ b["Q"]) @ (written @ b["K"]).T,
        "q": (written @ b["Q"]) @ (tokens @ b["K"]).T,
        "v": written @ b["V"] @ b["O"] @ logits,
    }
    for letter, product in expected.items():
        make = getattr(lw.analysis, f"{letter}_composition_circuit")
        got = make(model, "L0H3", "L1H2").get_corner(D_VOCAB)
        torch.testing.assert_close(got, product, atol=2e-3, rtol=1e-3)


def test_singular_vectors_rebuild_the_circuit() -> None:
    circuit = lw.analysis.ov_circuit(tiny("gpt2"), "L1H1")
    u, s, v = circuit.svd
    torch.testing.assert_close(u @ s.diag() @ v.T, circuit.get_corner(D_VOCAB), atol=1e-4, rtol=0)


def test_rows_are_read_and_tokens_found_without_the_whole() -> None:
    circuit = lw.analysis.ov_circuit(tiny("gpt2"), "L0H1")
    full = circuit.get_corner(D_VOCAB)
    values, columns = circuit.top_k(7, k=4)
    assert columns.tolist() == full[7].topk(4).indices.tolist()
    torch.testing.assert_close(values, full[7].topk(4).values)
    lowest, _ = circuit.top_k(7, k=2, largest=False)
    torch.testing.assert_close(lowest, full[7].topk(2, largest=False).values)
    assert circuit.find("w1")[:2] == [10, 11]
    assert circuit.find("script") == [3]
    with pytest.raises(InputError, match=r"rows=60 is out of range"):
        circuit.tile([60], [0])


@pytest.mark.parametrize("k", [1, 5])
def test_copying_counts_the_tokens_that_raise_themselves_most(k: int) -> None:
    model = tiny("gpt2")
    full = lw.analysis.ov_circuit(model, "L0H2").get_corner(D_VOCAB)
    expected = sum(int(i in full[i].topk(k).indices) for i in range(D_VOCAB)) / D_VOCAB
    assert copy_accuracy(model, "L0H2", k) == pytest.approx(expected)
    with pytest.raises(InputError, match="does not lead from tokens to tokens"):
        next(iter(copy_counts(lw.analysis.pos_circuit(model, "L0H2"))))


@pytest.mark.parametrize("name", ["gpt2", "llama", "falcon", "attn_only"])
@pytest.mark.parametrize("kind", ["Q", "K", "V"])
def test_composition_scores_are_ratios_of_norms(name: str, kind: Any) -> None:
    model = tiny(name)
    scores = lw.analysis.composition_scores(model, kind, baseline=False)
    for src in range(N_HEADS):
        for dst in range(N_HEADS):
            a, b = _matrices(model, 0, src), _matrices(model, 1, dst)
            reader = {"Q": b["Q"] @ b["K"].T, "K": b["K"] @ b["Q"].T, "V": b["V"] @ b["O"]}[kind]
            expected = composition_score(a["V"] @ a["O"], reader)
            assert float(scores[0, src, 1, dst]) == pytest.approx(expected, rel=1e-4)
    assert scores.sel(src_layer=1).isnull().all()
    assert scores.sel(dst_layer=0).isnull().all()


def test_a_score_of_two_matrices_is_the_seeds_definition() -> None:
    a, b = torch.rand(3, 4), torch.rand(4, 5)
    norm = lambda m: float(m.pow(2).sum().sqrt())  # noqa: E731
    assert composition_score(a, b) == pytest.approx(norm(a @ b) / (norm(a) * norm(b)), abs=1e-6)


def test_the_baseline_is_the_score_of_random_heads() -> None:
    above = lw.analysis.composition_scores(tiny("gpt2"), "K")
    plain = lw.analysis.composition_scores(tiny("gpt2"), "K", baseline=False)
    np.testing.assert_allclose(plain - above, above.attrs["baseline"] + 0 * plain, atol=1e-6)
    assert 0 < above.attrs["baseline_spread"] < above.attrs["baseline"] < 1
    # For full-rank random matrices of this size the ratio is near 1 / sqrt(d_head).
    assert above.attrs["baseline"] == pytest.approx(32**-0.5, abs=0.1)


def test_k_composition_singles_out_the_pair_that_was_built() -> None:
    scores = lw.analysis.composition_scores(made.handmade(), "K", baseline=False)
    built = scores[made.PREVIOUS + made.INDUCTION]
    assert float(built) > 0
    others = scores.fillna(0).sum() - built
    assert float(others) == pytest.approx(0.0, abs=1e-6)
    circuit = lw.analysis.k_composition_circuit(made.handmade(), "L0H1", "L1H2")
    corner = circuit.get_corner(D_VOCAB)
    assert corner.argmax(dim=1).tolist() == list(range(D_VOCAB))
    assert float(corner.fill_diagonal_(0).abs().max()) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: lw.analysis.ov_circuit(m, "L9H0"), "2 layers of 4 heads"),
        (lambda m: lw.analysis.ov_circuit(m, "L0.mlp"), "not a head"),
        (lambda m: lw.analysis.ov_circuit("gpt2", "L0H0"), "must be a TransformerLens model"),
        (lambda m: lw.analysis.k_composition_circuit(m, "L1H0", "L1H1"), "does not come before"),
        (lambda m: lw.analysis.composition_scores(m, "X"), "kind='X'"),  # type: ignore[arg-type]
        (lambda m: copy_accuracy(m, "L0H0", 0), "k=0"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(tiny("gpt2"))
