"""Tokens guessed right, and the same text with and without BOS."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import numpy as np
import pytest

from . import real_sessions
from .conftest import Lab
from .test_takeaway import copied, save

Mount = Callable[..., Lab]


def test_next_tokens_ranked_first_are_counted_and_marked(mount: Mount) -> None:
    lab = mount("token", interventions=["L1H4"])
    stats = lab.answer("token/stats", prompt=0)
    ranks = stats["rank"].values[:-1]
    hits = [bool(rank == 0) for rank in ranks]
    line = lab.find(".lw-token-hits")
    assert int(line.get_attribute("data-hits") or -1) == sum(hits)
    assert int(line.get_attribute("data-of") or -1) == len(hits)
    before = int((stats["baseline_rank"].values[:-1] == 0).sum())
    assert said(before, sum(hits), len(hits)) in line.inner_text()
    found = lab.answer("token/hits")
    before, now = found["hits"].values.tolist()
    everywhere = said(before, now, found.attrs["n_predicted"])
    assert f"in all prompts {everywhere}" in line.inner_text()
    guessed = lab.js(
        """return [...root.querySelectorAll('.lw-tokens [data-pos]')]
             .map((chip) => chip.dataset.guessed === 'true')"""
    )
    assert guessed == [False, *hits]
    label = lab.find('.lw-tokens [data-guessed="true"]').first.get_attribute("aria-label")
    assert (label or "").endswith("guessed right")


def said(before: int, now: int, of: int) -> str:
    moved = str(now) if before == now else f"{before} → {now}"
    return f"{moved} of {of} next tokens ranked first"


def test_chips_card_and_table_say_what_the_kernel_answered(mount: Mount) -> None:
    lab = mount("token", interventions=["L1H4"])
    stats = lab.answer("token/stats", prompt=0)
    shown = lab.js(
        """return [...root.querySelectorAll('.lw-tokens [data-pos]')]
             .map(({ dataset }) => dataset.value)"""
    )
    assert shown[-1] == ""
    assert [float(value) for value in shown[:-1]] == stats["loss"].values[:-1].tolist()
    lab.find('.lw-tokens [data-pos="3"]').hover()
    card = lab.find('[data-lw-card="3"]')
    for column, name in (("prob", "prob"), ("rank", "rank"), ("baseline", "baseline_loss")):
        value = card.locator(f'[data-column="{column}"]').get_attribute("data-value")
        assert float(value or "nan") == float(stats[name][3])
    rows = card.locator("[data-top-token]").all()
    assert [int(row.get_attribute("data-top-token") or -1) for row in rows] == (
        stats["top_token_id"].values[3].tolist()
    )
    assert [float(row.get_attribute("data-value") or "nan") for row in rows] == (
        stats["top_prob"].values[3].tolist()
    )
    table = list(csv.DictReader(io.StringIO(save(lab, "save CSV").decode())))
    texts = lab.js("return kernel.prompts[0].texts")
    assert [row["token"] for row in table] == texts
    for name in ("loss", "baseline_loss", "prob", "rank", "baseline_rank"):
        values = [float(row[name] or "nan") for row in table]
        np.testing.assert_array_equal(values, stats[name].values)


def test_the_code_is_the_scripts_for_the_shown_prompt(mount: Mount) -> None:
    lab = mount("token", selection={"prompt": 1})
    code = lab.answer("token/code", prompt=1).attrs["code"]
    assert copied(lab, "copy code") == code


@pytest.mark.parametrize("bos", [True, False])
def test_both_tokenizations_stand_over_each_other(mount: Mount, bos: bool) -> None:
    texts = ["<bos>", "When", "·John", "·and", "·Mary", "·went", "·to"]
    lab = mount("token", tokens=texts if bos else texts[1:])
    button = lab.page.get_by_role("button", name="compare BOS")
    button.click()
    lab.wait("root.querySelector('.lw-token-bos') !== null")
    lab.idle()
    found = lab.answer("token/compare_bos", prompt=0)
    losses = found["loss"].values
    n = found.sizes["pos"]
    assert found["token"].values.tolist() == texts
    for row, name in enumerate(("with", "without")):
        shown = lab.js(
            """return [...root.querySelectorAll(`.lw-token-bos [data-bos=${arg}]`)]
                 .map(({ dataset }) => [Number(dataset.pos), Number(dataset.tokenId),
                   dataset.value === '' ? null : Number(dataset.value)])""",
            name,
        )
        start = row
        assert [pos for pos, _, _ in shown] == list(range(start, n))
        assert [token for _, token, _ in shown] == found["token_id"].values[start:].tolist()
        for pos, _, loss in shown[:-1]:
            assert loss == float(losses[row, pos])
        assert shown[-1][2] is None, "nothing follows the last"
    boxes = lab.js(
        """return ['with', 'without'].map((bos) => {
             const box = root.querySelector(`[data-bos=${bos}][data-pos="5"]`)
               .getBoundingClientRect();
             return [box.x, box.y, box.width]; })"""
    )
    (x1, y1, w1), (x2, y2, w2) = boxes
    assert (x1, w1) == (x2, w2)
    assert y2 > y1
    own = "with" if bos else "without"
    assert f"prompts {own} BOS" in lab.find(".lw-token-bos").inner_text()
    shared = losses[0, 1 : n - 1].tolist()
    told = float(lab.find("[data-loss-with]").get_attribute("data-loss-with") or "nan")
    assert told == pytest.approx(sum(shared) / len(shared), abs=1e-6)
    button.click()
    assert lab.find(".lw-token-bos").count() == 0


def test_a_tokenizer_without_bos_is_told_in_the_view(mount: Mount) -> None:
    lab = mount("token", failures={"token/compare_bos": "This model's tokenizer has no BOS token."})
    lab.page.get_by_role("button", name="compare BOS").click()
    lab.wait_status("error")
    assert "no BOS token" in lab.find('[role="alert"]').inner_text()
    lab.page.get_by_role("button", name="compare BOS").click()
    lab.idle()


def test_what_was_put_in_front_of_the_text_is_marked(mount: Mount) -> None:
    lab = mount("token")
    added = lab.answer("session/tokens", prompt=0).attrs["added"]
    assert len(added) == 1
    marked = lab.js(
        """return [...root.querySelectorAll('.lw-tokens [data-pos]')]
             .flatMap(({ dataset, title }) => (dataset.added ? [[dataset.pos, title]] : []))"""
    )
    assert marked == [["0", "put in front by the tokenizer: not in the prompt's text"]]


def test_a_prompt_of_700_tokens_is_read_and_edited(mount: Mount) -> None:
    lab = mount("token", n_layers=1, n_heads=2, n_tokens=700, n_prompts=1)
    chips = lab.find(".lw-tokens [data-pos]")
    assert chips.count() == 700
    inside = lab.js(
        """const strip = root.querySelector('.lw-tokens').getBoundingClientRect();
        return strip.height < 400 && strip.right <= root.getBoundingClientRect().right"""
    )
    assert inside
    chips.nth(0).focus()
    lab.page.keyboard.press("End")
    last = lab.find('[data-lw-card="699"]')
    last.wait_for()
    assert lab.js("return root.querySelector('.lw-tokens').scrollTop > 0")
    lab.find('button[aria-label="edit prompt"]').click()
    text = lab.answer("session/tokens", prompt=0).attrs["text"]
    area = lab.find('textarea[aria-label="prompt"]')
    assert area.input_value() == text
    height = area.evaluate("area => area.parentElement.getBoundingClientRect().height")
    assert height <= 220
    # What is typed at the end is seen.
    area.focus()
    lab.page.keyboard.press("Control+End")
    lab.page.keyboard.type(" end")
    bottom = area.evaluate(
        "({ parentElement: box }) => box.scrollTop > 0"
        " && box.scrollTop + box.clientHeight >= box.scrollHeight - 30"
    )
    assert bottom


@pytest.mark.parametrize("view", ["token", "explorer"])
def test_positions_that_have_a_name_show_it_and_are_picked_by_it(mount: Mount, view: str) -> None:
    model = "ioi"
    lab = mount(
        view,
        real={"name": model, "traits": real_sessions.traits(model)},
        options=real_sessions.options(model, view),
    )
    spans = real_sessions.real_session(model).spans
    strip = lab.find('[role="listbox"][aria-label="tokens"].lw-tokens').first
    places = {name: span.places[0][0] for name, span in spans.items()}
    assert set(places) == {"IO", "S1", "S2", "end"}
    for name, pos in places.items():
        chip = strip.locator(f'[data-pos="{pos}"]')
        assert chip.get_attribute("data-span") == name
        assert f" {pos}, {name}" in (chip.get_attribute("aria-label") or "")
        label = chip.locator(".lw-token-span")
        assert label.inner_text() == name
        label.click()
        assert lab.js("return kernel.selection.query_pos") == pos
    assert strip.locator("[data-span]").count() == len(places)


def test_without_names_nothing_is_marked(mount: Mount) -> None:
    lab = mount("token")
    assert lab.find("[data-span]").count() == 0


@pytest.mark.parametrize("view", ["token", "explorer"])
def test_tokens_are_coloured_by_what_the_selected_head_attends_to(mount: Mount, view: str) -> None:
    lab = mount(view, interventions=["L1H4"], selection={"layer": 1, "head": 2, "query_pos": 5})
    strip = "root.querySelector('.lw-token-body .lw-tokens')"
    values = f"[...{strip}.querySelectorAll('[data-pos]')].map((chip) => chip.dataset.value)"

    def shown(position: int, line: str, head: int = 2) -> None:
        lab.wait(
            "root.querySelector('[data-attended]')?.dataset.attended === String(arg[0])"
            " && root.querySelector('[data-attended]').innerText.includes(arg[1])",
            [position, f"L1H{head}"],
        )
        asked = {"show": "current", "attention_mode": "pattern", "head_average": "none"}
        told = lab.answer("attention/pattern", prompt=0, layer=1, head=head, **asked)["pattern"]
        expected = told[position] if line == "row" else told[:, position]
        assert [float(value) for value in lab.js(f"return {values}")] == expected.values.tolist()

    def colour(by: str) -> None:
        if view == "explorer":
            lab.find('select[aria-label="colour by"]').select_option(by)
        else:
            lab.find(f'.lw-seg[aria-label="colour by"] [data-option="{by}"]').click()

    colour("from")
    # The picked token, then the one that is pointed at; another head; and the other way.
    shown(5, "row")
    chips = lab.find(".lw-token-body .lw-tokens")
    chips.locator('[data-pos="7"]').hover()
    shown(7, "row")
    assert "background" in str(chips.locator('[data-pos="0"]').get_attribute("style"))
    lab.js("kernel.select({ layer: 1, head: 3 })")
    shown(7, "row", 3)
    colour("to")
    chips.locator('[data-pos="2"]').click()
    shown(2, "column", 3)
    assert lab.js("return kernel.selection.key_pos") == 2
    colour("loss")
    lab.wait("!root.querySelector('[data-attended]')")
    losses = lab.answer("token/stats", prompt=0)["loss"].values
    assert [float(v) for v in lab.js(f"return {values}")[:-1]] == losses[:-1].tolist()
