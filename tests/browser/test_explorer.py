"""The four views together: one header, one selection, one state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from . import real_sessions
from .conftest import Lab

Mount = Callable[..., Lab]
PARTS = ["token", "attention", "attribution", "ablation"]


def test_the_four_views_are_there_under_one_header(mount: Mount) -> None:
    lab = mount("explorer")
    for part in PARTS:
        view = lab.find(f'[data-lw-view="{part}"]')
        assert view.count() == 1
        assert view.get_attribute("data-lw-status") == "idle"
    assert lab.find("[data-lw-metric]").count() == 1
    assert lab.find(".lw-head").count() == 1


def test_the_root_sums_up_its_parts(mount: Mount) -> None:
    lab = mount("explorer")
    seqs = [
        int(lab.find(f'[data-lw-view="{part}"]').get_attribute("data-lw-seq") or 0)
        for part in PARTS
    ]
    assert int(lab.attribute("data-lw-seq")) == max(seqs)
    lab.js("kernel.manual = true; kernel.select({ layer: 1, head: 1 })")
    assert lab.attribute("data-lw-status") == "busy"
    lab.js("kernel.manual = false; while (kernel.held.length > 0) kernel.release()")
    lab.idle()


def test_a_head_clicked_anywhere_is_selected_everywhere(mount: Mount) -> None:
    lab = mount("explorer")
    lab.find(".lw-attr-more").click()
    lab.find('[data-lw-view="attribution"] [role="row"][data-component="L1H4"]').click()
    lab.idle()
    assert lab.find("[data-lw-pattern]").first.get_attribute("data-lw-pattern") == "L1H4"
    assert lab.head("L1H4").get_attribute("aria-selected") == "true"


def test_hovering_a_row_previews_its_head(mount: Mount) -> None:
    lab = mount("explorer", selection={"layer": 0, "head": 0})
    lab.find(".lw-attr-more").click()
    lab.find('[data-lw-view="attribution"] [role="row"][data-component="L1H4"]').hover()
    lab.wait("root.querySelector('[data-lw-pattern]').dataset.lwPattern === 'L1H4'")
    lab.page.mouse.move(2, 2)
    lab.wait("root.querySelector('[data-lw-pattern]').dataset.lwPattern === 'L0H0'")


def test_one_toggle_moves_every_number_and_undo_takes_it_back(mount: Mount) -> None:
    lab = mount("explorer")
    before = float(lab.find("[data-lw-metric]").get_attribute("data-current") or "nan")
    lab.find(".lw-attr-more").click()
    switch = lab.find('[data-lw-view="attribution"] [role="switch"][aria-label="ablate L3H1"]')
    switch.click()
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    for part in PARTS:
        assert lab.find(f'[data-lw-view="{part}"]').get_attribute("data-lw-revision") == "2"
    told = lab.answer("session/metric").attrs
    metric = lab.find("[data-lw-metric]")
    assert float(metric.get_attribute("data-current") or "nan") == told["current"] != before
    assert lab.head("L3H1").get_attribute("data-ablated") == "true"
    assert lab.find('[role="switch"][aria-label="ablate L3H1"][aria-checked="true"]').count() >= 1
    assert lab.find('[data-intervention][data-component="L3H1"]').count() == 1

    lab.find('button[aria-label="undo"]').click()
    lab.wait("root.dataset.lwRevision === '3' && root.dataset.lwStatus === 'idle'")
    assert float(metric.get_attribute("data-current") or "nan") == before
    assert lab.find("[data-intervention]").count() == 0


def test_a_new_prompt_reaches_every_view(mount: Mount) -> None:
    lab = mount("explorer")
    lab.find('button[aria-label="edit prompt"]').click()
    lab.find('textarea[aria-label="prompt"]').fill("Then Tom saw Anna")
    lab.page.keyboard.press("Control+Enter")
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    texts = lab.js(
        """return [...root.querySelectorAll('[data-lw-view=token] .lw-token')]
             .map((chip) => chip.textContent)"""
    )
    assert texts == ["<bos>", "Then", "·Tom", "·saw", "·Anna"]
    plot = lab.find("[data-lw-pattern]").first
    assert plot.get_attribute("aria-rowcount") == "5"


def test_an_error_in_one_view_leaves_the_others_alone(mount: Mount) -> None:
    lab = mount("explorer", rest="error", failures={"attribution/rows": "no direct effects here"})
    assert lab.find('[role="alert"]').count() == 1
    for part in ["token", "attention", "ablation"]:
        view = lab.find(f'[data-lw-view="{part}"]')
        assert view.get_attribute("data-lw-status") == "idle"
    lab.head("L1H1").click()
    lab.wait("root.querySelector('[data-lw-pattern]').dataset.exact === 'true'")


def test_nothing_moves_when_numbers_change(mount: Mount) -> None:
    lab = mount("explorer", delay_ms=[5, 40])
    boxes = """return [...root.querySelectorAll('.lw-card, .lw-head, .lw-card-head, .lw-metric')]
      .map((el) => el.getBoundingClientRect())
      .map(({ x, y, width, height }) => [x, y, width, height])"""
    before = lab.js(boxes)
    lab.head("L2H2").click()
    lab.idle()
    assert lab.js(boxes) == before
    lab.js("kernel.ablate('L3H1')")
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    moved = [(a, b) for a, b in zip(before, lab.js(boxes), strict=True) if a != b]
    assert moved == []


def test_separate_widgets_are_linked_through_the_kernel(mount: Mount) -> None:
    lab = mount("attention", "ablation", "attribution")
    lab.head("L3H2").click()
    lab.idle()
    for model in (0, 1, 2):
        selection = lab.js(f"return mounts[{model}].model.traits.selection")
        assert (selection["layer"], selection["head"]) == (3, 2)
    other = lab.page.locator('[data-lw-view="attribution"]')
    other.locator('[role="switch"][aria-label="ablate L3H2"]').click()
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    assert lab.head("L3H2").get_attribute("data-ablated") == "true"


def test_resizing_redraws(mount: Mount) -> None:
    lab = mount("explorer", width=1400)
    wide = lab.js("return root.querySelector('[data-lw-pattern]').getBoundingClientRect().width")
    lab.page.set_viewport_size({"width": 700, "height": 900})
    lab.wait("root.querySelector('[data-lw-pattern]').getBoundingClientRect().width !== arg", wide)
    drawn = lab.js(
        """const canvas = root.querySelector('[data-lw-pattern] canvas');
           const box = canvas.getBoundingClientRect();
           return [canvas.width, Math.round(box.width * devicePixelRatio)];"""
    )
    assert drawn[0] == drawn[1]
    lab.wait("document.documentElement.scrollWidth <= 700")


# --- as one instrument ----------------------------------------------------------------------------

SIZES = [(4, 8), (12, 12), (30, 9), (32, 32)]


@pytest.mark.parametrize(("layers", "heads"), SIZES)
@pytest.mark.parametrize("width", [970, 1400])
def test_it_is_one_screen_of_three_columns(
    mount: Mount, layers: int, heads: int, width: int
) -> None:
    head = {"layer": layers - 1, "head": heads - 1}
    lab = mount("explorer", n_layers=layers, n_heads=heads, width=width, selection=head)
    assert lab.js("return root.getBoundingClientRect().height") <= 900
    boxes = lab.js(
        """return ['.lw-heads-card', '.lw-pattern-card', '[data-lw-view=attribution]']
             .map((name) => root.querySelector(name).getBoundingClientRect())
             .map(({ left, right, top }) => ({ left, right, top }))"""
    )
    assert boxes[0]["right"] <= boxes[1]["left"] + 1
    assert boxes[1]["right"] <= boxes[2]["left"] + 1
    outside = lab.js(
        """const frame = root.querySelector('.lw-explorer-columns').getBoundingClientRect();
           return [...root.querySelectorAll('.lw-explorer-columns *')]
             .filter((one) => one.checkVisibility())
             .filter((one) => !one.closest('.lw-pattern-card > .lw-body, .lw-table'))
             .filter((one) => !one.closest('.lw-attr-note > *'))
             .map((one) => [one.className, one.getBoundingClientRect()])
             .filter(([, box]) => box.right > frame.right + 1 || box.bottom > frame.bottom + 1)
             .map(([name]) => String(name))"""
    )
    assert outside == []
    # The selected head is in sight, large enough to be hit.
    cell = lab.find('.lw-heads-card [data-selected="true"]').bounding_box()
    assert cell is not None
    assert min(cell["width"], cell["height"]) >= 20


def test_below_that_width_the_parts_stand_below_each_other(mount: Mount) -> None:
    lab = mount("explorer", width=700)
    tops = lab.js(
        """return ['.lw-heads-card', '.lw-pattern-card', '[data-lw-view=attribution]']
             .map((name) => root.querySelector(name).getBoundingClientRect().top)"""
    )
    assert tops == sorted(tops)
    assert lab.js("return root.scrollWidth <= root.clientWidth")


def test_the_header_says_what_became_of_the_next_token(mount: Mount) -> None:
    lab = mount("explorer")
    lab.js("kernel.ablate('L3H1')")
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    told = lab.answer("ablation/predictions", prompt=0)
    tokens = [str(token) for token in told["token"].values]
    shown = lab.find(".lw-top-token")
    for which, attribute in (("baseline", "data-before"), ("current", "data-now")):
        likeliest = tokens[int(told[which].values.argmax())]
        assert shown.get_attribute(attribute) == likeliest


def test_heads_are_named_by_where_they_look_and_whether_they_copy(mount: Mount) -> None:
    lab = mount(
        "explorer",
        real={"name": "ioi", "traits": real_sessions.traits("ioi")},
        options=real_sessions.options("ioi", "explorer"),
    )
    told = lab.answer("head_scores/scores", prompt=None)
    looks = told["baseline"].sel(kind=["previous", "induction", "duplicate"]).fillna(0.0)
    copies = lab.answer("head_scores/copies")
    expected = {}
    for layer in range(looks.sizes["layer"]):
        for head in range(looks.sizes["head"]):
            of_head = looks[:, layer, head]
            best = int(of_head.argmax("kind"))
            kinds = [str(looks["kind"].values[best])] if float(of_head[best]) >= 0.4 else []
            score = float(copies["score"][layer, head])
            kinds += ["copies"] if score >= copies.attrs["named_from"] else []
            if kinds:
                expected[f"L{layer}H{head}"] = " ".join(kinds)
    assert "copies" in expected["L2H6"]
    cells = "[...root.querySelectorAll('.lw-heads-card .lw-head-cell[data-mark]')]"
    lab.wait(f"{cells}.length === {len(expected)}")
    assert (
        lab.js(f"return Object.fromEntries({cells}.map((c) => [c.dataset.head, c.dataset.mark]))")
        == expected
    )
    # The number is there on hover, and the legend counts.
    title = lab.find('.lw-heads-card [data-head="L2H6"]').get_attribute("title")
    assert f"copies {float(copies['score'][2, 6]):.2f}" in str(title)
    counted = sum("copies" in kinds for kinds in expected.values())
    assert f"copies {counted}" in lab.find(".lw-roles").inner_text()


TABS = [
    "circuit",
    "patching",
    "logit_lens",
    "weight_circuit",
    "composition",
    "score_decomposition",
    "head_scores",
    "neuron",
    "loss",
    "activation_browser",
    "model_card",
]


@pytest.mark.parametrize("tab", TABS)
def test_every_other_view_is_a_tab_over_the_same_selection(mount: Mount, tab: str) -> None:
    lab = mount("explorer", width=1600)
    assert lab.find(f'[data-lw-view="{tab}"]').count() == 0
    lab.open_tab(tab)
    lab.wait(f"root.querySelector('[data-lw-view={tab}]')?.dataset.lwStatus === 'idle'")
    assert not lab.find(".lw-pattern-card").is_visible()
    lab.js("kernel.ablate('L3H1')")
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    assert lab.find(f'[data-lw-view="{tab}"]').get_attribute("data-lw-revision") in ("1", "2")
    lab.open_tab("pattern")
    assert lab.find(f'[data-lw-view="{tab}"]').count() == 0
    assert lab.find(".lw-pattern-card").is_visible()


def test_tabs_are_reached_by_keyboard(mount: Mount) -> None:
    lab = mount("explorer", width=1600)
    lab.find('[role="tab"][data-tab="pattern"]').focus()
    lab.page.keyboard.press("ArrowRight")
    assert lab.find('[role="tab"][data-tab="circuit"]').get_attribute("aria-selected") == "true"
    lab.page.keyboard.press("Home")
    assert lab.find('[role="tab"][data-tab="pattern"]').get_attribute("aria-selected") == "true"


def test_a_head_is_switched_off_beside_its_name(mount: Mount) -> None:
    lab = mount("explorer")
    lab.head("L2H2").click()
    lab.find('.lw-pattern-card [role="switch"]').click()
    lab.wait("root.dataset.lwRevision === '2' && root.dataset.lwStatus === 'idle'")
    assert lab.head("L2H2").get_attribute("data-ablated") == "true"


def test_few_rows_are_shown_and_all_on_demand(mount: Mount) -> None:
    lab = mount("explorer", selection={"layer": 0, "head": 0})
    rows = lab.find(
        '[data-lw-view="attribution"] [role="row"][data-component]:not([data-component="total"])'
    )
    few = rows.count()
    assert "L0H0" in rows.evaluate_all("all => all.map((row) => row.dataset.component)")
    lab.find(".lw-attr-more").click()
    assert rows.count() > few
