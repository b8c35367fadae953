"""The other demo model: no MLPs, no answers, and prompts of more than a hundred tokens."""

from __future__ import annotations

import pytest

from tests.frontends.conftest import Show

CELL = """
induction = lw.load_demo("induction")
tokens = lw.prompts.repeated_tokens(induction, seq_len=50, batch=2).prompts
session = lw.Session(induction, tokens)
session.explore()
"""


def test_induction_demo_shows_torchs_patterns_and_losses(show: Show) -> None:
    screen = show(CELL)
    assert screen.token_ids() == screen.kernel.value("Truth(induction, tokens).ids(0)")
    chips = screen.view("token").locator("[data-pos]")
    losses = screen.kernel.value("Truth(induction, tokens).losses(0)")
    for pos in (0, 30, 60, 99):
        shown = float(chips.nth(pos).get_attribute("data-value") or "nan")
        assert shown == pytest.approx(losses[pos], abs=1e-4)

    found = screen.kernel.value(
        "max((sum(p[q][q - 49] for q in range(51, 101)), h) for h in range(8)"
        " for p in [Truth(induction, tokens).pattern(0, 1, h)])"
    )
    head = found[1]
    screen.click_head(f"L1H{head}")
    expected = screen.kernel.value(f"Truth(induction, tokens).pattern(0, 1, {head})")
    for (q, k), value in screen.whole_pattern(every=20).items():
        assert value == pytest.approx(expected[q][k], abs=2e-6), (q, k)

    screen.toggle(f"L1H{head}", view="attribution")
    both = [
        screen.kernel.value(
            "(lambda t: sum(sum(t.losses(i)) / len(t.losses(i)) for i in range(2)) / 2)"
            f"(Truth(induction, tokens, ablations={off}))"
        )
        for off in ([], [f"L1H{head}"])
    ]
    metric = screen.metric()
    assert metric["baseline"] == pytest.approx(both[0], abs=1e-4)
    assert metric["current"] == pytest.approx(both[1], abs=1e-4)
    assert metric["change"] > 0.3, "without its induction head the model forgets"
    assert not any(name.endswith(".mlp") for name in screen.rows())
