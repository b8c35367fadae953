"""The logit lens: cells that say what they show, lists, followed tokens, lines with errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Lab

Mount = Callable[..., Lab]
AT_REST = "root.dataset.lwRevision === arg && root.dataset.lwStatus === 'idle'"
WIDE = {"prompt": 0, "show": "current", "lens_target": "auto", "incl_mid": True, "count": 20}


def cell(lab: Lab, stage: str, pos: int) -> Any:
    return lab.find(f'[role="gridcell"][data-stage="{stage}"][data-pos="{pos}"]').first


def values(lab: Lab, series: str, label: str) -> list[float]:
    points = lab.js(
        f"""const chart = root.querySelector('[data-lw-chart="{label}"]');
            return [...chart.querySelectorAll('td[data-series="{series}"]')]
              .map((cell) => Number(cell.dataset.value))"""
    )
    return [float(value) for value in points]


LINES = "logits read from the accumulated residual stream, by stage"


def test_cells_say_token_probability_and_rank(mount: Mount) -> None:
    lab = mount("logit_lens")
    told = lab.answer("logit_lens/grid", **WIDE)
    stages = told["stage"].values.tolist()
    for stage in stages:
        for pos in (0, 7, told.sizes["pos"] - 1):
            one = told.sel(stage=stage, pos=pos)
            shown = cell(lab, stage, pos)
            assert shown.get_attribute("data-token-id") == str(int(one["top_token_id"]))
            assert float(shown.get_attribute("data-value")) == float(one["prob"])
            label = shown.get_attribute("aria-label")
            layer, part = stage.split("_")
            name = {"pre": f"L{layer}", "mid": f"L{layer} mid", "post": "end"}[part]
            assert f"{name} at {pos} " in label
            assert str(one["top_token"].item()) in label
            assert f"rank of ·Mary {int(one['rank'])}" in label
    rows = lab.js(
        "return [...root.querySelectorAll('.lw-map [role=row]')]"
        ".map((row) => row.firstElementChild.dataset.stage)"
    )
    assert rows == list(reversed(stages))


def test_the_colour_chooses_the_value(mount: Mount) -> None:
    lab = mount("logit_lens")
    told = lab.answer("logit_lens/grid", **WIDE).sel(stage="1_pre", pos=4)
    for option, field in (("kl", "kl"), ("rank", "rank"), ("prob", "prob")):
        lab.find(f'[aria-label="colour by"] [data-option="{option}"]').click()
        shown = cell(lab, "1_pre", 4).get_attribute("data-value")
        assert float(shown) == float(told[field])
    assert lab.js("return mounts[0].model.traits.lens_color") == "prob"
    lab.find('[aria-label="order of stages"] [data-option="first_on_top"]').click()
    first = lab.js("return root.querySelector('.lw-map [role=gridcell]').dataset.stage")
    assert first == "0_pre"


def test_a_click_lists_the_cells_top_tokens_and_is_shared(mount: Mount) -> None:
    lab = mount("logit_lens")
    cell(lab, "1_mid", 5).click()
    lab.wait("root.querySelector('.lw-lens-cell').textContent.includes('1_mid')")
    lab.idle()
    place = {"prompt": 0, "lens_target": "auto", "incl_mid": True, "stage": "1_mid"}
    told = lab.answer("logit_lens/cell", **place, query_pos=5, k=8)
    rows = lab.js(
        """return [...root.querySelectorAll('.lw-lens-top tbody tr')].map((row) => [
             Number(row.dataset.tokenId),
             Number(row.querySelector('[data-column=current]').dataset.value)])"""
    )
    expected = zip(told["token_id"].values.tolist(), told["current"].values.tolist(), strict=True)
    assert rows == [list(pair) for pair in expected]
    selection = lab.js("return mounts[0].model.traits.selection")
    assert (selection["layer"], selection["query_pos"]) == (1, 5)
    assert cell(lab, "1_mid", 5).get_attribute("aria-selected") == "true"
    cell(lab, "1_mid", 5).click()
    lab.wait("window.lab.mounts[0].model.traits.selection.query_pos === null")


def test_keys_walk_the_grid_and_choose(mount: Mount) -> None:
    lab = mount("logit_lens")
    cell(lab, "2_pre", 6).click()
    lab.page.keyboard.press("ArrowRight")
    lab.page.keyboard.press("ArrowUp")
    lab.page.keyboard.press("Enter")
    assert cell(lab, "2_mid", 7).get_attribute("aria-selected") == "true"
    lab.page.keyboard.press("Escape")
    assert lab.js("return mounts[0].model.traits.selection.query_pos") is None


def test_the_selection_of_other_views_is_followed(mount: Mount) -> None:
    lab = mount("logit_lens")
    lab.js("kernel.select({ layer: 2, query_pos: 3 })")
    lab.wait("root.querySelector('.lw-lens-cell').textContent.includes('2_mid')")
    lab.idle()
    assert cell(lab, "2_mid", 3).get_attribute("aria-selected") == "true"
    assert "at position 3" in lab.js("return root.textContent")


def test_tokens_are_followed_from_the_list_by_name_and_no_more(mount: Mount) -> None:
    lab = mount("logit_lens")
    chart = "probability of tokens by stage"
    assert len(values(lab, "·Mary", chart)) == 9
    listed = lab.find(".lw-lens-top tbody tr").first.locator("th").inner_text()
    lab.find(f'button[aria-label="follow {listed}"]').click()
    lab.wait("root.querySelector('.lw-lens-pin:not([disabled])') !== null")
    lab.idle()
    assert lab.js("return root.querySelector('[data-series=\"·Mary\"]')") is None
    assert len(lab.js("return mounts[0].model.traits.pins")) == 1
    field = lab.find('input[aria-label="token to follow"]')
    field.fill("two words")
    lab.page.keyboard.press("Enter")
    lab.find('.lw-lens-add [role="alert"]').wait_for()
    assert "2 tokens" in lab.find('.lw-lens-add [role="alert"]').inner_text()
    field.fill(" John")
    lab.page.keyboard.press("Enter")
    lab.wait("root.querySelector('[data-series=\"·John\"]') !== null")
    lab.idle()
    assert lab.find('.lw-lens-add [role="alert"]').count() == 0
    lab.find(f'button[aria-label="stop following {listed}"]').click()
    lab.wait("root.querySelectorAll('.lw-lens-pin').length === 1")
    lab.find('[aria-label="quantity"] [data-option="rank"]').click()
    assert len(values(lab, "·John", "rank of tokens by stage")) == 9


def test_lines_show_baseline_current_difference_and_errors(mount: Mount) -> None:
    lab = mount("logit_lens")
    assert values(lab, "baseline", LINES) == []
    lab.js("kernel.ablate('L1H3')")
    lab.wait(AT_REST, "2")
    told = lab.answer("logit_lens/lines", prompt=None, incl_mid=True)
    for series in ("baseline", "current"):
        one = told.sel(show=series)
        assert values(lab, series, LINES) == one["accumulated"].values.tolist()
        parts = values(lab, series, "logits that each part adds")
        assert parts == one["contribution"].values.tolist()
    errors = lab.js(
        f"""return [...root.querySelectorAll('[data-lw-chart="{LINES}"] td[data-series=current]')]
              .map((cell) => Number(cell.dataset.error))"""
    )
    assert errors == told["accumulated_sem"].sel(show="current").values.tolist()
    assert lab.find('[data-series="current"] .lw-chart-band').count() == 1
    # Parts have no order: bars with lines as long as their errors.
    assert lab.find('[data-series="current"] .lw-chart-error').count() == len(parts)
    lab.find('[aria-label="run"] [data-option="difference"]').click()
    lab.idle()
    change = told["accumulated"].sel(show="difference").values.tolist()
    assert values(lab, "difference", LINES) == change
    lab.find('[aria-label="lines"] [data-option="selected"]').click()
    lab.idle()
    assert lab.find('[data-series="difference"] .lw-chart-band').count() == 0


def test_a_chart_is_read_with_the_arrow_keys_and_opens_its_stage(mount: Mount) -> None:
    lab = mount("logit_lens")
    chart = lab.find(f'[role="slider"][aria-label="{LINES}"]')
    chart.focus()
    lab.page.keyboard.press("Home")
    key = lab.find(f'[data-lw-chart="{LINES}"] .lw-chart-readout')
    assert key.inner_text().startswith("L0\n") or key.inner_text().startswith("L0 ")
    lab.page.keyboard.press("ArrowRight")
    assert "L0 mid" in key.inner_text()
    lab.page.keyboard.press("Enter")
    lab.wait("root.querySelector('.lw-lens-cell').textContent.includes('0_mid')")


@pytest.mark.parametrize("width", [480, 1400])
def test_long_prompts_come_a_window_at_a_time(mount: Mount, width: int) -> None:
    lab = mount("logit_lens", n_tokens=1024, n_prompts=1, n_layers=12, n_heads=12, width=width)
    pos = "return [...root.querySelectorAll('.lw-map [role=gridcell]')].map((c) => +c.dataset.pos)"
    assert max(lab.js(pos)) == 1023
    columns = len(set(lab.js(pos)))
    assert columns <= width / 46
    lab.find('button[aria-label="earlier positions"]').click()
    lab.wait("!root.querySelector('.lw-map [data-pos=\"1023\"]')")
    lab.idle()
    assert max(lab.js(pos)) == 1023 - columns
    lab.js("kernel.select({ query_pos: 40 })")
    lab.wait("root.querySelector('.lw-map [data-pos=\"40\"]') !== null")
    lab.idle()
    asked = lab.js("return kernel.requests.filter((r) => r.method === 'logit_lens/grid').at(-1)")
    assert asked["args"]["count"] == columns


def test_stages_between_attention_and_mlp_can_be_left_out(mount: Mount) -> None:
    lab = mount("logit_lens")
    cell(lab, "1_mid", 5).click()
    lab.find('[aria-label="stages"] [data-option="layers"]').click()
    lab.wait("root.querySelector('.lw-map [data-stage=\"1_mid\"]') === null")
    lab.idle()
    assert lab.find('[role="alert"]').count() == 0
    assert len(values(lab, "current", LINES)) == 5


def test_the_window_is_taken_away_as_picture_and_text(mount: Mount) -> None:
    lab = mount("logit_lens")

    def take(entry: str) -> None:
        lab.find('button[aria-label="copy or save"]').first.click()
        lab.find(f'[role="menuitem"]:text-is("{entry}")').click()

    with lab.page.expect_download() as saved:
        take("save PNG")
    assert saved.value.path().read_bytes().startswith(b"\x89PNG")
    lab.js(
        """window.copied = [];
           navigator.clipboard.writeText = async (text) => void window.copied.push(text);"""
    )
    take("copy CSV")
    lab.wait("window.copied.length === 1")
    take("copy code")
    lab.wait("window.copied.length === 2")
    csv, code = lab.js("return window.copied")
    assert csv.count("\n") == 1 + 9 * 15
    assert "3_mid" in csv
    asked = {"show": "current", "incl_mid": True}
    assert code == lab.answer("logit_lens/code", **asked).attrs["code"]
