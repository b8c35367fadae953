"""Other things to see of attention: value-weighted, scores, averages, BOS left out, outlines."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Lab
from .test_attention import PICTURE, cell_point, weights
from .test_takeaway import copied, save

Mount = Callable[..., Lab]

# The colour of one cell's middle in the large pattern.
CELL = """
  const [q, k, n] = arg;
  const plot = root.querySelector('[data-lw-pattern]');
  const canvas = plot.querySelector('canvas');
  const left = Number(plot.dataset.left);
  const side = parseFloat(plot.style.width) - left;
  const ratio = canvas.width / parseFloat(plot.style.width);
  const x = Math.floor((left + ((k + 0.3) * side) / n) * ratio);
  const y = Math.floor((((q + 0.3) * side) / n) * ratio);
  return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data];
"""


def choose(lab: Lab, group: str, label: str) -> None:
    lab.find(f'[role="radiogroup"][aria-label="{group}"]').get_by_role(
        "radio", name=label, exact=True
    ).click()
    lab.idle()


def read_cell(lab: Lab, q: int, k: int) -> float:
    lab.page.mouse.move(*cell_point(lab, q, k, 15))
    lab.wait(
        "root.querySelector('[data-lw-readout]').dataset.queryPos === String(arg)"
        " && root.querySelector('[data-lw-readout]').dataset.value !== undefined",
        q,
    )
    return float(lab.find("[data-lw-readout]").first.get_attribute("data-value") or "nan")


def truth(lab: Lab, q: int, k: int, **args: Any) -> float:
    return weights(lab, **{"layer": 2, "head": 5, **args})[q * 15 + k]


@pytest.mark.parametrize(
    ("label", "mode", "unit"),
    [
        ("weights", "pattern", "attention"),
        ("× value size", "value", "attention × |value|"),
        ("scores", "scores", "score"),
    ],
)
def test_each_mode_shows_its_numbers_unit_and_definition(
    mount: Mount, label: str, mode: str, unit: str
) -> None:
    lab = mount("attention", selection={"layer": 2, "head": 5})
    before = lab.js(PICTURE)
    choose(lab, "what is shown of attention", label)
    plot = lab.find("[data-lw-pattern]").first
    assert plot.get_attribute("data-mode") == mode
    assert plot.get_attribute("data-exact") == "true"
    assert read_cell(lab, 9, 3) == pytest.approx(truth(lab, 9, 3, attention_mode=mode), abs=1e-6)
    assert lab.find(".lw-pattern-foot .lw-colorbar").inner_text().endswith(f" {unit}")
    assert "ttention" in lab.find(".lw-pattern-note").inner_text()
    lab.page.mouse.move(0, 0)
    assert (lab.js(PICTURE) == before) is (mode == "pattern")
    assert lab.js("return mounts[0].model.traits.attention_mode") == mode
    choose(lab, "show", "difference")
    assert lab.find(".lw-pattern-foot .lw-colorbar").inner_text().endswith(f"Δ {unit}")


def test_masked_scores_are_absent_not_zero(mount: Mount) -> None:
    lab = mount("attention", options={"attention_mode": "scores"})
    masked = lab.js(CELL, [2, 9, 15])
    assert masked == lab.js(CELL, [0, 14, 15])
    assert masked != lab.js(CELL, [9, 2, 15])
    lab.page.mouse.move(*cell_point(lab, 2, 9, 15))
    lab.wait("root.querySelector('[data-lw-readout]').dataset.queryPos === '2'")
    readout = lab.find("[data-lw-readout]").first
    assert readout.get_attribute("data-value") is None
    assert "–" in readout.inner_text()


@pytest.mark.parametrize(("label", "average"), [("layer mean", "layer"), ("all heads", "all")])
def test_averages_over_heads_are_shown_large(mount: Mount, label: str, average: str) -> None:
    lab = mount("attention", selection={"layer": 2, "head": 5})
    choose(lab, "average", label)
    title = lab.find(".lw-pattern-card .lw-title").inner_text()
    assert title.startswith(
        {"layer": "mean over the heads of L2", "all": "mean over all heads"}[average]
    )
    expected = truth(lab, 9, 3, head_average=average)
    assert read_cell(lab, 9, 3) == pytest.approx(expected, abs=1e-6)
    # A click elsewhere is answered at once, by the mean of the thumbnails.
    lab.js("kernel.manual = true")
    name = lab.js(
        """root.querySelector('[data-head=L1H4]').click();
           return root.querySelector('[data-lw-pattern]').dataset.lwPattern;"""
    )
    assert name == {"layer": "L1", "all": "all"}[average]
    assert lab.js("return root.querySelector('[data-lw-pattern] canvas').width") > 0
    lab.js("kernel.release()")
    lab.idle()


def test_bos_can_be_left_out_of_the_colours_and_keeps_its_number(mount: Mount) -> None:
    # Times the values, since the first query's weight of 1 on BOS then is the largest of all.
    mode = {"attention_mode": "value"}
    lab = mount("attention", selection={"layer": 2, "head": 5}, options=mode)
    bar = lab.find(".lw-pattern-foot .lw-colorbar")
    scale = bar.inner_text()
    before = lab.js(CELL, [9, 0, 15])
    box = lab.find('input[aria-label="leave BOS out of the colours"]')
    box.check()
    lab.idle()
    assert bar.inner_text() != scale, "the scale is that of the rest"
    assert lab.js(CELL, [9, 0, 15]) != before
    assert "BOS has no colour" in lab.find(".lw-pattern-note").inner_text()
    assert read_cell(lab, 9, 0) == pytest.approx(truth(lab, 9, 0, **mode), abs=1e-6)
    assert lab.js("return mounts[0].model.traits.settings.skip_bos") is True
    box.uncheck()
    assert bar.inner_text() == scale


def test_a_prompt_without_bos_has_nothing_to_leave_out(mount: Mount) -> None:
    lab = mount("attention", tokens=["When", "·John", "·and"], settings={"skip_bos": True})
    assert lab.find('input[aria-label="leave BOS out of the colours"]').is_disabled()
    assert lab.find(".lw-pattern-foot .lw-colorbar").inner_text() == "0 to 1 attention"


def test_scores_that_cannot_be_had_leave_the_pattern_in_place(mount: Mount) -> None:
    lab = mount("attention")
    before = lab.js(PICTURE)
    lab.js("kernel.failures = { 'attention/patterns': 'this model reports its pattern only' }")
    lab.find('[role="radio"][data-option="scores"]').click()
    lab.wait_status("error")
    assert "pattern only" in lab.find('[role="alert"]').first.inner_text()
    assert lab.js(PICTURE) == before
    assert lab.find(".lw-pattern-foot .lw-colorbar").inner_text() == "0 to 1 attention"
    lab.js("kernel.failures = {}")
    lab.find('[role="radio"][data-option="pattern"]').click()
    lab.idle()
    assert lab.find('[role="alert"]').count() == 0


def test_the_large_pattern_is_taken_away_as_table_and_code(mount: Mount) -> None:
    lab = mount("attention", selection={"layer": 2, "head": 5}, interventions=["L0H1"])
    args = {"prompt": 0, "show": "current", "layer": 2, "head": 5}
    args |= {"attention_mode": "pattern", "head_average": "none"}
    table = list(csv.DictReader(io.StringIO(save(lab, "save CSV").decode())))
    assert [float(row["pattern"]) for row in table] == weights(lab, layer=2, head=5)
    texts = lab.js("return kernel.prompts[0].texts")
    n = len(texts)
    assert [row["query_token"] for row in table] == [text for text in texts for _ in range(n)]
    assert [row["key_token"] for row in table] == texts * n
    lab.wait("root.querySelector('[role=menu]') === null")
    assert copied(lab, "copy code") == lab.answer("attention/code", **args).attrs["code"]
