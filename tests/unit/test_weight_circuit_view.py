"""Weight circuits as the view is asked for them: products of matrices, and nothing is run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.views.question import questions_of
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.models import D_VOCAB, N_HEADS, fresh, tiny
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.page import Page
from tests.unit.spies import spy

PAIR: dict[str, Any] = {"layer": 1, "head": 3, "writer_layer": 0, "writer_head": 1}
OF_TOKENS = ["OV", "QK", "K", "Q", "V"]


def on(name: str) -> lw.Session:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    session.selection.update(**PAIR)
    return session


def ask(session: lw.Session, question: str, **args: Any) -> xr.Dataset:
    """What the page is told of ``PAIR``'s circuit, decoded."""
    choice = {"circuit": args.pop("circuit"), **PAIR}
    found = Page(session).dataset(f"weight_circuit/{question}", choice=choice, **args)
    assert found.attrs["_bytes"] <= MAX_REPLY_BYTES
    return found


def product(model: Any, circuit: str) -> Tensor:
    """The whole circuit of ``PAIR``, multiplied out."""

    def of(name: str, layer: int, head: int) -> Tensor:
        weights = getattr(model.blocks[layer].attn, name).detach()
        return weights[head * weights.shape[0] // N_HEADS]

    e, u = model.W_E.detach(), model.W_U.detach()
    q, k, v, o = (of(name, 1, 3) for name in ("W_Q", "W_K", "W_V", "W_O"))
    written = of("W_V", 0, 1) @ of("W_O", 0, 1)
    if circuit == "positions":
        places = model.W_pos.detach()[-model.cfg.n_ctx :]
        scores = places @ q @ (places @ k).T / q.shape[1] ** 0.5
        return scores.where(torch.ones_like(scores).tril().bool(), -torch.inf).softmax(dim=-1)
    return {
        "OV": e @ v @ o @ u,
        "QK": e @ q @ (e @ k).T,
        "K": e @ q @ (e @ written @ k).T,
        "Q": e @ written @ q @ (e @ k).T,
        "V": e @ written @ v @ o @ u,
    }[circuit]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("circuit", OF_TOKENS)
def test_a_tile_is_the_product_wherever_it_is_shown(name: str, circuit: Any) -> None:
    session = on(name)
    whole = product(session.model, circuit)
    window: dict[str, Any] = {"row": 10, "col": 7, "size": 20}
    view = lw.WeightCircuitView(session, circuit=circuit, circuit_tokens="vocabulary")
    sent = ask(session, "tile", circuit=circuit, circuit_tokens="vocabulary", prompt=0, **window)
    np.testing.assert_allclose(sent["value"], whole[10:30, 7:27], atol=2e-4)
    np.testing.assert_array_equal(sent["value"], view.tile(**window)["value"])
    assert (sent.attrs["n_rows"], sent.attrs["n_columns"]) == (D_VOCAB, D_VOCAB)
    assert (str(sent["row_label"][0].values), str(sent["column_label"][1].values)) == ("w10", "w8")
    assert (sent["row"].values[0], sent["column"].values[1]) == (10, 8)
    code: dict[str, Any] = {"model": session.model}
    exec(view.code(**window).attrs["code"], code)
    np.testing.assert_allclose(code["tile"], sent["value"], atol=1e-4)

    session.selection.prompt = 1
    view = lw.WeightCircuitView(session, circuit=circuit)
    table = view.data()
    ids = session.tokens[1, :5]
    assert table["row"].values.tolist() == table["column"].values.tolist() == ids.tolist()
    np.testing.assert_allclose(table["value"], whole[ids][:, ids], atol=2e-4)
    (trace,) = view.figure().data
    np.testing.assert_array_equal(trace.z, table["value"])
    assert (trace.y[1], trace.zmid) == ("w11 11", 0)
    exec(view.code().attrs["code"], code)
    np.testing.assert_allclose(code["tile"], table["value"], atol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("circuit", OF_TOKENS)
def test_rows_and_directions_are_those_of_the_product(name: str, circuit: Any) -> None:
    session = on(name)
    whole = product(session.model, circuit)
    view = lw.WeightCircuitView(session, circuit=circuit, top_k=4)
    row = ask(session, "row", circuit=circuit, row=9, top_k=4)
    np.testing.assert_allclose(row["value"], view.row(row=9)["value"], atol=1e-6)
    for found, best in zip(
        row["value"].values, (whole[9].topk(4), whole[9].topk(4, largest=False)), strict=True
    ):
        np.testing.assert_allclose(found, best.values, atol=2e-4)
    assert row["column"].values[0].tolist() == whole[9].topk(4).indices.tolist()
    assert row["column"].values[1][0] == int(whole[9].argmin())
    assert row["column_label"].values[0][0] == view.row(row=9)["column_label"].values[0][0]
    assert row.attrs["own"] == pytest.approx(float(whole[9, 9]), abs=2e-4)
    assert row.attrs["own_rank"] == int((whole[9] > whole[9, 9]).sum())

    values = ask(session, "spectrum", circuit=circuit)["singular_value"].values
    u, s, vh = torch.linalg.svd(whole)
    np.testing.assert_allclose(values, s[: len(values)], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(values, view.spectrum()["singular_value"], atol=1e-5)
    found = ask(session, "direction", circuit=circuit, direction=0, top_k=3)
    assert found.attrs["singular_value"] == pytest.approx(float(s[0]), rel=1e-3)
    for at, vector in enumerate((u[:, 0], vh[0])):
        # Which end is the positive one is a matter of chance, but the same on both sides.
        ends = found["value"].values[at]
        sign = 1 if abs(ends[0][0] - float(vector.max())) < 1e-3 else -1
        np.testing.assert_allclose(ends[0], (sign * vector).topk(3).values, atol=1e-3)
        expected = (sign * vector).topk(3, largest=False).values
        np.testing.assert_allclose(ends[1], expected, atol=1e-3)
        assert found["token_id"].values[at][0][0] == int((sign * vector).argmax())
    assert found["token"].values[0][0][0] == session.model.tokenizer.decode(
        [int(found["token_id"].values[0][0][0])]
    )


def test_the_circuit_of_positions_is_a_causal_softmax() -> None:
    session = on("gpt2")
    whole = product(session.model, "positions")
    view = lw.WeightCircuitView(session, circuit="positions")
    table = view.data()
    n = min(48, len(whole))
    np.testing.assert_allclose(table["value"], whole[:n, :n], atol=1e-5)
    assert (table.attrs["axis"], table.attrs["units"]) == ("position", "attention weight")
    (trace,) = view.figure().data
    assert (trace.y[3], trace.zmin, trace.zmid) == ("3", 0, None)
    code: dict[str, Any] = {"model": session.model}
    exec(view.code().attrs["code"], code)
    np.testing.assert_allclose(code["tile"], table["value"], atol=1e-5)
    row = view.row(row=5)
    assert float(row["value"][0, 0]) == pytest.approx(float(whole[5].max()), abs=1e-5)
    for question, args in (("find", {"text": "w1"}), ("spectrum", {}), ("copy", {})):
        with pytest.raises(InputError, match="positions"):
            view.ask(question, **args)


def test_pooled_windows_keep_the_largest_magnitude_with_its_sign() -> None:
    session = on("gpt2")
    whole = product(session.model, "OV")
    view = lw.WeightCircuitView(session, circuit_tokens="vocabulary")
    tile = ask(session, "tile", circuit="OV", circuit_tokens="vocabulary", prompt=0,
               col=3, size=16, pool=4)  # fmt: skip
    assert tile["value"].shape == (15, 15)
    code: dict[str, Any] = {"model": session.model}
    exec(view.code(col=3, size=16, pool=4).attrs["code"], code)
    assert code["tile"].shape == (15, 15)
    for i in range(15):
        for j in range(15):
            cells = whole[4 * i : 4 * i + 4, 3 + 4 * j : 7 + 4 * j].flatten()
            expected = pytest.approx(float(cells[cells.abs().argmax()]), abs=2e-4)
            assert float(tile["value"][i, j]) == expected
            assert float(code["tile"][i, j]) == expected
    assert [str(text) for text in tile["row_label"].values[:3]] == ["<bos>", "w4", "w8"]
    assert tile["column"].values[:3].tolist() == [3, 7, 11]
    assert tile.attrs["pool"] == tile.attrs["max_pool"] == 4


def test_copying_is_counted_over_the_whole_vocabulary_with_progress() -> None:
    session = on("gpt2")
    whole = product(session.model, "OV")
    places = (whole > whole.diagonal()[:, None]).sum(dim=1)
    page = Page(session)
    identity = page.send("weight_circuit/copy", choice={"circuit": "OV", **PAIR})
    found = page.answer(identity)["result"]["attrs"]
    assert [told["label"] for told in page.progress(identity)][:1] == ["copying"]
    assert found == lw.WeightCircuitView(session).copy().attrs
    counts = {k: int((places < k).sum()) for k in (1, 5)}
    assert (found["done"], found["total"]) == (D_VOCAB, D_VOCAB)
    assert (found["top1"], found["top5"]) == (counts[1], counts[5])


def test_a_circuit_follows_weights_that_are_written_to() -> None:
    model = fresh("gpt2")
    session = lw.Session(model, PROMPTS)
    asked = {"circuit": "OV", "circuit_tokens": "prompt", "prompt": 0}
    before = ask(session, "tile", **asked)["value"].values
    composed = lw.analysis.composition_scores(model, "V").values[0, :, 1]
    with torch.no_grad():
        for weight in model.blocks[1].attn.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    session.refresh()
    after = ask(session, "tile", **asked)["value"].values
    ids = list(dict.fromkeys(session.tokens[0].tolist()))
    np.testing.assert_allclose(after, product(model, "OV")[ids][:, ids], atol=2e-4)
    assert np.abs(after - before).max() > 0.01
    moved = lw.analysis.composition_scores(model, "V").values[0, :, 1]
    assert np.abs(moved - composed).max() > 1e-3


def test_tokens_are_found_by_a_part_of_their_text() -> None:
    session = on("gpt2")
    found = ask(session, "find", circuit="OV", text="w1")
    texts = [str(text) for text in found["token"].values]
    assert texts[0] == "w10"
    assert all("w1" in text for text in texts)
    tokenizer = session.model.tokenizer
    assert [tokenizer.decode([int(i)]) for i in found["token_id"].values] == texts
    for text in ("", "nothing like it"):
        assert ask(session, "find", circuit="OV", text=text).sizes["found"] == 0


ASKED: dict[str, dict[str, Any]] = {
    "tile": {},
    "row": {"row": 5},
    "find": {"text": "w1"},
    "spectrum": {},
    "direction": {"direction": 1},
    "copy": {},
    "code": {},
}


def test_every_question_of_the_view_is_tried_here() -> None:
    assert set(ASKED) == set(questions_of(lw.WeightCircuitView))


@pytest.mark.parametrize("question", ASKED)
def test_asking_runs_no_model(question: str) -> None:
    model = fresh("gpt2")
    session = lw.Session(model, PROMPTS)
    session.interventions.toggle("L0H1")
    session.selection.update(**PAIR)
    runs: list[str] = []
    model.blocks[0].register_forward_pre_hook(spy(lambda *_: runs.append("block")))
    for circuit in ("OV", "V"):
        view = lw.WeightCircuitView(session, circuit=circuit)
        assert list(view.opening()) == ["weight_circuit/tile"]
        asked = questions_of(lw.WeightCircuitView)[question]
        args = view.arguments(asked, **ASKED[question])
        told = Page(session).dataset(f"weight_circuit/{question}", **args)
        assert not {"metric", "baseline", "current", "summary"} & set(told.attrs)
        view.figure()
    assert runs == []
    float(session.current.mean())
    assert runs != []


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("llama", {"circuit": "positions"}, ["W_pos", "rotary"]),
        ("gpt2", {"circuit": "K", "writer_layer": None}, ["needs two heads", "L1H3"]),
        ("gpt2", {"circuit": "K", "writer_layer": 1}, ["L1H1", "L1H3"]),
        ("gpt2", {"circuit": "OV", "head": 9}, ["L1H9"]),
        ("gpt2", {"circuit": "OV", "row": 60}, ["row=60", "0 to 59"]),
        ("gpt2", {"circuit": "OV", "col": -1}, ["col=-1", "0 to 59"]),
        ("gpt2", {"circuit": "OV", "size": 129}, ["size=129", "1 to 128"]),
        ("gpt2", {"circuit": "OV", "pool": 64}, ["pool=64"]),
        ("gpt2", {"circuit_tokens": "prompt", "prompt": 7}, ["prompt=7"]),
    ],
)
@pytest.mark.parametrize("question", ["tile", "code"])
def test_what_a_model_cannot_give_is_said(
    question: str, name: str, args: dict[str, Any], words: list[str]
) -> None:
    view = lw.WeightCircuitView(on(name), circuit_tokens="vocabulary")
    choice = {field: args.get(field, value) for field, value in view.chosen()["choice"].items()}
    others = {field: value for field, value in args.items() if field not in choice}
    with pytest.raises(InputError) as caught:
        view.ask(question, choice=choice, **others)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("question", "args", "words"),
    [
        ("row", {"row": 60}, ["row=60", "0 to 59"]),
        ("row", {"row": 0, "top_k": 101}, ["top_k=101", "1 to 100"]),
        ("direction", {"direction": 60}, ["direction=60"]),
        ("direction", {"direction": 0, "top_k": 0}, ["top_k=0"]),
    ],
)
def test_what_is_out_of_range_is_named(question: str, args: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        lw.WeightCircuitView(on("gpt2")).ask(question, **args)
    assert all(word in str(caught.value) for word in words), str(caught.value)
