"""The token strip, the attribution table and the ablation panel: what their cells say and do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from .conftest import Lab
from .test_takeaway import save

Mount = Callable[..., Lab]
AT_REST = "root.dataset.lwRevision === arg && root.dataset.lwStatus === 'idle'"


def number(lab: Lab, selector: str) -> float:
    return float(lab.find(selector).first.get_attribute("data-value") or "nan")


def test_tokens_are_chips_with_their_positions(mount: Mount) -> None:
    lab = mount("token")
    texts = lab.js("return kernel.prompts[0].texts")
    chips = lab.js(
        """return [...root.querySelectorAll('[data-token-id][data-pos]')]
             .map((chip) => chip.textContent)"""
    )
    assert chips == [f"{text} {pos}" for pos, text in enumerate(texts)]


def test_the_prompt_editor_opens_cancels_and_runs(mount: Mount) -> None:
    lab = mount("token")
    lab.find('button[aria-label="edit prompt"]').click()
    area = lab.find('textarea[aria-label="prompt"]')
    assert area.input_value() == lab.answer("session/tokens", prompt=0).attrs["text"]
    assert lab.find('input[aria-label="correct answer"]').input_value() == " Mary"
    assert lab.find('input[aria-label="wrong answer"]').input_value() == " John"
    area.fill("z Z undo is only text here")
    lab.page.keyboard.press("Escape")
    assert area.count() == 0
    assert lab.js("return kernel.state.revision") == 1

    lab.find('button[aria-label="edit prompt"]').click()
    lab.find('textarea[aria-label="prompt"]').fill("A shorter prompt")
    lab.page.keyboard.press("Control+Enter")
    lab.wait(AT_REST, "2")
    assert lab.answer("session/tokens", prompt=0).sizes["pos"] == 4
    assert lab.find("[data-token-id][data-pos]").count() == 4


def test_a_refused_prompt_is_explained_and_the_editor_stays(mount: Mount) -> None:
    lab = mount("token")
    lab.find('button[aria-label="edit prompt"]').click()
    lab.find('textarea[aria-label="prompt"]').fill(" ")
    lab.page.keyboard.press("Control+Enter")
    lab.find('[role="alert"]').first.wait_for()
    assert "prompt is empty" in lab.find('[role="alert"]').first.inner_text()
    assert lab.find('textarea[aria-label="prompt"]').count() == 1


def test_pages_through_the_prompts(mount: Mount) -> None:
    lab = mount("token", n_prompts=3)
    lab.find('button[aria-label="next prompt"]').click()
    lab.idle()
    assert lab.js("return kernel.selection.prompt") == 1
    lab.find('button[aria-label="previous prompt"]').click()
    lab.idle()
    assert lab.js("return kernel.selection.prompt") == 0


@pytest.mark.parametrize("by", ["head", "layer", "component"])
def test_every_row_says_what_the_kernel_answered(mount: Mount, by: str) -> None:
    lab = mount("attribution", n_layers=2, n_heads=3, options={"by": by}, interventions=["L0H1"])
    truth = lab.answer("attribution/rows", by=by, prompt=None, pos=None)
    for name in map(str, truth["component"].values):
        before, after = (float(truth[c].sel(component=name)) for c in ("baseline", "current"))
        cells = f'[role="row"][data-component="{name}"] [data-column'
        assert number(lab, f'{cells}="baseline"]') == before
        assert number(lab, f'{cells}="current"]') == after
        assert number(lab, f'{cells}="change"]') == pytest.approx(after - before)
    total = '[role="row"][data-component="total"] [data-column'
    assert number(lab, f'{total}="baseline"]') == truth.attrs["total"]["baseline"]
    assert number(lab, f'{total}="current"]') == truth.attrs["total"]["current"]


@pytest.mark.parametrize("view", ["attribution", "ablation"])
@pytest.mark.parametrize("component", ["L1H4", "L0.mlp"])
def test_switches_ablate(mount: Mount, view: str, component: str) -> None:
    lab = mount(view)
    switch = lab.find(f'[role="switch"][aria-label="ablate {component}"]')
    assert switch.get_attribute("aria-checked") == "false"
    switch.click()
    assert switch.get_attribute("aria-checked") == "true"
    lab.wait(AT_REST, "2")
    assert lab.js("return kernel.ablated") == [component]
    assert switch.get_attribute("aria-checked") == "true"


def test_the_list_of_interventions_switches_and_removes(mount: Mount) -> None:
    lab = mount("ablation", interventions=["L2H5", "L3.mlp"])
    assert lab.find("[data-intervention]").count() == 2
    lab.find('[role="switch"][aria-label="enable L2H5"]').click()
    lab.wait(AT_REST, "2")
    assert lab.js("return kernel.ablated") == ["L3.mlp"]
    assert lab.find("[data-intervention]").count() == 2
    lab.find('button[aria-label="remove L3.mlp"]').click()
    lab.wait(AT_REST, "3")
    assert lab.find("[data-intervention]").count() == 1
    lab.find('button[aria-label="undo"]').click()
    lab.wait(AT_REST, "4")
    lab.find('button[aria-label="redo"]').click()
    lab.wait(AT_REST, "5")
    lab.find('button[aria-label="clear"]').click()
    lab.wait(AT_REST, "6")
    assert lab.find("[data-intervention]").count() == 0


def test_predictions_before_and_after(mount: Mount) -> None:
    lab = mount("ablation", interventions=["L2H5"])
    told = lab.answer("ablation/predictions", prompt=0)
    assert lab.find("[data-prediction]").count() == told.sizes["token"] >= 5
    for token, baseline, current in zip(
        *(told[name].values.tolist() for name in ("token_id", "baseline", "current")), strict=True
    ):
        cells = f'[data-prediction][data-token-id="{token}"] [data-column'
        assert number(lab, f'{cells}="baseline"]') == baseline
        assert number(lab, f'{cells}="current"]') == current
    metric = '.lw-abl-metric [data-scope="selected"] [data-column'
    assert number(lab, f'{metric}="baseline"]') == told.attrs["metric_baseline"]
    assert number(lab, f'{metric}="current"]') == told.attrs["metric_current"]


def test_the_list_tells_each_interventions_effect(mount: Mount) -> None:
    lab = mount("ablation", interventions=["L2H5", "L3.mlp"])
    told = lab.answer("ablation/intervention_effects")
    # The page's list has keys of its own; in a notebook list and answer come from one session.
    lab.js(
        """kernel.interventions.forEach((item, i) => { item.key = arg[i]; });
           const { state } = kernel;
           kernel.state = kernel.describe(state.revision, state.prompts_revision);
           for (const model of kernel.models) model.push("state", kernel.state);""",
        [str(key) for key in told["key"].values],
    )
    for part, effect in zip(("L2H5", "L3.mlp"), told["effect"].values.tolist(), strict=True):
        shown = number(lab, f'[data-component="{part}"] [data-column="effect"]')
        assert shown == pytest.approx(effect, abs=1e-9)


@pytest.mark.parametrize("values", ["attribution", "effect"])
def test_cells_and_csv_are_the_grid(mount: Mount, values: str) -> None:
    lab = mount("ablation", options={"values": values}, interventions=["L0H1"])
    kind = "zero" if values == "effect" else None
    told = lab.answer("ablation/grid", ablation_kind=kind, prompt=None)
    for layer, head in ((0, 1), (1, 4), (3, 7)):
        cell = f'[role="switch"][data-head="L{layer}H{head}"]'
        assert number(lab, cell) == float(told["heads"][layer, head])
    mlp = lab.find('[role="switch"][aria-label="ablate L2.mlp"]').get_attribute("data-value")
    assert float(mlp or "nan") == float(told["mlps"][2])
    header, *lines = save(lab, "save CSV").decode().strip().splitlines()
    assert header == "layer,head,heads,mlps"
    shown = np.array([[float(field) for field in line.split(",")] for line in lines])
    np.testing.assert_array_equal(shown[:, 2], told["heads"].values.ravel())
    np.testing.assert_array_equal(shown[:, 3], told["mlps"].values.repeat(8))


def test_the_kind_chosen_in_the_panel_is_that_of_a_switch_anywhere(mount: Mount) -> None:
    lab = mount("ablation", "attribution")
    lab.find('[role="radiogroup"][aria-label="kind of ablation"] [data-option="mean"]').click()
    lab.page.locator(
        '[data-lw-view="attribution"] [role="switch"][aria-label="ablate L1H4"]'
    ).click()
    lab.wait(AT_REST, "2")
    assert lab.js("return kernel.interventions.map(({ kind }) => kind)") == ["mean"]
    assert lab.js("return kernel.settings.ablation_kind") == "mean"


def test_twenty_quick_toggles_all_count(mount: Mount) -> None:
    lab = mount("ablation", delay_ms=[0, 30])
    labels = [f"L{i // 8}H{i % 8}" for i in range(20)]
    # As in the kernel, only the newest of the questions that these changes lead to is answered.
    lab.js(
        """kernel.manual = true;
           for (const label of arg)
             root.querySelector(`[role=switch][aria-label="ablate ${label}"]`).click();""",
        labels,
    )
    lab.wait("window.lab.kernel.ablated.length === 20")
    lab.js(
        """const newest = ({ message: { slot, id } }) => kernel.newest.get(slot) === id;
           kernel.manual = false;
           kernel.held = kernel.held.filter(newest);
           while (kernel.held.length > 0) kernel.release();"""
    )
    lab.wait(AT_REST, "21")
    assert sorted(lab.js("return kernel.ablated")) == sorted(labels)
    assert lab.find('.lw-body [role="switch"][aria-checked="true"][data-head]').count() == 20


def test_two_quick_clicks_on_patching_cells_both_count(mount: Mount) -> None:
    lab = mount("patching", delay_ms=[20, 60])
    cells = [f'[data-node="z"] [role="gridcell"][data-head="{head}"]' for head in ("L1H2", "L2H3")]
    for cell in cells:
        lab.find(cell).click()
    shown = [lab.find(cell).get_attribute("data-kept") for cell in cells]
    assert shown == ["true", "true"]
    lab.wait(AT_REST, "3")
    assert lab.js("return kernel.interventions.length") == 2
    assert [lab.find(cell).get_attribute("data-kept") for cell in cells] == ["true", "true"]


def test_a_suggested_answer_is_one_click_and_goes_where_one_was_typing(mount: Mount) -> None:
    lab = mount("token")
    lab.find('button[aria-label="edit prompt"]').click()
    likely = lab.answer("token/likely", prompt=0)
    buttons = lab.find("[data-likely]")
    buttons.first.wait_for()
    assert [b.get_attribute("data-likely") for b in buttons.all()] == likely[
        "token"
    ].values.tolist()
    shown = [float(b.get_attribute("data-value") or "nan") for b in buttons.all()]
    assert shown == likely["prob"].values.tolist()
    buttons.first.click()
    correct = lab.find('input[aria-label="correct answer"]')
    assert correct.input_value() == likely["text"].values[0]
    lab.find('input[aria-label="wrong answer"]').focus()
    buttons.nth(1).click()
    assert lab.find('input[aria-label="wrong answer"]').input_value() == likely["text"].values[1]
    assert correct.input_value() == likely["text"].values[0]


SPACES = """
const field = root.querySelector(`[aria-label="${arg}"]`);
return [...field.parentElement.querySelectorAll('.lw-spaced-dots i')].length
"""


def test_spaces_are_seen_in_every_field_and_follow_what_is_typed(mount: Mount) -> None:
    lab = mount("token")
    lab.find('button[aria-label="edit prompt"]').click()
    area = lab.find('textarea[aria-label="prompt"]')
    assert lab.js(SPACES, "prompt") == area.input_value().count(" ") > 5
    assert lab.js(SPACES, "correct answer") == 1
    lab.find('input[aria-label="correct answer"]').fill("  two words ")
    assert lab.js(SPACES, "correct answer") == 4
    # The field grows with its text, and the dots lie under its spaces.
    area.fill("a long line of words " * 30)
    heights = lab.js(
        """const area = root.querySelector('textarea[aria-label="prompt"]');
        const dots = area.parentElement.querySelector('.lw-spaced-dots');
        return [area.clientHeight, area.scrollHeight, area.offsetHeight, dots.offsetHeight]"""
    )
    assert heights[0] >= heights[1] > 60
    assert heights[2] == heights[3]


QUESTION = {
    "type": "SpaceQuestion",
    "message": "Correct answer 'Mary' has no space in front: did you mean ' Mary' (0.91)?",
    "hint": "Write ' Mary'.",
}


@pytest.mark.parametrize(
    ("button", "sent"),
    [
        ("use ·Mary", {"correct": " Mary", "as_written": None}),
        ("keep Mary", {"correct": "Mary", "as_written": True}),
    ],
)
def test_a_question_about_a_space_is_answered_by_a_button(
    mount: Mount, button: str, sent: dict[str, object]
) -> None:
    lab = mount("token", failures={"session/edit_prompt": QUESTION})
    lab.find('button[aria-label="edit prompt"]').click()
    field = lab.find('input[aria-label="correct answer"]')
    field.fill("Mary")
    lab.page.keyboard.press("Enter")
    alert = lab.find('.lw-token-editor [role="alert"]')
    alert.wait_for()
    assert "did you mean ' Mary' (0.91)?" in alert.inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert lab.find('input[aria-label="wrong answer"]').get_attribute("aria-invalid") == "false"
    lab.js("kernel.failures = {}")
    lab.find(f'button[aria-label="{button}"]').click()
    lab.wait(AT_REST, "2")
    assert lab.find(".lw-token-editor").count() == 0
    args = lab.js("return kernel.requests.findLast((r) => r.method === 'session/edit_prompt').args")
    assert {name: args.get(name) for name in sent} == sent
