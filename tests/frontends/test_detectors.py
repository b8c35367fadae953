"""Head scores, losses and outlined stripes on the induction demo are what plain forwards give."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frontends.conftest import Dashboard, Show

SESSION = """
induction = lw.load_demo("induction")
tokens = lw.prompts.repeated_tokens(induction, seq_len=12, batch=2).prompts
session = lw.Session(induction, tokens)
"""
VIEWS = (
    "lw.HeadScoresView(session)",
    "lw.LossView(session)",
    "lw.AttentionView(session)",
    "lw.AblationPanel(session)",
)
KINDS = ("previous", "current", "first", "induction", "duplicate")
WEIGHT = 2e-6
NATS = 1e-4


@pytest.fixture
def screen(show: Show) -> Dashboard:
    return show(SESSION, *VIEWS)


def truth(screen: Dashboard, question: str, *ablations: Any) -> Any:
    """``question`` asked of plain hooked forwards in the kernel."""
    made = f"Truth(induction, tokens, ablations={list(ablations)!r})"
    return screen.kernel.value(f"{made}.{question}")


def names(screen: Dashboard) -> list[str]:
    layers, heads = screen.kernel.value("(induction.cfg.n_layers, induction.cfg.n_heads)")
    return [f"L{layer}H{head}" for layer in range(layers) for head in range(heads)]


def strongest(screen: Dashboard, kind: str) -> str:
    scores = truth(screen, f"head_scores({kind!r})")
    return names(screen)[scores.index(max(scores))]


def cells(screen: Dashboard, kind: str) -> list[float]:
    """The map of a kind, or of the ``"loss"``, cell by cell."""
    found: list[str] = screen.view("head_scores").evaluate(
        """(root, kind) => [...root.querySelectorAll(
             `[data-kind="${kind}"] [role="gridcell"][data-head]`)].map(c => c.dataset.value)""",
        kind,
    )
    return [float(value or "nan") for value in found]


def losses(screen: Dashboard, series: str) -> list[float]:
    found: list[str] = screen.view("loss").evaluate(
        """(root, series) => [...root.querySelectorAll(`td[data-series="${series}"]`)]
             .map(cell => cell.dataset.value)""",
        series,
    )
    return [float(value or "nan") for value in found]


def assert_scores_are(screen: Dashboard, *ablations: str) -> None:
    for kind in KINDS:
        expected = truth(screen, f"head_scores({kind!r})", *ablations)
        assert cells(screen, kind) == pytest.approx(expected, abs=WEIGHT), kind
        listed = screen.view("head_scores").locator(f'.lw-ranked [data-kind="{kind}"]')
        scored = zip(expected, names(screen), strict=True)
        high = [name for score, name in sorted(scored, reverse=True) if score >= 0.4]
        assert [row.get_attribute("data-head") for row in listed.all()] == high[:3]
        more = screen.view("head_scores").locator(f'[aria-label$=" more {kind} heads"]')
        if len(high) > 3:
            assert more.inner_text() == f"{len(high) - 3} more"
        else:
            assert more.count() == 0


def assert_losses_are(screen: Dashboard, series: str, *ablations: str) -> None:
    rows = [truth(screen, f"losses({prompt})", *ablations) for prompt in (0, 1)]
    mean = [sum(pair) / 2 for pair in zip(*rows, strict=True)]
    shown = losses(screen, series)
    assert shown[:-1] == pytest.approx(mean, abs=NATS)
    assert shown[-1] != shown[-1], "nothing is predicted after the last token"
    if series == "current":
        for half, part in (("first", mean[:12]), ("second", mean[12:])):
            told = screen.view("loss").locator(f'[data-half="{half}"]')
            value = float(told.get_attribute("data-value") or "nan")
            assert value == pytest.approx(sum(part) / 12, abs=NATS)


def assert_stripe_is(screen: Dashboard, kind: str, head: str, *ablations: str) -> None:
    screen.view("attention").locator(f'[data-lw-stripe="{kind}"]').wait_for()
    plot = screen.view("attention").locator(f'[data-lw-pattern="{head}"][data-outlined]')
    outlined = (plot.get_attribute("data-outlined") or "").split()
    shown = [tuple(map(int, cell.split(","))) for cell in outlined]
    assert shown == [tuple(cell) for cell in truth(screen, f"stripe(0, {kind!r})")]
    told = screen.view("attention").locator(f'[data-stripe-of="{head}"]')
    at = names(screen).index(head)
    for attribute, prompts in (("data-value", [0]), ("data-mean", None)):
        expected = truth(screen, f"head_scores({kind!r}, {prompts})", *ablations)[at]
        value = float(told.get_attribute(attribute) or "nan")
        assert value == pytest.approx(expected, abs=WEIGHT)


def test_scores_and_losses_are_torchs_before_and_after_a_head_is_switched_off(
    screen: Dashboard,
) -> None:
    assert_scores_are(screen)
    assert_losses_are(screen, "current")
    off = strongest(screen, "previous")
    screen.toggle(off)
    assert_scores_are(screen, off)
    assert_losses_are(screen, "current", off)
    assert_losses_are(screen, "baseline")
    second = screen.view("loss").locator('[data-half="second"]')
    assert float(second.get_attribute("data-value") or "nan") > 2, "nothing is copied any more"


def test_the_loss_map_is_one_plain_forward_a_head(screen: Dashboard) -> None:
    view = screen.view("head_scores")
    view.get_by_role("button", name="ablate each head, show the loss").click()
    off = strongest(screen, "previous")
    for kind, first in (("zero", []), ("mean", []), ("mean", [off])):
        if first:
            # A switch ablates as the session's setting says, which is the kind chosen before.
            screen.toggle(off)
        screen.choose("head_scores", "kind of ablation", kind)
        given = [(name, "mean") for name in first]
        before = truth(screen, "mean_loss()", *given)
        expected = [
            truth(screen, "mean_loss()", *given, (name, kind)) - before for name in names(screen)
        ]
        shown = cells(screen, "loss")
        for name, value, wanted in zip(names(screen), shown, expected, strict=True):
            if name not in first:
                assert value == pytest.approx(wanted, abs=NATS), (kind, first, name)


def test_a_heads_stripe_is_outlined_over_its_pattern_with_torchs_mean(screen: Dashboard) -> None:
    head, off = strongest(screen, "induction"), strongest(screen, "previous")
    view = screen.view("head_scores")
    view.locator(f'.lw-ranked [data-head="{head}"][data-kind="induction"]').click()
    screen.wait_pattern(head)
    screen.wait_idle()
    assert_stripe_is(screen, "induction", head)
    assert screen.kernel.value("session.selection.stripe") == "induction"
    screen.toggle(off)
    assert_stripe_is(screen, "induction", head, off)
    assert screen.kernel.value("lw.analysis.head_scores(session).max().item()") < 0.4
    screen.toggle(off)
    for kind in ("previous", "duplicate"):
        screen.view("attention").locator('select[aria-label="stripe"]').select_option(kind)
        screen.wait_idle()
        assert_stripe_is(screen, kind, head)
    other = strongest(screen, "previous")
    view.locator(f'[data-kind="previous"] [role="gridcell"][data-head="{other}"]').click()
    screen.wait_pattern(other)
    screen.wait_idle()
    assert_stripe_is(screen, "previous", other)


def test_a_clicked_position_is_selected_in_the_other_views(screen: Dashboard) -> None:
    plot = screen.view("loss").get_by_role("slider")
    box = plot.bounding_box()
    assert box is not None
    screen.page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"])
    at = int(plot.get_attribute("aria-valuenow") or -1)
    assert at > 0
    screen.page.mouse.down()
    screen.page.mouse.up()
    screen.view("attention").locator(f'[data-picked][data-pos="{at}"]').wait_for()
    screen.wait_idle()
    assert screen.kernel.value("session.selection.query_pos") == at


def test_without_a_repetition_the_views_say_what_is_missing(show: Show) -> None:
    screen = show(
        'plain = lw.Session(model, "When Mary went home")',
        "lw.HeadScoresView(plain)",
        "lw.LossView(plain)",
    )
    part = screen.view("head_scores").locator('[data-kind="induction"]')
    assert "No prompt has an induction stripe" in part.inner_text()
    assert "half" not in screen.view("loss").inner_text()
