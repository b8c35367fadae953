"""What the dashboard shows in JupyterLab is what torch computes in its kernel."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontends.conftest import ANSWERS, PROMPTS, Dashboard

# The screen's numbers come from a padded batch, torch's from one prompt at a time.
WEIGHT = 2e-6
LOGIT = 1e-4


def truth(dashboard: Dashboard, question: str, *ablations: str | tuple[str, str]) -> Any:
    """``question`` asked of plain hooked forwards in the kernel."""
    return dashboard.kernel.value(f"Truth(model, prompts, answers, {list(ablations)!r}).{question}")


def assert_metric_is(dashboard: Dashboard, baseline: float, current: float) -> None:
    shown = dashboard.metric()
    assert shown["baseline"] == pytest.approx(baseline, abs=LOGIT)
    assert shown["current"] == pytest.approx(current, abs=LOGIT)
    assert shown["change"] == pytest.approx(current - baseline, abs=2 * LOGIT)


def assert_pattern_is(dashboard: Dashboard, expected: list[list[float]]) -> None:
    shown = dashboard.whole_pattern()
    assert len(shown) == len(expected) ** 2
    for (q, k), value in shown.items():
        assert value == pytest.approx(expected[q][k], abs=WEIGHT), (q, k)


def test_clicked_heads_pattern_is_torchs(dashboard: Dashboard) -> None:
    for layer, head in ((2, 3), (0, 6), (3, 7)):
        dashboard.click_head(f"L{layer}H{head}")
        expected = truth(dashboard, f"pattern(0, {layer}, {head})")
        assert_pattern_is(dashboard, expected)
        for x, y in ((0.3, 0.1), (0.5, 0.5), (0.9, 0.75), (0.4, 0.7)):
            q, k, value = dashboard.hover_pattern(x, y)
            assert value == pytest.approx(expected[q][k], abs=WEIGHT), (q, k)


def test_pattern_of_another_prompt_is_torchs(dashboard: Dashboard) -> None:
    dashboard.click_head("L1H2")
    next_prompt = dashboard.view("token").get_by_role("button", name="next prompt", exact=True)
    for prompt in (1, 2):
        next_prompt.click()
        dashboard.wait_pattern("L1H2")
        dashboard.wait_idle()
        assert dashboard.token_ids() == truth(dashboard, f"ids({prompt})")
        assert_pattern_is(dashboard, truth(dashboard, f"pattern({prompt}, 1, 2)"))


def test_locked_cells_value_is_shown_at_every_head(dashboard: Dashboard) -> None:
    dashboard.click_head("L0H0")
    q, k, _ = dashboard.hover_pattern(0.5, 0.6)
    dashboard.page.mouse.down()
    dashboard.page.mouse.up()
    dashboard.head("L3H7").and_(dashboard.page.locator("[data-value]")).wait_for()
    for layer, head in ((0, 0), (1, 5), (3, 7)):
        shown = float(dashboard.head(f"L{layer}H{head}").get_attribute("data-value") or "nan")
        exact = truth(dashboard, f"pattern(0, {layer}, {head})")[q][k]
        # Thumbnails carry a byte a cell: at most 1/510 of the largest weight away.
        assert shown == pytest.approx(exact, abs=1 / 510 + 1e-6)


@pytest.mark.parametrize("ablations", [(), ("L1H3", "L2.mlp")], ids=["baseline", "ablated"])
def test_every_attribution_row_is_torchs(dashboard: Dashboard, ablations: tuple[str, ...]) -> None:
    for part in ablations:
        dashboard.toggle(part)
    before = truth(dashboard, "direct_effects()")
    after = truth(dashboard, "direct_effects()", *ablations)
    baseline, current = truth(dashboard, "metric()"), truth(dashboard, "metric()", *ablations)
    model_layers, heads = dashboard.kernel.value("(model.cfg.n_layers, model.cfg.n_heads)")
    layers = range(model_layers)
    outside = {"embed", "pos_embed", "bias"}
    named = {
        "head": {f"L{n}H{h}" for n in layers for h in range(heads)}
        | {f"L{n}.mlp" for n in layers}
        | outside,
        "layer": {f"L{n}" for n in layers} | outside,
        "component": {f"L{n}.{part}" for n in layers for part in ("attn", "mlp")} | outside,
    }
    for by, names in named.items():
        if by != "head":
            dashboard.choose("attribution", "rows", by)
        shown = dashboard.rows()
        assert set(shown) == names | {"total"}
        for name in names:
            assert_row_is(shown[name], *(_effect(e, name, by) for e in (before, after)))
        assert_row_is(shown["total"], baseline, current)
        for column in ("baseline", "current"):
            added = sum(row[column] for name, row in shown.items() if name != "total")
            assert added == pytest.approx(shown["total"][column], abs=LOGIT)
    assert_metric_is(dashboard, baseline, current)


def _effect(effects: dict[str, float], name: str, by: str) -> float:
    if by == "layer" and name.startswith("L"):
        return effects[f"{name}.attn"] + effects[f"{name}.mlp"]
    if by == "head" and name == "bias":
        # Heads are shown without the biases of their layers, which are counted here instead.
        attn = sum(value for part, value in effects.items() if part.endswith(".attn"))
        return effects["bias"] + attn - sum(v for part, v in effects.items() if "H" in part)
    return effects[name]


def assert_row_is(row: dict[str, float], baseline: float, current: float) -> None:
    assert row["baseline"] == pytest.approx(baseline, abs=LOGIT)
    assert row["current"] == pytest.approx(current, abs=LOGIT)
    assert row["change"] == pytest.approx(current - baseline, abs=2 * LOGIT)


def assert_ablated(dashboard: Dashboard, *ablations: str | tuple[str, str]) -> None:
    """Every number on screen is that of a plain forward with these ablations."""
    assert_metric_is(
        dashboard, truth(dashboard, "metric()"), truth(dashboard, "metric()", *ablations)
    )
    shown = dashboard.predictions()
    ids = list(shown)
    likeliest = {*truth(dashboard, "top_ids(0)"), *truth(dashboard, "top_ids(0)", *ablations)}
    assert len(ids) == 5
    assert set(ids) <= likeliest
    for ablated in ((), ablations):
        assert truth(dashboard, "top_ids(0)", *ablated)[0] in ids
    before = truth(dashboard, f"probabilities(0, {ids})")
    after = truth(dashboard, f"probabilities(0, {ids})", *ablations)
    for token, old, new in zip(ids, before, after, strict=True):
        assert shown[token]["baseline"] == pytest.approx(old, abs=1e-5)
        assert shown[token]["current"] == pytest.approx(new, abs=1e-5)
    dashboard.click_head("L3H1")
    assert_pattern_is(dashboard, truth(dashboard, "pattern(0, 3, 1)", *ablations))


def test_ablation_undo_and_redo_show_what_plain_forwards_give(dashboard: Dashboard) -> None:
    dashboard.toggle("L1H3")
    assert_ablated(dashboard, "L1H3")
    dashboard.choose("ablation", "kind of ablation", "mean")
    dashboard.toggle("L1H2", view="attribution")
    assert_ablated(dashboard, "L1H3", ("L1H2", "mean"))
    dashboard.toggle("L2.mlp")
    three = ("L1H3", ("L1H2", "mean"), ("L2.mlp", "mean"))
    assert_ablated(dashboard, *three)
    dashboard.press("undo")
    assert_ablated(dashboard, *three[:2])
    dashboard.press("undo")
    assert_ablated(dashboard, *three[:1])
    dashboard.press("redo")
    assert_ablated(dashboard, *three[:2])
    dashboard.press("clear")
    assert_ablated(dashboard)


def test_switching_off_an_ablation_keeps_it_in_the_list(dashboard: Dashboard) -> None:
    dashboard.toggle("L1H3")
    dashboard.toggle("L2.mlp")
    panel = dashboard.view("ablation")
    panel.get_by_role("switch", name="enable L1H3", exact=True).click()
    dashboard.wait_idle(3)
    assert_ablated(dashboard, "L2.mlp")
    assert panel.locator('[data-intervention][data-component="L1H3"]').is_visible()
    panel.get_by_role("button", name="remove L2.mlp", exact=True).click()
    dashboard.wait_idle(4)
    assert_ablated(dashboard)


def test_exact_effects_are_those_of_ablating_one_by_one(dashboard: Dashboard) -> None:
    dashboard.choose("ablation", "values in the cells", "effect")
    clean = truth(dashboard, "metric()")
    for part in ("L0H0", "L1H3", "L3H7", "L0.mlp", "L2.mlp"):
        shown = float(dashboard.switch(part).get_attribute("data-value") or "nan")
        assert shown == pytest.approx(truth(dashboard, "metric()", part) - clean, abs=LOGIT)


EDITED = "When Kate and Paul went to the museum, Paul gave the camera to"


def test_edited_prompt_moves_every_number(dashboard: Dashboard) -> None:
    dashboard.toggle("L1H3")
    before = dashboard.revision()
    dashboard.edit_prompt(EDITED, correct=" Kate", wrong=" Paul")
    dashboard.wait_idle(before + 1)
    dashboard.kernel.run(
        f"prompts = [{EDITED!r}, *{list(PROMPTS[1:])!r}]\n"
        f"answers = [(' Kate', ' Paul'), *{list(ANSWERS[1:])!r}]"
    )
    assert dashboard.token_ids() == truth(dashboard, "ids(0)")
    assert_ablated(dashboard, "L1H3")
    assert_row_is(
        dashboard.rows()["L1.mlp"],
        truth(dashboard, "direct_effects()")["L1.mlp"],
        truth(dashboard, "direct_effects()", "L1H3")["L1.mlp"],
    )


@pytest.mark.parametrize(
    ("text", "correct", "says"),
    [
        ("", " Mary", "empty"),
        ("When John " * 200, " Mary", "256"),
        (PROMPTS[0], " Mary and", "token"),
        (PROMPTS[0], "", "empty"),
    ],
    ids=["empty prompt", "too long", "answer of two tokens", "no answer"],
)
def test_bad_edit_is_refused_in_the_view_and_changes_nothing(
    dashboard: Dashboard, text: str, correct: str, says: str
) -> None:
    before = dashboard.metric()
    dashboard.edit_prompt(text, correct=correct)
    alert = dashboard.view("token").get_by_role("alert")
    alert.wait_for()
    assert says in (alert.text_content() or "")
    assert dashboard.kernel.value("[list(session.prompt_set.texts), session.revision]") == [
        list(PROMPTS),
        0,
    ]
    assert dashboard.metric() == before
    # The editor is still open with what was typed; a better prompt is taken.
    dashboard.edit_prompt(EDITED, correct=" Kate", wrong=" Paul")
    dashboard.wait_idle(1)
    assert dashboard.alert().count() == 0
    assert dashboard.kernel.value("session.prompt_set.texts[0]") == EDITED


def test_refused_change_is_told_in_the_view(dashboard: Dashboard) -> None:
    dashboard.choose("ablation", "kind of ablation", "resample")
    dashboard.switch("L1H3").click()
    alert = dashboard.view("ablation").get_by_role("alert")
    alert.wait_for()
    assert "corrupted" in (alert.text_content() or "")
    dashboard.page.wait_for_function(
        """() => document.querySelector('[data-lw-view="ablation"] [aria-label="ablate L1H3"]')
          .getAttribute('aria-checked') === 'false'"""
    )
    dashboard.pick("ablation", "kind of ablation", "zero")
    dashboard.toggle("L1H3")
    assert_ablated(dashboard, "L1H3")
    assert dashboard.alert().count() == 0


def test_token_losses_are_torchs(dashboard: Dashboard) -> None:
    chips = dashboard.view("token").locator("[data-pos]")
    for pos, expected in enumerate(truth(dashboard, "losses(0)")):
        shown = float(chips.nth(pos).get_attribute("data-value") or "nan")
        assert shown == pytest.approx(expected, abs=1e-4)
