"""ActivationBrowser: found by search and keys, asked for only when chosen, copied as code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lens_widgets.views import activation_browser

from .conftest import Lab

Mount = Callable[..., Lab]
VIEW = "activation_browser"
Z = "blocks.1.attn.hook_z"


def asked(lab: Lab) -> list[dict[str, Any]]:
    """The arguments of every request for one activation so far."""
    found: list[dict[str, Any]] = lab.js(
        "return kernel.requests.filter(r => r.method === arg).map(r => r.args)",
        "activation_browser/plane",
    )
    return found


def lines(lab: Lab) -> list[str]:
    """The activations that the list shows."""
    found: list[str] = lab.find("[data-activation]").evaluate_all(
        "all => all.map(line => line.dataset.activation)"
    )
    return found


def test_nothing_is_asked_for_before_it_is_chosen(mount: Mount) -> None:
    lab = mount(VIEW, options={"activation": ""})
    assert asked(lab) == []
    told = lab.answer("activation_browser/listing").attrs
    assert len(lines(lab)) == told["n_activations"]
    total = lab.find("[data-total-bytes]").get_attribute("data-total-bytes")
    assert int(total or 0) == told["n_bytes"]
    lab.find('[data-activation="blocks.2.hook_mlp_out"]').click()
    lab.idle()
    assert [args["activation"] for args in asked(lab)] == ["blocks.2.hook_mlp_out"]
    assert lab.js("return mounts[0].model.traits.activation") == "blocks.2.hook_mlp_out"


def test_keys_alone_find_and_choose(mount: Mount) -> None:
    lab = mount(VIEW, options={"activation": ""})
    press = lab.page.keyboard.press
    lab.find("input[type=search]").focus()
    lab.page.keyboard.type("2 attn.hook")
    found = lines(lab)
    assert all(name.startswith("blocks.2.") for name in found)
    assert "blocks.2.attn.hook_z" in found
    press("ArrowDown")
    assert lab.page.evaluate("document.activeElement.dataset.section") == "layer 2"
    press("ArrowLeft")
    assert lines(lab) == []
    press("ArrowRight")
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        press(key)
    lab.idle()
    assert asked(lab)[-1]["activation"] == found[2]
    chosen = lab.find('[aria-selected="true"]')
    assert chosen.get_attribute("data-activation") == found[2]
    lab.find("input[type=search]").focus()
    press("Escape")
    assert len(lines(lab)) == lab.answer("activation_browser/listing").attrs["n_activations"]


def test_many_layers_start_closed_but_for_the_chosen_one(mount: Mount) -> None:
    lab = mount(VIEW, n_layers=32, n_heads=4, options={"activation": "blocks.20.hook_in"})
    assert set(lines(lab)) == {name for name in lines(lab) if name.startswith("blocks.20.")}
    assert lab.find("[data-section]").count() == 34
    chosen = lab.find('[data-activation="blocks.20.hook_resid_pre"]')
    assert chosen.get_attribute("aria-selected") == "true"
    inside, box = chosen.bounding_box(), lab.find('[role="treegrid"]').bounding_box()
    assert inside is not None
    assert box is not None
    assert box["y"] <= inside["y"] <= box["y"] + box["height"] - inside["height"]
    scroll = "return root.querySelector('[role=treegrid]').scrollTop"
    lab.js("root.querySelector('[role=treegrid]').scrollTop = 0")
    lab.js("kernel.ablate('L0H1')")
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    assert lab.js(scroll) == 0
    lab.find('[role="radio"][data-option="hook"]').click()
    lab.find('[data-section="mlp.hook_post"]').click()
    assert [name for name in lines(lab) if name.endswith("mlp.hook_post")] == [
        f"blocks.{layer}.mlp.hook_post" for layer in range(32)
    ]


@pytest.mark.parametrize("which", ["baseline", "current", "difference"])
def test_statistics_and_cells_are_the_replys(mount: Mount, which: str) -> None:
    lab = mount(VIEW, interventions=["L0H1"], options={"activation": Z, "show": which})
    told = lab.answer("activation_browser/plane", **asked(lab)[-1])
    for name in ("baseline", "current", "difference"):
        row = lab.find(f'tr[data-which="{name}"]')
        shown = row.locator("[data-column]").evaluate_all(
            "cells => Object.fromEntries(cells.map(c => [c.dataset.column, c.dataset.value]))"
        )
        for column in ("mean", "std", "min", "max", "norm", "zeros", "n_nan", "n_inf"):
            assert float(shown[column]) == pytest.approx(
                float(told[column].sel(run=name)), rel=1e-6
            ), (name, column)
    cells = lab.find("[data-row-index][data-column-index]").evaluate_all(
        "cells => cells.map(c => [c.dataset.rowIndex, c.dataset.columnIndex, c.dataset.value])"
    )
    assert len(cells) == told["values"].size
    for row_, column, value in cells:
        assert float(value) == float(told["values"][int(row_), int(column)])


def test_the_head_is_the_selections_and_others_do_not_ask_again(mount: Mount) -> None:
    lab = mount(VIEW, selection={"head": 3}, options={"activation": Z})
    assert asked(lab)[-1]["head"] == 3
    lab.find('button[aria-label="next head"]').click()
    lab.idle()
    assert asked(lab)[-1]["head"] == 4
    assert lab.js("return [kernel.selection.layer, kernel.selection.head]") == [1, 4]
    lab.find('[role="radio"][data-option="head"]').click()
    lab.idle()
    assert asked(lab)[-1]["query_pos"] is None
    lab.find('button[aria-label="previous pos"]').click()
    lab.idle()
    assert asked(lab)[-1]["query_pos"] == 13
    lab.find('[data-activation="blocks.1.hook_attn_out"]').click()
    lab.idle()
    before = len(asked(lab))
    lab.js("kernel.select({ head: 6 })")
    lab.wait("window.lab.mounts[0].model.traits.selection.head === 6")
    lab.idle()
    assert len(asked(lab)) == before


def test_the_code_is_copied(mount: Mount) -> None:
    lab = mount(VIEW)
    lab.js(
        """window.copied = [];
           navigator.clipboard.writeText = async (text) => void window.copied.push(text);"""
    )
    lab.find('button[aria-label="copy code"]').click()
    lab.wait("root.querySelector('[data-outcome=copied]') !== null")
    code = lab.answer("activation_browser/code", activation=Z, show="current").attrs["code"]
    assert lab.js("return window.copied") == [code]


def test_a_pooled_cell_opens_into_exact_numbers_and_back(
    mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if a message held no more: a prompt that needs this is too long for a test.
    monkeypatch.setattr(activation_browser, "MAX_CELLS", 60)
    lab = mount(VIEW, options={"activation": "blocks.0.mlp.hook_post"})
    pooled = lab.answer("activation_browser/plane", **asked(lab)[-1]).attrs
    assert (pooled["row_pool"], pooled["column_pool"]) == (2, 3)
    assert "of 2 × 3 numbers" in lab.root.inner_text()
    assert "row_from" not in asked(lab)[-1]
    lab.find('[data-row-index="4"][data-column-index="6"]').dblclick()
    lab.idle()
    assert (asked(lab)[-1]["row_from"], asked(lab)[-1]["column_from"]) == (4, 6)
    told = lab.answer("activation_browser/plane", **asked(lab)[-1])
    cell = lab.find('[data-row-index="6"][data-column-index="8"]')
    expected = float(told["values"].sel(row=6, column=8))
    assert float(cell.get_attribute("data-value") or "nan") == expected
    assert "position 4 to 14 of 15, d_mlp 6 to 10 of 16" in lab.root.inner_text()
    lab.find('button[aria-label="show the whole slice"]').click()
    lab.idle()
    assert lab.find('[data-row-index="0"][data-column-index="0"]').count() == 1
