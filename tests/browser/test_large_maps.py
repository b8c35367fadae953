"""Maps of 30 and 32 layers in the widths people have: whole, readable, the selection in sight."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Lab

Mount = Callable[..., Lab]

WIDTHS = [970, 900, 600]
MODELS = [(30, 9), (32, 32)]
VIEWS = ["head_scores", "ablation"]

SCROLLING = """return [...root.querySelectorAll('*')]
  .filter((one) => ['auto', 'scroll'].includes(getComputedStyle(one).overflowY)
    && (one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1))
  .map((one) => `${one.className}: ${one.scrollWidth} x ${one.scrollHeight} in `
    + `${one.clientWidth} x ${one.clientHeight}`)"""


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
