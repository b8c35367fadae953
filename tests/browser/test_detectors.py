"""Detectors: maps and list of head scores, the stripe over patterns, loss by position."""

from __future__ import annotations

import csv
from collections.abc import Callable

import numpy as np
import pytest

from .conftest import Lab
from .test_attention_modes import choose
from .test_takeaway import save

Mount = Callable[..., Lab]
REPEATED = ["<bos>", *"abcdef", *"abcdef"]
CELLS = " ".join(f"{q},{q - 5}" for q in range(5, 13))
# Whether the edge of a cell is in the accent's blue, which no weight has.
OUTLINED = """
  const [q, k, n] = arg;
  const plot = root.querySelector('[data-lw-pattern]');
  const canvas = plot.querySelector('canvas');
  const left = Number(plot.dataset.left);
  const cell = (parseFloat(plot.style.width) - left) / n;
  const ratio = canvas.width / parseFloat(plot.style.width);
  const accent = getComputedStyle(root).getPropertyValue('--lw-accent').trim();
  const wanted = [1, 3, 5].map((i) => parseInt(accent.slice(i, i + 2), 16));
  const row = canvas.getContext('2d').getImageData(
    Math.round((left + k * cell) * ratio), Math.round((q + 0.5) * cell * ratio), 4, 1).data;
  return [0, 4, 8, 12].some((at) => wanted.every((c, i) => Math.abs(row[at + i] - c) < 24));
"""


def listed(lab: Lab, head: str, kind: str) -> str:
    return f'.lw-ranked [data-head="{head}"][data-kind="{kind}"]'


def test_a_listed_head_is_selected_everywhere_and_its_stripe_outlined(mount: Mount) -> None:
    lab = mount("attention", "head_scores", tokens=REPEATED, n_prompts=3, options={"threshold": 0})
    scores = Lab(lab.page, "head_scores")
    scores.idle()
    assert lab.find("[data-lw-stripe]").count() == 0
    row = scores.find(listed(scores, "L2H0", "induction"))
    assert scores.find('.lw-ranked [data-kind="induction"]').count() == 3, "the highest three"
    scores.find('[aria-label="29 more induction heads"]').click()
    row.click()
    lab.wait("root.querySelector('[data-outlined]')?.dataset.outlined === arg", CELLS)
    lab.idle()
    assert lab.find("[data-lw-pattern]").first.get_attribute("data-lw-pattern") == "L2H0"
    assert lab.js(OUTLINED, [9, 4, 13])
    assert not lab.js(OUTLINED, [9, 6, 13])
    stripe = lab.answer("attention/stripe", prompt=0, stripe="induction")
    told = lab.find('[data-lw-stripe="induction"] [data-stripe-of="L2H0"]')
    assert float(told.get_attribute("data-value") or "nan") == float(stripe["current"][2, 0])
    assert float(told.get_attribute("data-mean") or "nan") == float(stripe["mean_current"][2, 0])
    scored = lab.answer("head_scores/scores", prompt=None)["current"].sel(kind="induction")
    assert float(row.get_attribute("data-value") or "nan") == float(scored[2, 0])

    # A click on the same row, or the choice in the view, takes the outline away.
    row.click()
    lab.wait("root.querySelector('[data-lw-stripe]') === null")
    assert lab.js("return kernel.selection")["stripe"] is None
    lab.find('select[aria-label="stripe"]').select_option("previous")
    lab.find('[data-lw-stripe="previous"]').wait_for()
    scores.find('[data-kind="previous"] .lw-outlined').wait_for()


def test_a_cell_of_a_kinds_map_outlines_that_kind_also_of_the_selected_head(mount: Mount) -> None:
    lab = mount("head_scores", tokens=REPEATED, selection={"layer": 1, "head": 2})
    for kind in ("duplicate", "induction"):
        lab.find(f'[data-kind="{kind}"] [role="gridcell"][data-head="L1H2"]').click()
        assert lab.js("return kernel.selection")["stripe"] == kind
    lab.page.keyboard.press("Escape")
    assert lab.js("return kernel.selection")["stripe"] == "induction"
    cell = lab.find('[data-kind="induction"] [role="gridcell"][data-head="L1H2"]')
    scored = lab.answer("head_scores/scores", prompt=None)["current"].sel(kind="induction")
    assert float(cell.get_attribute("data-value") or "nan") == float(scored[1, 2])
    assert "±" in (cell.get_attribute("aria-label") or "")


def test_a_stripe_follows_previews_means_and_the_run_that_is_shown(mount: Mount) -> None:
    lab = mount(
        "attention",
        tokens=REPEATED,
        n_prompts=1,
        interventions=["L0H1"],
        selection={"layer": 2, "head": 0, "stripe": "induction"},
    )
    stripe = lab.answer("attention/stripe", prompt=0, stripe="induction")
    before, now = stripe["baseline"].values, stripe["current"].values
    told = lab.find("[data-stripe-of]")

    def value() -> float:
        return float(told.get_attribute("data-value") or "nan")

    assert value() == float(now[2, 0])
    choose(lab, "show", "difference")
    assert value() == pytest.approx(float(now[2, 0] - before[2, 0]), abs=1e-6)
    choose(lab, "show", "baseline")
    choose(lab, "average", "layer mean")
    assert value() == pytest.approx(float(before[2].mean()), abs=1e-6)
    choose(lab, "average", "head")
    lab.head("L1H3").hover()
    lab.wait("root.querySelector('[data-stripe-of]').dataset.stripeOf === 'L1H3'")
    assert value() == float(before[1, 3])


def test_where_no_prompt_has_a_kind_the_views_say_so_in_words(mount: Mount) -> None:
    lab = mount("head_scores", "attention", tokens=["<bos>", *"abcd"], n_prompts=2)
    for kind in ("induction", "duplicate"):
        part = lab.find(f'[data-kind="{kind}"]')
        assert f"{kind} stripe: it needs a token that occurs twice." in part.inner_text()
        assert part.locator("canvas").count() == 0
    pattern = Lab(lab.page, "attention")
    pattern.find('select[aria-label="stripe"]').select_option("induction")
    caption = pattern.find('[data-lw-stripe="induction"]')
    caption.wait_for()
    assert caption.inner_text().startswith("No prompt has an induction stripe")
    assert pattern.find("[data-outlined]").count() == 0


def test_the_kind_of_ablation_is_chosen_beside_the_loss_map(mount: Mount) -> None:
    lab = mount("head_scores")
    assert lab.find('[data-kind="loss"]').count() == 0
    lab.find('button[aria-label="ablate each head, show the loss"]').click()
    cell = lab.find('[data-kind="loss"] [data-head="L1H3"]')
    for kind in ("zero", "mean"):
        choose(lab, "kind of ablation", kind)
        effects = lab.answer("head_scores/loss_effects", ablation_kind=kind)["loss_change"]
        assert float(cell.get_attribute("data-value") or "nan") == float(effects[1, 3])
        assert f"({kind})" in lab.find('[data-kind="loss"]').inner_text()
    rows = [*csv.DictReader(save(lab, "save CSV").decode().splitlines())]
    assert len(rows) == 5 * 32
    one = rows[11]
    assert (one["kind"], one["layer"], one["head"]) == ("previous", "1", "3")
    scores = lab.answer("head_scores/scores", prompt=None)
    for which in ("baseline", "current", "sem"):
        expected = np.float32(scores[which].sel(kind="previous")[1, 3])
        assert np.float32(one[which] or "nan") == pytest.approx(expected, nan_ok=True)


def test_a_position_of_the_losses_is_selected_by_a_click_and_taken_away(mount: Mount) -> None:
    lab = mount("loss", "attention", tokens=REPEATED, n_prompts=1)
    plot = lab.find('[role="slider"]')
    box = plot.bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    at = int(plot.get_attribute("aria-valuenow") or -1)
    lab.page.mouse.down()
    lab.page.mouse.up()
    lab.wait("window.lab.kernel.selection.query_pos === arg", at)
    assert at > 2
    found = lab.answer("loss/losses", prompt=None)
    for which, value in zip(("first", "second"), found["current_halves"], strict=True):
        shown = lab.find(f'[data-half="{which}"]').get_attribute("data-value")
        assert float(shown or "nan") == float(value)
    assert "±" not in lab.find(".lw-chart-readout").inner_text()
    rows = [*csv.DictReader(save(lab, "save CSV").decode().splitlines())]
    for which in ("baseline", "current"):
        saved = np.array([float(row[which]) for row in rows[:-1]], dtype=np.float32)
        np.testing.assert_array_equal(saved, found[which][:-1])
    assert set(rows[-1].values()) == {"12", ""}


def test_losses_of_texts_without_a_repetition_say_nothing_of_halves(mount: Mount) -> None:
    lab = mount("loss", n_tokens=14, n_prompts=1)
    assert lab.find("[data-half]").count() == 0
    assert "half" not in lab.root.inner_text()


def test_the_table_that_is_read_aloud_makes_no_page_longer(mount: Mount) -> None:
    lab = mount("loss", n_tokens=200, n_prompts=1)
    assert lab.find("td[data-series]").count() == 200
    assert lab.js("return document.documentElement.scrollHeight <= innerHeight")
