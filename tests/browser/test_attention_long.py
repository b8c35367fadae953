"""Attention over prompts too long for one message: zoom, and exact weights all the same."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Lab
from .test_attention import PICTURE, cell_point, weights

Mount = Callable[..., Lab]


def test_long_prompts_zoom_and_pan(mount: Mount) -> None:
    lab = mount("attention", n_tokens=512, n_prompts=1, n_layers=2, n_heads=2)
    assert lab.find("[data-lw-pattern]").first.get_attribute("data-exact") == "false"
    x, y = cell_point(lab, 400, 100, 512)
    before = lab.js(PICTURE)
    lab.page.mouse.move(x, y)
    for _ in range(6):
        lab.page.mouse.wheel(0, -300)
    lab.wait("!root.querySelector('button[aria-label=\"whole pattern\"]').disabled")
    assert lab.js(PICTURE) != before

    # The exact weight comes from the lines through the cell, not from the rounded pattern.
    lab.wait("root.querySelector('[data-lw-readout]').dataset.value !== undefined")
    readout = lab.find("[data-lw-readout]").first
    q = int(readout.get_attribute("data-query-pos") or -1)
    k = int(readout.get_attribute("data-key-pos") or -1)
    assert (q, k) == (400, 100)
    truth = weights(lab, layer=0, head=0)
    assert float(readout.get_attribute("data-value") or "nan") == truth[q * 512 + k]

    zoomed = lab.js(PICTURE)
    lab.page.mouse.down()
    lab.page.mouse.move(x - 60, y - 40, steps=4)
    lab.page.mouse.up()
    assert lab.js(PICTURE) != zoomed
    assert lab.js("return kernel.selection.query_pos") is None
    lab.find('button[aria-label="whole pattern"]').click()
    lab.page.mouse.move(5, 5)
    assert lab.js(PICTURE) == before


def test_token_mode_of_a_long_prompt_shows_exact_weights(mount: Mount) -> None:
    n = 512
    lab = mount("attention", n_tokens=n, n_prompts=1, n_layers=2, n_heads=2)
    truth = weights(lab, layer=0, head=0)
    known = "root.querySelector('.lw-strip .lw-token[data-pos=\"3\"]').dataset.value !== undefined"
    chips = """return [...root.querySelectorAll('.lw-strip .lw-token')]
      .map((chip) => Number(chip.dataset.value))"""
    lab.find('.lw-strip .lw-token[data-pos="12"]').click()
    lab.page.mouse.move(5, 5)
    lab.wait(known)
    assert lab.js(chips) == truth[12 * n : 13 * n]
    lab.find('[data-option="to"]').click()
    lab.page.mouse.move(5, 5)
    lab.wait(f"{known} && root.querySelector('[data-picked]').dataset.pos === '12'")
    assert lab.js(chips) == truth[12::n]


def test_a_long_prompts_colours_end_where_its_weights_do(mount: Mount) -> None:
    n = 300
    lab = mount("attention", n_tokens=n, n_prompts=1, n_layers=2, n_heads=2)
    scale = lab.find("[data-lw-scale]")

    def end() -> float:
        return float(scale.get_attribute("data-end") or "nan")

    assert scale.get_attribute("data-lw-scale") == "auto"
    whole = end()
    # A quarter of the rows have their strongest weight, but on BOS, beyond that of the others.
    rows = [weights(lab, layer=0, head=0)[q * n : (q + 1) * n] for q in range(1, n)]
    tops = sorted((max(row[1 : q + 2]) for q, row in enumerate(rows)), reverse=True)
    strong = tops[len(tops) // 4]
    assert strong <= whole < 2.5 * strong
    assert f"0 to {whole:g}" in scale.inner_text()
    # What is zoomed into has a scale of its own.
    x, y = cell_point(lab, 280, 60, n)
    lab.page.mouse.move(x, y)
    for _ in range(6):
        lab.page.mouse.wheel(0, -300)
    lab.wait("!root.querySelector('button[aria-label=\"whole pattern\"]').disabled")
    assert end() < whole
    choice = lab.find('[aria-label="colour scale"]')
    choice.select_option("fixed")
    assert end() == 1
    assert "0 to 1 attention" in scale.inner_text()
    fixed = lab.js(PICTURE)
    choice.select_option("root")
    assert end() == 1
    assert lab.js(PICTURE) != fixed
    assert lab.js("return mounts[0].model.traits.pattern_scale") == "root"


def test_a_cell_says_its_weight_beside_the_mouse(mount: Mount) -> None:
    lab = mount("attention", n_tokens=20, n_prompts=1)
    lab.page.mouse.move(*cell_point(lab, 15, 3, 20))
    readout = lab.find("[data-lw-readout]").first
    assert lab.find(".lw-plot-tip").inner_text() == readout.inner_text()
    lab.page.mouse.move(5, 5)
    assert lab.find(".lw-plot-tip").count() == 0
