"""Replies about weight circuits, against plain torch."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.widgets.replies import METHODS
from lens_widgets.wire.arrays import Packed, pack
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from lens_widgets.wire.protocol import METHODS as SCHEMAS
from lens_widgets.wire.schema import check
from tests.models import D_VOCAB, N_HEADS, fresh, tiny
from tests.unit.cases import ANSWERS, PROMPTS

PAIR = {"layer": 1, "head": 3, "writer_layer": 0, "writer_head": 1}


def ask(session: lw.Session, method: str, **args: Any) -> dict[str, Any]:
    """A reply, checked against its schema and its size; arrays as numbers."""
    check(SCHEMAS[method][0], args, "args")
    found = METHODS[method].handler(session, args)
    if isinstance(found, Generator):
        steps = found
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                found = stop.value
                break
    packed, buffers = pack(found)
    check(SCHEMAS[method][1], packed, "result")
    assert sum(map(len, buffers)) <= MAX_REPLY_BYTES
    return {k: v.raw if isinstance(v, Packed) else v for k, v in found.items()}


def on(name: str) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS)


def product(model: Any, circuit: str) -> Tensor:
    """The whole circuit of ``PAIR``, multiplied out."""

    def of(name: str, layer: int, head: int) -> Tensor:
        weights = getattr(model.blocks[layer].attn, name).detach()
        return weights[head * weights.shape[0] // N_HEADS]

    e, u = model.W_E.detach(), model.W_U.detach()
    q, k, v, o = (of(name, 1, 3) for name in ("W_Q", "W_K", "W_V", "W_O"))
    written = of("W_V", 0, 1) @ of("W_O", 0, 1)
    return {
        "OV": e @ v @ o @ u,
        "QK": e @ q @ (e @ k).T,
        "K": e @ q @ (e @ written @ k).T,
        "Q": e @ written @ q @ (e @ k).T,
        "V": e @ written @ v @ o @ u,
    }[circuit]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("circuit", ["OV", "QK", "K", "Q", "V"])
def test_a_circuit_is_the_product_in_windows_rows_and_directions(name: str, circuit: str) -> None:
    session = on(name)
    whole = product(session.model, circuit)
    asked = {"circuit": circuit, **PAIR}
    tile = ask(session, "circuit_tile", **asked, circuit_tokens="vocabulary", prompt=0,
               row=10, col=7, size=20)  # fmt: skip
    np.testing.assert_allclose(tile["values"], whole[10:30, 7:27], atol=2e-4)
    assert tile["shape"] == [D_VOCAB, D_VOCAB]
    assert [tile["rows"][0]["text"], tile["columns"][1]["text"]] == ["w10", "w8"]

    prompt = ask(session, "circuit_tile", **asked, circuit_tokens="prompt", prompt=1)
    ids = session.tokens[1, :5]
    np.testing.assert_allclose(prompt["values"], whole[ids][:, ids], atol=2e-4)

    row = ask(session, "circuit_row", **asked, row=9, top_k=4)
    best = whole[9].topk(4)
    assert [item["token"]["id"] for item in row["highest"]] == best.indices.tolist()
    np.testing.assert_allclose([i["value"] for i in row["highest"]], best.values, atol=2e-4)
    assert row["lowest"][0]["token"]["id"] == int(whole[9].argmin())
    assert row["rank"] == int((whole[9] > whole[9, 9]).sum())

    values = ask(session, "circuit_spectrum", **asked)["values"]
    u, s, vh = torch.linalg.svd(whole)
    np.testing.assert_allclose(values, s[: len(values)], rtol=1e-3, atol=1e-3)
    direction = ask(session, "circuit_direction", **asked, direction=0, top_k=3)
    ends = (direction["row_highest"], direction["row_lowest"])
    extremes = {int(u[:, 0].argmax()), int(u[:, 0].argmin())}
    assert {end[0]["token"]["id"] for end in ends} == extremes
    assert abs(direction["column_highest"][0]["value"]) in [
        pytest.approx(float(x), abs=1e-3) for x in (vh[0].max(), -vh[0].min())
    ]


def test_pooled_windows_keep_the_largest_magnitude_with_its_sign() -> None:
    session = on("gpt2")
    whole = product(session.model, "OV")
    tile = ask(session, "circuit_tile", circuit="OV", **PAIR, circuit_tokens="vocabulary", prompt=0,
               size=16, pool=4)  # fmt: skip
    assert tile["values"].shape == (15, 15)
    for i, j in ((0, 0), (3, 11), (14, 14)):
        cells = whole[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].flatten()
        expected = cells[cells.abs().argmax()]
        assert tile["values"][i, j] == pytest.approx(float(expected), abs=2e-4)
    assert [token["text"] for token in tile["rows"][:3]] == ["<bos>", "w4", "w8"]


def test_copying_is_counted_over_the_whole_vocabulary_with_progress() -> None:
    session = on("gpt2")
    whole = product(session.model, "OV")
    places = (whole > whole.diagonal()[:, None]).sum(dim=1)
    found = ask(session, "circuit_copy", circuit="OV", **PAIR)
    assert found == {
        "done": D_VOCAB,
        "total": D_VOCAB,
        "top1": int((places < 1).sum()),
        "top5": int((places < 5).sum()),
    }


def test_a_circuit_follows_weights_that_are_written_to() -> None:
    model = fresh("gpt2")
    session = lw.Session(model, PROMPTS)
    asked = {"circuit": "OV", **PAIR, "circuit_tokens": "prompt", "prompt": 0}
    before = ask(session, "circuit_tile", **asked)["values"]
    composed = lw.analysis.composition_scores(model, "V").values[0, :, 1]
    with torch.no_grad():
        for weight in model.blocks[1].attn.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    session.refresh()
    after = ask(session, "circuit_tile", **asked)["values"]
    ids = list(dict.fromkeys(session.tokens[0].tolist()))
    np.testing.assert_allclose(after, product(model, "OV")[ids][:, ids], atol=2e-4)
    assert np.abs(after - before).max() > 0.01
    moved = lw.analysis.composition_scores(model, "V").values[0, :, 1]
    assert np.abs(moved - composed).max() > 1e-3


def test_tokens_are_found_by_a_part_of_their_text() -> None:
    found = ask(on("gpt2"), "circuit_find", circuit="OV", **PAIR, text="w1")
    assert found["tokens"][0]["text"] == "w10"
    assert all("w1" in token["text"] for token in found["tokens"])


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("llama", {"circuit": "positions"}, ["W_pos", "rotary"]),
        ("gpt2", {"circuit": "K", "writer_layer": None}, ["needs two heads", "L1H3"]),
        ("gpt2", {"circuit": "K", "writer_layer": 1}, ["L1H1", "L1H3"]),
        ("gpt2", {"circuit": "OV", "head": 9}, ["L1H9"]),
        ("gpt2", {"circuit": "OV", "row": 60}, ["row=60", "0 to 59"]),
        ("gpt2", {"circuit": "OV", "pool": 64}, ["pool=64"]),
    ],
)
def test_what_a_model_cannot_give_is_said(name: str, args: Any, words: list[str]) -> None:
    asked = {**PAIR, "circuit_tokens": "vocabulary", "prompt": 0, **args}
    with pytest.raises(InputError) as caught:
        ask(on(name), "circuit_tile", **asked)
    assert all(word in str(caught.value) for word in words), str(caught.value)
