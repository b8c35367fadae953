"""Views of weights, neurons and score sources: what a click, a key or a search does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .conftest import Lab
from .test_takeaway import copied

Mount = Callable[..., Lab]
FIRST_HEAD = {"circuit": "OV", "layer": 0, "head": 0, "writer_layer": None, "writer_head": None}


def test_a_clicked_pair_is_selected_everywhere_and_opens_its_circuit(mount: Mount) -> None:
    lab = mount("composition", "weight_circuit", "attention")
    cell = lab.find('[role="gridcell"][data-writer="L0H3"][data-head="L2H5"]')
    truth = lab.answer("composition/scores", composition="K", subtract_random=True)
    assert float(cell.get_attribute("data-value") or "nan") == pytest.approx(
        float(truth["score"].sel(src_layer=0, src_head=3, dst_layer=2, dst_head=5)), abs=1e-6
    )
    cell.click()
    chosen = lab.js("return kernel.selection")
    assert [chosen[k] for k in ("writer_layer", "writer_head", "layer", "head")] == [0, 3, 2, 5]
    assert cell.get_attribute("aria-selected") == "true"
    circuit = lab.page.locator('[data-lw-view="weight_circuit"]')
    circuit.locator('[aria-label="circuit"] [data-option="K"]').click()
    circuit.locator('[data-circuit="K L0H3 → L2H5"]').wait_for()
    lab.page.locator('[data-lw-view="attention"] [data-lw-pattern="L0H3"]').first.wait_for()


def test_a_composition_without_an_earlier_head_says_what_to_choose(mount: Mount) -> None:
    head = {"layer": 1, "head": 0}
    lab = mount("weight_circuit", rest="error", options={"circuit": "K"}, selection=head)
    assert "Choose the earlier head" in lab.find('[role="alert"]').inner_text()
    lab.find('select[aria-label="earlier head"]').select_option("L0H1")
    lab.idle()
    assert lab.find("[data-circuit]").get_attribute("data-circuit") == "K L0H1 → L1H0"


def test_a_window_is_moved_zoomed_and_sent_to_a_searched_token(mount: Mount) -> None:
    words = ["<bos>", *(f"·w{i}" for i in range(100)), "·bag"]
    lab = mount("weight_circuit", options={"circuit_tokens": "vocabulary"}, tokens=words)
    lab.find('button[aria-label="rows after"]').click()
    lab.wait("root.querySelector('[data-row-id]')?.dataset.rowId === '36'")
    lab.find('button[aria-label="zoom out"]').click()
    lab.wait("root.textContent.includes('largest of 2 × 2')")
    search = lab.find('input[aria-label="search for a token"]')
    search.fill(" bag")
    (bag,) = lab.answer("weight_circuit/find", choice=FIRST_HEAD, text="·bag")["token_id"].values
    lab.find(f'.lw-circuit-found [data-token-id="{bag}"]').wait_for()
    search.press("Enter")
    lab.wait("root.querySelector('[data-own]')?.dataset.row === arg", str(bag))


def test_copying_is_counted_when_asked(mount: Mount) -> None:
    lab = mount("weight_circuit", n_tokens=40)
    assert lab.find("[data-top1]").count() == 0
    lab.find('button[aria-label="count copied tokens"]').click()
    told = lab.answer("weight_circuit/copy", choice=FIRST_HEAD).attrs
    assert told["done"] == told["total"] > 10
    counted = lab.find("[data-top1]")
    counted.wait_for()
    for name in ("done", "total", "top1", "top5"):
        assert counted.get_attribute(f"data-{name}") == str(told[name])
    assert f"{100 * told['top5'] / told['total']:.1f} %" in counted.inner_text()


def test_rows_and_directions_are_those_of_the_circuit(mount: Mount) -> None:
    selection = {"layer": 2, "head": 5, "writer_layer": 0, "writer_head": 3}
    lab = mount("weight_circuit", options={"circuit": "K"}, selection=selection)
    choice = {"circuit": "K", **selection}
    tile = lab.answer("weight_circuit/tile", choice=choice, circuit_tokens="prompt", prompt=0)
    shown = lab.js(
        """return [...root.querySelectorAll('[role=gridcell]')]
             .map(({ dataset: { rowId, columnId, value } }) => [+rowId, +columnId, +value]);"""
    )
    assert len(shown) == tile["value"].size
    for row, column, value in shown:
        assert value == pytest.approx(float(tile["value"].sel(row=row, column=column)), abs=1e-6)
    lab.find('[role="gridcell"][data-row="3"][data-col="1"]').click()
    chosen = int(tile["row"][3])
    row = lab.answer("weight_circuit/row", choice=choice, row=chosen, top_k=10)
    lab.wait("root.querySelector('[data-own]')?.dataset.row === arg", str(chosen))
    lab.idle()
    own = lab.find("[data-own]").get_attribute("data-own")
    assert float(own or "nan") == pytest.approx(row.attrs["own"], abs=1e-6)
    assert_lists(lab, ".lw-circuit-row", row["column"].values, row["value"].values)

    sizes = lab.answer("weight_circuit/spectrum", choice=choice)["singular_value"].values
    bars = lab.js(
        "return [...root.querySelectorAll('[data-direction]')].map(b => +b.dataset.value)"
    )
    assert bars == pytest.approx(sizes.tolist(), abs=1e-6)
    lab.find('input[aria-label="singular direction"]').fill("2")
    ends = lab.answer("weight_circuit/direction", choice=choice, direction=2, top_k=10)
    lab.wait("root.textContent.includes('singular value 3 of')")
    lab.idle()
    # On screen the positive ends of both sides come first.
    ids, values = (ends[name].transpose("end", ...).values for name in ("token_id", "value"))
    assert_lists(lab, ".lw-circuit-spectrum", ids, values)


def assert_lists(lab: Lab, within: str, ids: np.ndarray, values: np.ndarray) -> None:
    shown = lab.js(
        """return [...root.querySelectorAll(`${arg} [data-token-id]`)]
             .map(({ dataset: { tokenId, value } }) => [+tokenId, +value]);""",
        within,
    )
    assert [token for token, _ in shown] == ids.ravel().tolist()
    assert [value for _, value in shown] == pytest.approx(values.ravel().tolist(), abs=1e-6)


def test_code_gives_the_entries_that_are_shown(mount: Mount) -> None:
    lab = mount("weight_circuit", options={"circuit_tokens": "vocabulary"})
    tile = lab.answer(
        "weight_circuit/tile",
        **lab.js(
            "return kernel.requests.find(({ method }) => method === 'weight_circuit/tile').args"
        ),
    )
    code = copied(lab, "copy code")
    assert f"rows, columns = list(range(0, {tile.sizes['row']}))" in code
    assert "head_weights(0, 0)" in code


def listed(lab: Lab) -> list[float]:
    """The activations at the places in the lists, the highest and then the lowest."""
    found: list[float] = lab.js(
        "return [...root.querySelectorAll('[data-place]')].map((row) => Number(row.dataset.value))"
    )
    return found


def test_a_neuron_is_searched_and_its_places_are_gone_to(mount: Mount) -> None:
    lab = mount("neuron")
    search = lab.find('input[aria-label="neuron"]')
    search.fill("nonsense")
    assert search.get_attribute("aria-invalid") == "true"
    search.fill("2.7")
    search.press("Enter")
    lab.wait("root.textContent.includes('L2N7:') && root.dataset.lwStatus === 'idle'")
    told = lab.answer("neuron/activations", neuron="L2N7", prompt=0)
    shown = lab.js("return [...root.querySelectorAll('[data-pos]')].map(c => +c.dataset.value)")
    assert shown == pytest.approx(told["current"].values, abs=1e-6)
    places = lab.answer("neuron/places", neuron="L2N7", show="current", top_k=10)
    assert listed(lab) == pytest.approx(places["activation"].values.ravel(), abs=1e-6)
    first = places.isel(end=0, rank=0)
    prompt, pos = int(first["prompt"]), int(first["pos"])
    lab.find(f'[data-place="{prompt}.{pos}"]').first.click()
    lab.wait("window.lab.kernel.selection.query_pos === arg", pos)
    assert lab.js("return kernel.selection.prompt") == prompt


def test_the_strongest_neurons_are_mapped_and_one_is_looked_at(mount: Mount) -> None:
    lab = mount("neuron", interventions=["L0H1"], selection={"query_pos": 3})
    args = {"prompt": 0, "query_pos": 3, "show": "difference", "top_k": 10}
    lab.find('[role="radiogroup"][aria-label="run"] [data-option="difference"]').click()
    lab.idle()
    told = lab.answer("neuron/strongest", **args)
    cells = lab.js(
        """return [...root.querySelectorAll('.lw-neuron-map [role="gridcell"]')]
             .map((cell) => Number(cell.dataset.value))"""
    )
    assert cells == pytest.approx(told["activation"].values.ravel(), abs=1e-6)
    last = str(told["neuron"].values[-1])
    lab.find('.lw-neuron-map [role="gridcell"]').last.click()
    lab.wait("root.querySelector('input[aria-label=neuron]').value === arg", last)
    lab.idle()
    ends = lab.answer("neuron/places", neuron=last, show="difference", top_k=10)
    assert listed(lab) == pytest.approx(ends["activation"].values.ravel(), abs=1e-6)
    lab.js(
        """window.copied = [];
           navigator.clipboard.writeText = async (text) => void window.copied.push(text);"""
    )
    lab.find('button[aria-label="copy code of the strongest neurons"]').click()
    lab.wait("window.copied.length === 1")
    code = lab.answer("neuron/strongest_code", **args).attrs["code"]
    assert lab.js("return window.copied") == [code]


def test_score_parts_add_up_and_a_pair_shows_its_map(mount: Mount) -> None:
    lab = mount("score_decomposition", selection={"layer": 1, "head": 2})
    args = {"layer": 1, "head": 2, "prompt": 0, "sources_by": "head"}
    truth = lab.answer("score_decomposition/sources", **args)
    total = lab.find('[data-query-source="total"][data-key-source="total"]')
    assert float(total.get_attribute("data-value") or "nan") == pytest.approx(
        truth.attrs["score"], abs=1e-5
    )
    lab.find('[role="gridcell"][data-query-source="L0H3"][data-key-source="embed"]').click()
    lab.find(
        'div[data-query-source="L0H3"][data-key-source="embed"] [data-query-pos]'
    ).first.wait_for()
    lab.find('[data-query-pos="5"][data-key-pos="2"]').click()
    lab.wait("root.textContent.includes('all positions')")
    chosen = lab.js("return kernel.selection")
    assert (chosen["query_pos"], chosen["key_pos"]) == (5, 2)
