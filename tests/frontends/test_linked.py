"""Widgets in cells of their own follow each other, and cells, as one instrument."""

from __future__ import annotations

import pytest

from tests.frontends.conftest import SESSION, Dashboard, Show


@pytest.fixture
def linked(show: Show) -> Dashboard:
    """The four views, each in the output of a cell of its own."""
    views = ("TokenView", "AttentionView", "AttributionTable", "AblationPanel")
    linked = show(SESSION, *(f"lw.{view}(session)" for view in views))
    assert len(linked.states()) == len(views)
    return linked


def test_separate_widgets_and_cells_move_each_other(linked: Dashboard) -> None:
    """A click in one cell's output moves the others; so does code; one session is behind all."""
    row = linked.view("attribution").locator('[role="row"][data-component="L2H4"]')
    row.locator('[data-column="part"]').click()
    linked.wait_pattern("L2H4")
    linked.kernel.wait_until("(session.selection.layer, session.selection.head) == (2, 4)")

    linked.head("L0H5").click()
    linked.view("attribution").locator(
        '[role="row"][data-component="L0H5"][aria-selected="true"]'
    ).wait_for()

    linked.toggle("L1H3", view="attribution")
    assert linked.switch("L1H3").get_attribute("aria-checked") == "true"
    assert linked.head("L1H3").get_attribute("data-ablated") is not None
    linked.toggle("L2.mlp")
    expected = linked.kernel.value("Truth(model, prompts, answers, ['L1H3', 'L2.mlp']).metric()")
    for view in ("token", "attention", "attribution", "ablation"):
        shown = linked.view(view).locator("[data-lw-metric]").first.get_attribute("data-current")
        assert float(shown or "nan") == pytest.approx(expected, abs=1e-4), view

    linked.kernel.run("session.selection.layer = 3\nsession.selection.head = 6")
    linked.wait_pattern("L3H6")
    linked.kernel.run("session.selection.query_pos = 10\nsession.selection.key_pos = 4")
    linked.view("token").locator('[data-pos="10"][aria-selected="true"]').wait_for()
    truth = "Truth(model, prompts, answers, ['L1H3', 'L2.mlp'])"
    weight = linked.kernel.value(f"{truth}.pattern(0, 3, 6)")
    linked.wait_idle()
    query, key, shown_weight = linked.readout()
    assert (query, key) == (10, 4)
    assert shown_weight == pytest.approx(weight[10][4], abs=2e-6)

    linked.kernel.run('session.interventions.clear(); session.interventions.add(lw.Ablate("L3H0"))')
    linked.wait_idle(linked.kernel.value("session.revision"))
    assert linked.switch("L3H0").get_attribute("aria-checked") == "true"
    assert linked.switch("L1H3").get_attribute("aria-checked") == "false"
    expected = linked.kernel.value("Truth(model, prompts, answers, ['L3H0']).metric()")
    assert linked.metric()["current"] == pytest.approx(expected, abs=1e-4)

    linked.kernel.run("session.selection.prompt = 1")
    linked.wait_idle()
    linked.page.wait_for_function(
        """ids => JSON.stringify([...document.querySelectorAll(
             '[data-lw-view="token"] [data-pos][data-token-id]')]
           .map(chip => Number(chip.dataset.tokenId))) === JSON.stringify(ids)""",
        arg=linked.kernel.value("Truth(model, prompts).ids(1)"),
    )

    linked.kernel.run("session.close()")
    linked.switch("L0H0").click()
    alert = linked.view("ablation").get_by_role("alert")
    alert.wait_for()
    assert "closed" in (alert.text_content() or "")


def test_one_widget_shown_twice_stays_one(show: Show) -> None:
    twice = show(f"{SESSION}\nview = lw.AttentionView(session)\nview", "view")
    roots = twice.page.locator('[data-lw-view="attention"]')
    assert roots.count() == 2
    roots.nth(1).locator('[role="gridcell"][data-head="L2H1"]').click()
    for i in (0, 1):
        roots.nth(i).locator('[data-lw-pattern="L2H1"][data-exact="true"]').wait_for()
    twice.wait_idle()


def test_two_sessions_on_one_page_do_not_mix(show: Show) -> None:
    two = show(
        f"{SESSION}\nlw.AttributionTable(session)",
        'other = lw.Session(model, ["Then, Kate and Paul went to the park. Kate gave the ball to"],'
        ' answers=[(" Paul", " Kate")])\nlw.AttributionTable(other)',
    )
    first, second = (two.page.locator('[data-lw-view="attribution"]').nth(i) for i in (0, 1))
    first.locator('[aria-label="ablate L1H3"]').click()
    first.locator('xpath=self::*[@data-lw-revision="1" and @data-lw-status="idle"]').wait_for()
    assert second.get_attribute("data-lw-revision") == "0"
    assert second.locator('[aria-label="ablate L1H3"]').get_attribute("aria-checked") == "false"
    assert two.kernel.value("len(other.interventions)") == 0
