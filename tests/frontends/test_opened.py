"""What opens in the views of JupyterLab - source tokens, neurons, other modes, BOS - is torch's."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator

from tests.frontends.conftest import PROMPTS, SESSION, Dashboard, Show

LOGIT = 1e-4


@pytest.fixture
def views(show: Show) -> Dashboard:
    """Three views, each in the output of a cell of its own."""
    return show(SESSION, *(f"lw.{v}(session)" for v in ("AttributionTable", "AttentionView",
                                                        "TokenView")))  # fmt: skip


def truth(views: Dashboard, question: str, *ablations: str) -> Any:
    return views.kernel.value(f"Truth(model, prompts, answers, {list(ablations)!r}).{question}")


def value(locator: Locator, name: str = "data-value") -> float:
    return float(locator.first.get_attribute(name) or "nan")


def open_row(views: Dashboard, component: str) -> Locator:
    table = views.view("attribution")
    table.locator(f'[role="row"][data-component="{component}"] .lw-table-open').click()
    table.locator(".lw-table-detail > *").first.wait_for()
    views.wait_idle()
    return table.locator(".lw-table-detail")


def test_opened_rows_and_read_positions_are_torchs(views: Dashboard) -> None:
    views.toggle("L1H3", view="attribution")
    detail = open_row(views, "L3H1")
    for field, ablations in (("data-baseline", ()), ("data-value", ("L1H3",))):
        for pos, expected in enumerate(truth(views, "sources(0, 3, 1)", *ablations)):
            shown = value(detail.locator(f'[data-pos="{pos}"]'), field)
            assert shown == pytest.approx(expected, abs=LOGIT), pos
    detail.locator('[data-pos="4"]').click()
    views.kernel.wait_until("session.selection.key_pos == 4")
    views.kernel.run("session.selection.prompt = 1")
    table = views.view("attribution")
    table.get_by_text("prompt 2", exact=False).first.wait_for()
    views.wait_idle()
    for pos, expected in enumerate(truth(views, "sources(1, 3, 1)", "L1H3")):
        shown = value(detail.locator(f'[data-pos="{pos}"]'))
        assert shown == pytest.approx(expected, abs=LOGIT)

    detail = open_row(views, "L2.mlp")
    each = [truth(views, f"neurons({i}, 2)", "L1H3") for i in range(len(PROMPTS))]
    means = [sum(values) / len(PROMPTS) for values in zip(*each, strict=True)]
    listed = detail.locator("[data-neuron]").evaluate_all(
        "rows => rows.map(row => [row.dataset.neuron, Number(row.dataset.value)])"
    )
    neurons = {int(name): shown for name, shown in listed if name.isdigit()}
    assert len(neurons) == 12
    for neuron, shown in neurons.items():
        assert shown == pytest.approx(means[neuron], abs=LOGIT)
    assert max(map(abs, means)) == pytest.approx(max(map(abs, neurons.values())), abs=LOGIT)
    others = sum(means) - sum(means[neuron] for neuron in neurons)
    assert dict(listed)["others"] == pytest.approx(others, abs=LOGIT)

    # Read at a token in the middle: rows, total and sources are those of that position.
    views.kernel.run("session.selection.prompt = 0; session.selection.query_pos = 9")
    views.choose("attribution", "read at", "selected")
    table.locator(".lw-attr-note", has_text="at position 9").wait_for()
    views.wait_idle()
    views.choose("attribution", "prompts", "selected")
    detail = open_row(views, "L3H1")
    sources = truth(views, "sources(0, 3, 1, 9)", "L1H3")
    for pos, expected in enumerate(sources):
        shown = value(detail.locator(f'[data-pos="{pos}"]'))
        assert shown == pytest.approx(expected, abs=LOGIT)
    rows = views.rows()
    assert rows["L3H1"]["current"] == pytest.approx(sum(sources), abs=LOGIT)
    logits = views.kernel.value(
        "(lambda t: (t.logits(0)[9, t.answers[0][0]] - t.logits(0)[9, t.answers[0][1]]).item())"
        "(Truth(model, prompts, answers, ['L1H3']))"
    )
    assert rows["total"]["current"] == pytest.approx(logits, abs=LOGIT)


def test_standard_errors_are_those_over_prompts(views: Dashboard) -> None:
    values = views.kernel.value("Truth(model, prompts, answers).logit_diffs()")
    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
    cell = views.view("attribution").locator(
        '[role="row"][data-component="total"] [data-column="current"]'
    )
    assert value(cell, "data-sem") == pytest.approx(spread / len(values) ** 0.5, abs=LOGIT)


def test_attention_in_every_mode_is_torchs(views: Dashboard) -> None:
    views.click_head("L2H3")
    pattern = truth(views, "pattern(0, 2, 3)")
    norms = truth(views, "value_norms(0, 2, 3)")
    views.choose("attention", "what is shown of attention", "value")
    for (q, k), shown in views.whole_pattern(every=4).items():
        assert shown == pytest.approx(pattern[q][k] * norms[k], abs=2e-5)
    views.choose("attention", "what is shown of attention", "scores")
    scores = truth(views, "scores(0, 2, 3)")
    for (q, k), shown in views.whole_pattern(every=4).items():
        if k <= q:
            assert shown == pytest.approx(scores[q][k], abs=1e-4), (q, k)
        else:
            assert shown != shown, "the future has no score"
    views.choose("attention", "what is shown of attention", "pattern")
    heads = views.kernel.value("model.cfg.n_heads")
    every = [truth(views, f"pattern(0, 2, {head})") for head in range(heads)]
    views.choose("attention", "average", "layer")
    for (q, k), shown in views.whole_pattern(every=4).items():
        mean = sum(one[q][k] for one in every) / heads
        assert shown == pytest.approx(mean, abs=2e-6)


def test_accuracy_and_both_tokenizations_are_torchs(views: Dashboard) -> None:
    token = views.view("token")
    hits = views.kernel.value(
        "[int((t.logits(i)[:-1].argmax(-1) == t.tokens[i][0, 1:]).sum()) for t in"
        " [Truth(model, prompts, answers)] for i in range(len(prompts))]"
    )
    line = token.locator(".lw-token-hits")
    assert value(line, "data-hits") == hits[0]
    assert value(line, "data-all-hits") == sum(hits)
    views.kernel.run(
        "pair = [Truth(model, [model.to_tokens(prompts[0], prepend_bos=bos)[0]])"
        " for bos in (True, False)]"
    )
    token.get_by_role("button", name="compare BOS").click()
    token.locator(".lw-token-bos").wait_for()
    views.wait_idle()
    for row, bos in enumerate(("with", "without")):
        expected = views.kernel.value(f"[pair[{row}].ids(0), pair[{row}].losses(0)]")
        chips = token.locator(f'[data-bos="{bos}"]').evaluate_all(
            "chips => chips.map(c => [Number(c.dataset.tokenId), c.dataset.value])"
        )
        assert [i for i, _ in chips] == expected[0]
        for (_, shown), loss in zip(chips, expected[1], strict=False):
            assert float(shown) == pytest.approx(loss, abs=1e-4)
