"""Composition scores as the view is asked for them: the ratios of norms, by weights alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.linalg import matrix_norm as norm

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.handmade import INDUCTION, PREVIOUS, handmade, repeated
from tests.models import N_HEADS, fresh, native, tiny, word_tokenizer
from tests.unit.cases import PROMPTS
from tests.unit.page import Page
from tests.unit.spies import spy

KINDS = ["K", "Q", "V"]


def ratio(model: Any, kind: str, src: tuple[int, int], dst: tuple[int, int]) -> float:
    """The score of one pair, both matrices multiplied out."""

    def of(name: str, layer: int, head: int) -> Tensor:
        whole = getattr(model.blocks[layer].attn, name).detach().double()
        return whole[head * len(whole) // model.cfg.n_heads]

    written = of("W_V", *src) @ of("W_O", *src)
    read = {
        "K": of("W_K", *dst) @ of("W_Q", *dst).T,
        "Q": of("W_Q", *dst) @ of("W_K", *dst).T,
        "V": of("W_V", *dst) @ of("W_O", *dst),
    }[kind]
    return float(norm(written @ read) / (norm(written) * norm(read)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_score_is_the_ratio_of_norms_wherever_it_is_shown(name: str, kind: Any) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    view = lw.CompositionView(session, composition=kind, subtract_random=False)
    sent = Page(session).dataset("composition/scores", composition=kind, subtract_random=False)
    table = view.data()
    (trace,) = view.figure().data
    for src in range(N_HEADS):
        for dst in range(N_HEADS):
            expected = pytest.approx(ratio(session.model, kind, (0, src), (1, dst)), abs=1e-5)
            place = {"src_layer": 0, "src_head": src, "dst_layer": 1, "dst_head": dst}
            assert float(table["score"].sel(place)) == expected
            assert float(sent["score"][0, src, 0, dst]) == expected
            assert trace.z[src, dst] == expected
    assert (trace.y[2], trace.x[3]) == ("L0H2", "L1H3")
    code: dict[str, Any] = {"model": session.model}
    exec(view.code().attrs["code"], code)
    np.testing.assert_allclose(code["scores"][:1, :, 1:], table["score"], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_score_of_random_matrices_is_subtracted(kind: Any) -> None:
    session = lw.Session(tiny("llama"), PROMPTS)
    above = lw.CompositionView(session, composition=kind).data()
    plain = lw.CompositionView(session, composition=kind, subtract_random=False).data()
    np.testing.assert_allclose(plain["score"] - above.attrs["random"], above["score"], atol=1e-6)
    numbers = torch.Generator().manual_seed(0)
    d_model, d_head = session.model.cfg.d_model, session.model.cfg.d_head
    drawn = []
    for _ in range(64):
        a, b, c, d = (
            torch.randn(shape, generator=numbers)
            for shape in ((d_model, d_head), (d_head, d_model)) * 2
        )
        drawn.append(float(norm(a @ b @ c @ d) / (norm(a @ b) * norm(c @ d))))
    # Other seeds, so the same up to the error of both means.
    error = above.attrs["random_spread"] / above.attrs["random_seeds"] ** 0.5
    assert above.attrs["random"] == pytest.approx(float(np.mean(drawn)), abs=5 * error)


def test_k_composition_singles_out_the_pair_that_is_built_in() -> None:
    scores = lw.CompositionView(lw.Session(handmade(), repeated(6))).data()["score"].values[0, :, 0]
    place = np.unravel_index(np.nanargmax(scores), scores.shape)
    assert [int(head) for head in place] == [PREVIOUS[1], INDUCTION[1]]
    rest = np.delete(scores.ravel(), np.ravel_multi_index(place, scores.shape))
    assert scores[place] > 0.01
    assert np.isnan(rest).all(), "heads of zeros have no score"


def test_asking_runs_no_model() -> None:
    model = fresh("gpt2")
    session = lw.Session(model, PROMPTS)
    session.interventions.toggle("L0H1")
    runs: list[str] = []
    model.blocks[0].register_forward_pre_hook(spy(lambda *_: runs.append("block")))
    view = lw.CompositionView(session)
    asked = view.opening()
    assert list(asked) == ["composition/scores"]
    page = Page(session)
    for method, args in asked.values():
        page.dataset(method, **args)
    page.dataset("composition/code", composition="K", subtract_random=True)
    view.figure()
    assert runs == []
    float(session.current.mean())
    assert runs != []


def test_a_large_model_is_asked_for_in_parts_that_arrive_exact() -> None:
    model = native(word_tokenizer(), n_layers=4, n_heads=2, d_model=8, d_head=4, n_ctx=16,
                   d_vocab=60, attn_only=True, normalization_type="LN")  # fmt: skip
    session = lw.Session(model, PROMPTS)
    whole = lw.CompositionView(session).data()
    assert whole["score"].shape == (3, 2, 3, 2)
    part = Page(session).dataset(
        "composition/scores", composition="K", subtract_random=True, dst_from=2, dst_layers=1
    )
    assert part["dst_layer"].values.tolist() == [2]
    np.testing.assert_allclose(
        part["score"].values[:, :, 0], whole["score"].sel(dst_layer=2).values, atol=1e-7
    )
    assert np.isnan(part["score"].values[2]).all(), "layer 2 is not before itself"
    assert part["score"].nbytes < MAX_REPLY_BYTES


@pytest.mark.parametrize("subtract", [True, False])
def test_layers_and_the_strongest_pairs_are_read_off_all_scores(subtract: bool) -> None:
    model = native(word_tokenizer(), n_layers=4, n_heads=3, d_model=8, d_head=4, n_ctx=16,
                   d_vocab=60, attn_only=True, normalization_type="LN")  # fmt: skip
    session = lw.Session(model, PROMPTS)
    view = lw.CompositionView(session, subtract_random=subtract)
    score = view.data()["score"]
    told = view.ask("layers", k=5)
    np.testing.assert_allclose(told["largest"], score.max(("src_head", "dst_head")), atol=1e-6)
    assert np.isnan(told["largest"].sel(src_layer=2, dst_layer=1))
    ranked = score.stack(pair=score.dims).dropna("pair").sortby("pair")
    ranked = ranked.isel(pair=np.argsort(-ranked.values))[:5]
    np.testing.assert_allclose(told["score"], ranked.values, atol=1e-6)
    ends = [told[n].values for n in ("writer_layer", "writer_head", "reader_layer", "reader_head")]
    assert [*zip(*(end.tolist() for end in ends), strict=True)] == ranked["pair"].values.tolist()
    for name in ("random", "random_spread", "units", "definition", "weights"):
        assert told.attrs[name] == view.data().attrs[name]


def test_a_model_without_weights_has_no_strongest_pairs() -> None:
    told = lw.CompositionView(lw.Session(handmade(), repeated(6))).ask("layers")
    assert told.sizes["pair"] == 1, "the other heads are zeros"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"dst_from": 2}, ["dst_from=2", "1 to 1"]),
        ({"dst_layers": 2}, ["dst_layers=2", "1 to 1"]),
    ],
)
def test_layers_that_are_not_there_are_named(args: dict[str, int], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        lw.CompositionView(lw.Session(tiny("gpt2"), PROMPTS)).ask("scores", **args)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_model_of_one_layer_has_nothing_to_compose() -> None:
    model = native(word_tokenizer(), n_layers=1, n_heads=2, d_model=8, d_head=4, n_ctx=16,
                   d_vocab=60, attn_only=True, normalization_type="LN")  # fmt: skip
    with pytest.raises(InputError, match="one layer"):
        lw.CompositionView(lw.Session(model, PROMPTS)).data()
