"""The data view: bars, rows and cells on screen are the store's, and a row opens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.stores import dataset, sentences, store_of_sentences, write

from .conftest import Lab

Mount = Callable[..., Lab]
N = 40


@pytest.fixture(scope="module")
def stored() -> xr.Dataset:
    return dataset(N, 4, 8, 50, sentences(N))


def shown(lab: Lab) -> list[tuple[int, float]]:
    """Record and value of each row, as the cells have them."""
    found: list[list[str]] = lab.js(
        """return [...root.querySelectorAll('[data-record]')].map((row) =>
             [row.dataset.record, row.querySelector('[data-column=value]').dataset.value])"""
    )
    return [(int(record), float(value or "nan")) for record, value in found]


def values_of(stored: xr.Dataset, layer: int, head: int) -> dict[int, float]:
    found = stored["ablation"][:, layer, head].values.tolist()
    return dict(zip(stored["record"].values.tolist(), found, strict=True))


def test_rows_and_bars_are_those_of_the_store(mount: Mount, stored: xr.Dataset) -> None:
    lab = mount("data", selection={"layer": 2, "head": 5})
    truth = values_of(stored, 2, 5)
    expected = sorted(truth.items(), key=lambda item: -item[1])[:20]
    assert [record for record, _ in shown(lab)] == [record for record, _ in expected]
    for (_, value), (_, true) in zip(shown(lab), expected, strict=True):
        assert value == pytest.approx(true, rel=1e-6)
    bars: list[dict[str, str]] = lab.js(
        "return [...root.querySelectorAll('.lw-data-bar')].map(({ dataset }) => ({ ...dataset }))"
    )
    for bar in bars:
        low, high = float(bar["low"]), float(bar["high"])
        inside = [v for v in truth.values() if low <= v < high]
        assert int(bar["value"]) == len(inside)
    assert sum(int(bar["value"]) for bar in bars) == N
    means: dict[str, str] = lab.js(
        """return Object.fromEntries([...root.querySelectorAll('[data-group]')]
             .map(({ dataset }) => [dataset.group, dataset.value]))"""
    )
    for group in ("ABBA", "BABA"):
        mine = stored["ablation"][(stored["group"] == group).values, 2, 5]
        assert float(means[group]) == pytest.approx(float(mine.mean()), rel=1e-5)


def test_it_follows_the_selected_head_and_the_map_selects_one(
    mount: Mount, stored: xr.Dataset
) -> None:
    lab = mount("data", selection={"layer": 2, "head": 5})
    lab.js("kernel.select({ layer: 1, head: 3 })")
    lab.wait("root.querySelector('[aria-label=cell]').value === 'L1H3'")
    lab.idle()
    truth = values_of(stored, 1, 3)
    assert [v for _, v in shown(lab)] == pytest.approx(sorted(truth.values(), reverse=True)[:20])
    cells: dict[str, str] = lab.js(
        """return Object.fromEntries([...root.querySelectorAll('[data-cell]')]
             .map(({ dataset }) => [dataset.cell, dataset.value]))"""
    )
    means = np.nanmean(stored["ablation"].values.astype(np.float64), axis=0)
    assert float(cells["L3H7"]) == pytest.approx(means[3, 7], rel=1e-6)
    lab.find('[aria-label="cell"]').fill("L3H7")
    lab.page.keyboard.press("Enter")
    lab.idle()
    assert lab.js("return [kernel.selection.layer, kernel.selection.head]") == [3, 7]
    truth = values_of(stored, 3, 7)
    assert shown(lab)[0][1] == pytest.approx(max(truth.values()))


def test_a_bar_a_group_and_a_word_filter_the_table(mount: Mount, stored: xr.Dataset) -> None:
    lab = mount("data", selection={"layer": 2, "head": 5})
    truth = values_of(stored, 2, 5)
    tallest = lab.find(".lw-data-bar").evaluate_all(
        "all => all.map(({ dataset }) => Number(dataset.value)).reduce("
        "(best, one, at, each) => one > each[best] ? at : best, 0)"
    )
    bar = lab.find(f'.lw-data-bar[data-bin="{tallest}"]')
    bar.hover()
    said = bar.get_attribute("aria-label")
    lab.wait("root.querySelector('[data-lw-readout]').textContent !== ''")
    assert lab.find(".lw-data-histogram [data-lw-readout]").inner_text() == said
    bar.click()
    lab.idle()
    low, high = (float(bar.get_attribute(f"data-{end}") or "") for end in ("low", "high"))
    inside = {record for record, v in truth.items() if low <= v < high}
    assert {record for record, _ in shown(lab)} == inside
    bar.click()
    lab.idle()
    lab.find('button[data-group="BABA"]').click()
    lab.idle()
    groups = dict(zip(stored["record"].values.tolist(), stored["group"].values, strict=True))
    assert {groups[record] for record, _ in shown(lab)} == {"BABA"}
    lab.find('[aria-label="text in prompts"]').fill("gave THE")
    lab.idle()
    texts = dict(zip(stored["record"].values.tolist(), stored["prompt"].values, strict=True))
    found = {r for r, t in texts.items() if "gave the" in t.lower() and groups[r] == "BABA"}
    assert {record for record, _ in shown(lab)} == found


def test_heads_sort_and_say_so(mount: Mount, stored: xr.Dataset) -> None:
    lab = mount("data", selection={"layer": 2, "head": 5})

    def sorted_by() -> Any:
        return lab.js(
            """return Object.fromEntries([...root.querySelectorAll('[aria-sort]')]
                 .map((head) => [head.dataset.sortColumn, head.ariaSort]))"""
        )

    assert sorted_by() == {"record": "none", "group": "none", "value": "descending"}
    lab.find('button[aria-label="sort by record"]').click()
    lab.idle()
    assert sorted_by()["record"] == "ascending"
    assert [r for r, _ in shown(lab)] == sorted(stored["record"].values.tolist())[:20]
    lab.find('button[aria-label="rows after"]').click()
    lab.idle()
    assert [r for r, _ in shown(lab)] == sorted(stored["record"].values.tolist())[20:]
    lab.find('button[aria-label="most negative"]').click()
    lab.idle()
    assert shown(lab)[0][1] == pytest.approx(min(values_of(stored, 2, 5).values()))


def test_a_row_opens_with_enter_and_shows_its_text_with_the_right_arrow(mount: Mount) -> None:
    lab = mount("data")
    press = lab.page.keyboard.press
    row = lab.find("[data-record]").first
    row.focus()
    press("ArrowDown")
    second = lab.find("[data-record]").nth(1)
    record = int(second.get_attribute("data-record") or "")
    assert lab.page.evaluate("document.activeElement.dataset.record") == str(record)
    press("ArrowRight")
    text = second.locator('[data-column="prompt"]').get_attribute("data-value") or ""
    assert text in lab.find(".lw-table-detail").inner_text()
    press("Enter")
    lab.wait("window.lab.kernel.requests.some(({ method }) => method === 'data/open_record')")
    lab.idle()
    asked = lab.js(
        "return kernel.requests.filter(({ method }) => method === 'data/open_record')[0].args"
    )
    assert asked["record"] == record
    assert lab.find('[role="alert"]').count() == 0


def test_the_open_prompt_is_marked(mount: Mount, stored: xr.Dataset, tmp_path: Path) -> None:
    first = mount("data", n_prompts=1)
    now = first.answer("session/tokens", prompt=0).attrs["text"]
    found = stored.copy(deep=True)
    found["prompt"][0] = now
    path = write(tmp_path / "marked", found)
    lab = mount(
        "data", n_prompts=1, options={"path": path, "sort_by": "record", "descending": False}
    )
    marked = lab.find('[data-record][aria-selected="true"]')
    assert marked.count() == 1
    assert marked.get_attribute("data-record") == str(found["record"].values[0])
    assert "open" in marked.inner_text()


def test_ten_thousand_records_are_a_few_rows(mount: Mount) -> None:
    lab = mount("data", options={"path": store_of_sentences(10_000)})
    assert lab.find("[data-record]").count() == 20
    assert lab.js("return root.querySelectorAll('*').length") < 1200
    lab.find('button[aria-label="last rows"]').click()
    lab.idle()
    assert "9,981 to 10,000 of 10,000" in lab.root.inner_text()
    assert lab.find("[data-record]").count() == 20


def test_what_is_missing_is_said(mount: Mount, stored: xr.Dataset, tmp_path: Path) -> None:
    lab = mount("data", options={"path": None})
    assert "lw.DataRun(" in lab.root.inner_text()
    lab = mount("data", rest="error", options={"path": str(tmp_path / "nowhere")})
    assert "holds no results" in lab.find('[role="alert"]').first.inner_text()
    path = write(tmp_path / "part", stored, waiting=10)
    lab = mount("data", options={"path": path})
    assert "29 of 39 records so far" in lab.root.inner_text()
    write(tmp_path / "part", stored)
    lab.find('button[aria-label="refresh"]').click()
    lab.wait("!root.textContent.includes('records so far')")
    lab.idle()
    assert "1 to 20 of 40" in lab.root.inner_text()


def test_many_cells_are_a_list_of_the_strongest(mount: Mount, tmp_path: Path) -> None:
    found = dataset(6, n_neurons=3000)
    path = write(tmp_path / "neurons", found)
    lab = mount("data", options={"path": path, "quantity": "activation"})
    means = np.abs(found["activation"].values).mean(axis=0)
    layer, neuron = map(int, np.unravel_index(means.argmax(), means.shape))
    names = lab.find("[data-cell]").evaluate_all("all => all.map(one => one.dataset.cell)")
    assert names[0] == f"L{layer}N{neuron}"
    lab.find("[data-cell]").nth(1).click()
    lab.idle()
    assert lab.find('[aria-label="cell"]').input_value() == names[1]
    at = names[1].removeprefix("L").split("N")
    truth = found["activation"][:, int(at[0]), int(at[1])].values
    assert [v for _, v in shown(lab)] == pytest.approx(sorted(truth, reverse=True))
