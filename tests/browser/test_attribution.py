"""The attribution table opened up: source tokens, neurons, read positions, the map, spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .conftest import Lab

Mount = Callable[..., Lab]


def row_of(lab: Lab, component: str) -> str:
    return f'[role="row"][data-component="{component}"]'


def open_row(lab: Lab, component: str) -> None:
    lab.find(f"{row_of(lab, component)} .lw-table-open").click()
    lab.idle()
    lab.wait("root.querySelector('.lw-table-detail > *') !== null")


def number(lab: Lab, selector: str, name: str = "data-value") -> float:
    return float(lab.find(selector).first.get_attribute(name) or "nan")


def test_a_head_opens_into_the_tokens_whose_values_carried_it(mount: Mount) -> None:
    lab = mount("attribution", interventions=["L0H1"], selection={"layer": 0, "head": 0})
    open_row(lab, "L2H5")
    expected = lab.answer("attribution/sources", prompt=0, layer=2, head=5, pos=None)
    chips = lab.find(".lw-attr-sources [data-pos]")
    assert chips.count() == expected.sizes["key_pos"]
    for pos in (0, 3, 14):
        shown = number(lab, f'.lw-attr-sources [data-pos="{pos}"]')
        assert shown == pytest.approx(float(expected["current"][pos]), abs=1e-6)
    total = number(lab, "[data-sources-total]", "data-sources-total")
    assert total == pytest.approx(expected.attrs["current_total"])
    chips.nth(3).hover()
    readout = lab.find(".lw-attr-readout")
    assert lab.answer("session/tokens", prompt=0)["token"].values[3] in readout.inner_text()
    assert lab.js("const { layer, head } = kernel.selection; return [layer, head]") == [2, 5]
    chips.nth(3).click()
    assert lab.js("return kernel.selection.key_pos") == 3
    # Another head takes its place; the same again closes.
    open_row(lab, "L1H4")
    assert lab.find(".lw-table-detail-row").count() == 1
    lab.find(f"{row_of(lab, 'L1H4')} .lw-table-open").click()
    assert lab.find(".lw-table-detail-row").count() == 0


def test_sources_are_those_of_the_selected_prompt(mount: Mount) -> None:
    lab = mount("attribution")
    open_row(lab, "L2H5")
    lab.js("kernel.select({ prompt: 3 })")
    lab.wait("root.querySelector('.lw-table-detail').textContent.includes('prompt 4')")
    lab.idle()
    told = lab.answer("attribution/sources", prompt=3, layer=2, head=5, pos=None)
    expected = float(told["current"][2])
    shown = number(lab, '.lw-attr-sources [data-pos="2"]')
    assert shown == pytest.approx(expected, abs=1e-6)


def test_an_mlp_opens_into_its_neurons_which_complete_it(mount: Mount) -> None:
    lab = mount("attribution", interventions=["L0H1"])
    open_row(lab, "L1.mlp")
    expected = lab.answer("attribution/neurons", layer=1, prompt=None, pos=None, k=12)
    names = lab.js(
        "return [...root.querySelectorAll('[data-neuron]')].map((row) => row.dataset.neuron)"
    )
    assert names == [*(str(int(n)) for n in expected["neuron"]), "others", "bias"]
    first = f'[data-neuron="{int(expected["neuron"][0])}"]'
    assert number(lab, first) == pytest.approx(float(expected["current"][0]))
    assert number(lab, first, "data-sem") == pytest.approx(float(expected["current_sem"][0]))
    assert number(lab, '[data-neuron="others"]') == pytest.approx(
        expected.attrs["others"]["current"]
    )


def test_what_cannot_be_opened_is_told_in_the_view(mount: Mount) -> None:
    lab = mount("attribution", failures={"attribution/neurons": "a mixture of experts"})
    lab.find(f"{row_of(lab, 'L1.mlp')} .lw-table-open").click()
    lab.wait_status("error")
    assert "mixture of experts" in lab.find('[role="alert"]').inner_text()
    lab.find(f"{row_of(lab, 'L1.mlp')} .lw-table-open").click()
    lab.idle()
    assert lab.find('[role="alert"]').count() == 0


def test_rows_open_and_close_by_key(mount: Mount) -> None:
    lab = mount("attribution")
    row = lab.find(row_of(lab, "L2H5"))
    opener = row.locator("button[aria-expanded]")
    row.focus()
    lab.page.keyboard.press("ArrowRight")
    lab.idle()
    assert opener.get_attribute("aria-expanded") == "true"
    lab.page.keyboard.press("ArrowLeft")
    assert opener.get_attribute("aria-expanded") == "false"
    lab.page.keyboard.press("Enter")
    lab.idle()
    assert opener.get_attribute("aria-expanded") == "true"
    assert lab.js("const { layer, head } = kernel.selection; return [layer, head]") == [2, 5]


def test_means_show_their_standard_error_and_single_prompts_none(mount: Mount) -> None:
    lab = mount("attribution")
    truth = lab.answer("attribution/rows", by="head", prompt=None, pos=None)
    row = truth.sel(component="L3H1")
    cell = f'{row_of(lab, "L3H1")} [data-column="current"]'
    assert number(lab, cell, "data-sem") == pytest.approx(float(row["current_sem"]))
    assert "±" in lab.find(cell).inner_text()
    assert lab.find(f"{row_of(lab, 'L3H1')} .lw-attr-whisker").count() == 1
    assert "standard error over 8 prompts" in lab.find(".lw-attr-note").inner_text()
    lab.find(
        '[role="radio"][data-option="selected"]',
    ).first.click()
    lab.idle()
    assert lab.find(cell).get_attribute("data-sem") is None
    assert lab.find(".lw-attr-whisker").count() == 0


def test_logits_can_be_read_at_a_picked_token(mount: Mount) -> None:
    lab = mount("attribution")
    lab.find('[role="radiogroup"][aria-label="read at"] [data-option="selected"]').click()
    lab.idle()
    chips = lab.find(".lw-attr-picker [data-pos]")
    chips.nth(4).click()
    lab.wait("root.querySelector('.lw-attr-note').textContent.includes('at position 4')")
    lab.idle()
    truth = lab.answer("attribution/rows", by="head", prompt=None, pos=4)
    row = truth.sel(component="L3H1")
    shown = number(lab, f'{row_of(lab, "L3H1")} [data-column="current"]')
    assert shown == pytest.approx(float(row["current"]))
    assert lab.js("return kernel.selection.query_pos") == 4
    assert chips.nth(4).get_attribute("aria-selected") == "true"
    open_row(lab, "L3H1")
    expected = lab.answer("attribution/sources", prompt=0, layer=3, head=1, pos=4)
    total = number(lab, "[data-sources-total]", "data-sources-total")
    assert total == pytest.approx(expected.attrs["current_total"])


def test_a_map_stands_beside_the_table_where_there_is_room(mount: Mount) -> None:
    lab = mount("attribution", width=1400, interventions=["L0H1"])
    cells = lab.find('.lw-attr-map [role="gridcell"]')
    assert cells.count() == 4 * 8
    truth = lab.answer("attribution/rows", by="head", prompt=None, pos=None)
    for name in map(str, truth["component"].values):
        row = truth.sel(component=name)
        if np.isnan(row["head"]):
            continue
        shown = number(lab, f'.lw-attr-map [data-head="{name}"]')
        assert shown == pytest.approx(float(row["current"]), abs=1e-6)
    lab.find('.lw-attr-map [data-head="L3H6"]').click()
    assert lab.js("const { layer, head } = kernel.selection; return [layer, head]") == [3, 6]
    assert lab.find(row_of(lab, "L3H6")).get_attribute("aria-selected") == "true"
    assert mount("attribution", width=700).find(".lw-attr-map").count() == 0


def test_an_opened_row_of_a_large_table_scrolls_with_it(mount: Mount) -> None:
    lab = mount("attribution", n_layers=32, n_heads=32)
    first = lab.js("return root.querySelector('[data-component^=L]').dataset.component")
    open_row(lab, first)
    height = "return root.querySelector('.lw-attr-table').scrollHeight"
    whole = lab.js(height)
    lab.js("root.querySelector('.lw-attr-table').scrollTop = 12000")
    lab.wait(f"root.querySelector('[data-component={first}]') === null")
    assert lab.js(height) == whole
