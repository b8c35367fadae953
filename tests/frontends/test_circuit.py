"""An edge cut on the graph is cut everywhere: every number equals a plain hooked forward."""

from __future__ import annotations

import pytest

from tests.frontends.conftest import Show

# What one reader reads, written out with hooks alone: the stream with one head's share replaced,
# through the reader's own norm and query weights. One prompt at a time.
SET_UP = """
import torch

pairs = lw.prompts.ioi(4, seed=3, model=model)
session = lw.Session(model, pairs)


@torch.no_grad()
def cut_by_hand(writer, reader):
    (source, head), (layer, query) = writer, reader
    z_name, q_name = f"blocks.{source}.attn.hook_z", f"blocks.{layer}.attn.hook_q"
    block, metrics, patterns = model.blocks[layer], [], []
    for i in range(len(pairs.prompts)):
        clean, corrupted = (model.to_tokens(p[i]) for p in (pairs.prompts, pairs.corrupted))
        _, there = model.run_with_cache(corrupted, names_filter=[z_name])
        kept = {}

        def keep(name):
            def keep_it(x, hook):
                kept[name] = x.clone()
            return name, keep_it

        def read(q, hook):
            share = (there[z_name][:, :, head] - kept[z_name][:, :, head])
            share = share @ model.blocks[source].attn.W_O[head]
            stream = kept[f"blocks.{layer}.hook_resid_pre"] + share
            normed = (stream - stream.mean(-1, keepdim=True)) / torch.sqrt(
                stream.var(-1, keepdim=True, unbiased=False) + model.cfg.eps
            )
            normed = normed * block.ln1.weight + block.ln1.bias
            q = q.clone()
            q[:, :, query] = normed @ block.attn.W_Q[query] + block.attn.b_Q[query]
            return q

        def see(pattern, hook):
            patterns.append(pattern[0, query].tolist())

        logits = model.run_with_hooks(clean, fwd_hooks=[
            keep(z_name),
            keep(f"blocks.{layer}.hook_resid_pre"),
            (q_name, read),
            (f"blocks.{layer}.attn.hook_pattern", see),
        ])[0, -1]
        right, wrong = (model.to_single_token(token) for token in pairs.answers[i])
        metrics.append(float(logits[right] - logits[wrong]))
    return sum(metrics) / len(metrics), patterns[0]


session.explore()
"""


def test_an_edge_cut_on_the_graph_is_cut_in_every_view(show: Show) -> None:
    dashboard = show(SET_UP)
    before = dashboard.metric()["current"]
    explorer = dashboard.view("explorer")
    tab = explorer.locator('[data-tab="circuit"]')
    if tab.count():
        tab.click()
    else:
        explorer.get_by_label("other views").select_option("circuit")
    circuit = dashboard.view("circuit")
    circuit.locator(".lw-circuit-graph").wait_for()
    dashboard.wait_idle()

    edge = "L1H4 → L2H6.q"
    circuit.locator(f'.lw-circuit-edge[data-edge="{edge}"] .lw-circuit-hit').dispatch_event("click")
    card = circuit.get_by_label("the chosen edge")
    card.wait_for()
    dashboard.wait_idle()
    by_hand, pattern = dashboard.kernel.value("cut_by_hand((1, 4), (2, 6))")
    told = float(card.locator("[data-change]").get_attribute("data-change") or "nan")
    assert abs(by_hand - before) > 0.5
    assert told == pytest.approx(by_hand - before, abs=1e-3)

    card.get_by_role("switch").click()
    dashboard.wait_idle(1)
    assert dashboard.metric()["current"] == pytest.approx(by_hand, abs=1e-3)
    assert dashboard.kernel.value("[str(one.label) for one in session.interventions]") == [edge]
    # The reader's own pattern, in the attention view beside it.
    explorer.locator('[data-tab="pattern"]').click()
    dashboard.click_head("L2H6")
    query, key, weight = dashboard.hover_pattern(0.4, 0.5)
    assert weight == pytest.approx(pattern[query][key], abs=1e-5)
    # And the parts of the metric still sum to it.
    rows = dashboard.rows()
    total = rows.pop("total")["current"]
    assert total == pytest.approx(by_hand, abs=1e-3)
    assert sum(row["current"] for row in rows.values()) == pytest.approx(total, abs=1e-3)

    explorer.get_by_role("button", name="undo").click()
    dashboard.wait_idle(2)
    assert dashboard.metric()["current"] == pytest.approx(before, abs=1e-4)
