"""Maps of 30 and 32 layers in the widths people have: whole, readable, the selection in sight."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Lab

Mount = Callable[..., Lab]

WIDTHS = [970, 900, 600]
MODELS = [(30, 9), (32, 32)]
VIEWS = ["head_scores", "ablation"]

LONG_MS = 60_000
"""Weights of 1,024 heads are multiplied in pairs, on a machine that may be busy."""

SCROLLING = """return [...root.querySelectorAll('*')]
  .filter((one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowY)
    && (one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1))
  .map((one) => `${one.className}: ${one.scrollWidth} x ${one.scrollHeight} in `
    + `${one.clientWidth} x ${one.clientHeight}`)"""


def rested(lab: Lab) -> Lab:
    lab.page.wait_for_selector(
        f'[data-lw-view="{lab.view}"][data-lw-status="idle"]', timeout=LONG_MS
    )
    return lab


@pytest.mark.parametrize(("layers", "heads"), MODELS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_head_is_on_screen_without_a_scrollbar_of_its_own(
    mount: Mount, view: str, width: int, layers: int, heads: int
) -> None:
    lab = mount(
        view,
        n_layers=layers,
        n_heads=heads,
        n_prompts=2,
        width=width,
        selection={"layer": layers - 2, "head": heads - 1},
    )
    assert lab.js(SCROLLING) == []
    assert lab.js("return document.documentElement.scrollWidth") <= width
    chosen = lab.find(f"[data-head=L{layers - 2}H{heads - 1}]").first
    box = chosen.bounding_box()
    assert box is not None
    assert box["height"] >= (16 if view == "ablation" else 8)
    card = lab.find(".lw-card").first.bounding_box()
    assert card is not None
    assert box["x"] + box["width"] <= card["x"] + card["width"]


def test_the_ablation_grid_says_what_is_pointed_at_and_writes_ten_numbers(mount: Mount) -> None:
    lab = mount("ablation", n_layers=30, n_heads=9, n_prompts=2, width=970)
    told = lab.answer("ablation/grid", ablation_kind=None, prompt=None)
    written = lab.js(
        "return [...root.querySelectorAll('.lw-head-cell')]"
        ".filter((cell) => cell.textContent !== '').map((cell) => cell.dataset.component)"
    )
    assert len(written) == 10
    sizes = {
        f"L{layer}H{head}": abs(float(told["heads"][layer, head]))
        for layer in range(30)
        for head in range(9)
    } | {f"L{layer}.mlp": abs(float(told["mlps"][layer])) for layer in range(30)}
    assert set(written) == set(sorted(sizes, key=lambda part: -sizes[part])[:10])
    for part, value in (("L23H3", told["heads"][23, 3]), ("L7.mlp", told["mlps"][7])):
        lab.find(f'[data-component="{part}"]').hover()
        lab.wait(f"root.querySelector('.lw-abl-readout').textContent.startsWith('{part} ')")
        said = lab.find(".lw-abl-readout").inner_text()
        assert f"{abs(float(value)):.4f}" in said


@pytest.mark.parametrize(("heads", "rows"), [(9, [5]), (32, [5]), (48, [3, 2])])
def test_patching_maps_stand_in_even_rows(mount: Mount, heads: int, rows: list[int]) -> None:
    # Few layers are enough: how many maps are side by side depends on the heads.
    lab = mount("patching", n_layers=2, n_heads=heads, n_prompts=1, n_tokens=5, width=970)
    tops = lab.js(
        "return [...root.querySelectorAll('.lw-patch-map')]"
        ".map((one) => Math.round(one.getBoundingClientRect().top))"
    )
    assert [tops.count(top) for top in sorted(set(tops))] == rows
    assert lab.js(SCROLLING) == []


@pytest.mark.parametrize("width", [970, 936])
def test_all_pairs_of_270_heads_are_one_map_in_which_a_listed_pair_is_found(
    mount: Mount, width: int
) -> None:
    lab = rested(mount("composition", rest=None, n_layers=30, n_heads=9, n_prompts=1, width=width))
    assert lab.js(SCROLLING) == []
    told = lab.answer("composition/layers", composition="K", subtract_random=True)
    pair = [int(told[n][3]) for n in ("writer_layer", "writer_head", "reader_layer", "reader_head")]
    names = "L{}H{} L{}H{}".format(*pair)
    lab.find(f'[data-item="{names}"]').click()
    writer, reader = names.split()
    lab.wait(
        "root.querySelector('.lw-map-readout').textContent.startsWith(arg)",
        f"{writer} into {reader}",
    )
    cell = lab.find('[role="gridcell"][aria-selected="true"]')
    assert cell.get_attribute("data-writer") == writer
    assert cell.get_attribute("data-head") == reader
    assert float(cell.get_attribute("data-value") or "nan") == float(told["score"][3])


@pytest.mark.parametrize(("layers", "heads", "width"), [(30, 9, 600), (32, 32, 970)])
def test_too_many_pairs_are_layers_first_and_open_into_heads(
    mount: Mount, layers: int, heads: int, width: int
) -> None:
    lab = rested(
        mount("composition", rest=None, n_layers=layers, n_heads=heads, n_prompts=1, width=width)
    )
    assert lab.js(SCROLLING) == []
    asked = {"composition": "K", "subtract_random": True}
    told = lab.answer("composition/layers", **asked)
    lab.find('[data-writer="L2"][data-reader="L5"]').click()
    block = lab.find('[role="grid"][aria-label*="heads of layer 2 by heads of layer 5"]')
    block.wait_for()
    lab.idle()
    truth = lab.answer("composition/scores", **asked, dst_from=5, dst_layers=1)["score"]
    cell = block.locator('[data-writer="L2H3"][data-head="L5H7"]')
    assert float(cell.get_attribute("data-value") or "nan") == float(truth[2, 3, 0, 7])
    opened = lab.find('[data-writer="L2"][data-reader="L5"]')
    assert float(opened.get_attribute("data-value") or "nan") == float(truth[2, :, 0].max())
    lab.find(".lw-ranked-item").first.click()
    first = [int(told[name][0]) for name in ("writer_layer", "reader_layer")]
    lab.find(f'[aria-label*="heads of layer {first[0]} by heads of layer {first[1]}"]').wait_for()
    assert lab.js("return kernel.selection")["writer_layer"] == first[0]


def test_a_sweep_below_the_window_waits_until_it_is_scrolled_to(mount: Mount) -> None:
    lab = mount("ablation", "model_card", "patching", height=500, width=970)
    maps = Lab(lab.page, "patching")
    asked = "return kernel.requests.filter(({ method }) => method?.startsWith('patching/')).length"
    # While the views above were empty it was on screen.
    lab.wait("['idle', 'offscreen'].includes(window.find('patching').dataset.lwStatus)")
    before = lab.js(asked)
    lab.find('[data-component="L1H4"]').click()
    lab.idle()
    assert maps.attribute("data-lw-status") == "offscreen"
    assert lab.js(asked) == before
    assert "once it is on screen" in maps.find(".lw-pill").inner_text()
    maps.root.scroll_into_view_if_needed()
    maps.idle()
    assert lab.js(asked) == before + 1
    assert maps.attribute("data-lw-revision") == lab.attribute("data-lw-revision")
