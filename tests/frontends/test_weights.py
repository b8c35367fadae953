"""Weight circuits, composition, score sources and neurons on screen equal what torch computes."""

from __future__ import annotations

import pytest

from tests.frontends.conftest import Show

INDUCTION = """
import torch
induction = lw.load_demo("induction")
tokens = lw.prompts.repeated_tokens(induction, seq_len=12, batch=2).prompts
session = lw.Session(induction, tokens)
"""
TRUTH = """
W = {
    layer: {n: getattr(induction.blocks[layer].attn, f"W_{n}").detach().double() for n in "QKVO"}
    for layer in (0, 1)
}
def ratio(src, dst):
    first = W[0]["V"][src] @ W[0]["O"][src]
    second = W[1]["K"][dst] @ W[1]["Q"][dst].T
    return float((first @ second).norm() / (first.norm() * second.norm()))
E, U = induction.W_E.detach().double(), induction.W_U.detach().double()
def k_circuit(src, dst):
    return E @ W[1]["Q"][dst] @ (E @ W[0]["V"][src] @ W[0]["O"][src] @ W[1]["K"][dst]).T
def ov_circuit(layer, head):
    return E @ W[layer]["V"][head] @ W[layer]["O"][head] @ U
def copied(layer, head, k):
    whole = ov_circuit(layer, head)
    return int(((whole > whole.diagonal()[:, None]).sum(dim=1) < k).sum())
def written_keys(dst, src, prompt=0):
    '''Scaled scores of one head's queries on what one earlier head wrote into its keys.'''
    names = ["blocks.1.attn.hook_q", "blocks.0.attn.hook_z", "blocks.1.ln1.hook_scale"]
    with torch.no_grad():
        _, cache = induction.run_with_cache(tokens[prompt][None], names_filter=names)
    q, z, scale = (cache[name][0].double() for name in names)
    part = z[:, src] @ W[0]["O"][src]
    part = (part - part.mean(-1, keepdim=True)) / scale * induction.blocks[1].ln1.weight.double()
    return (q[:, dst] @ (part @ W[1]["K"][dst]).T / W[1]["Q"].shape[-1] ** 0.5).tolist()
def scores(dst, prompt=0):
    names = ["blocks.1.attn.hook_q", "blocks.1.attn.hook_k"]
    with torch.no_grad():
        _, cache = induction.run_with_cache(tokens[prompt][None], names_filter=names)
    q, k = (cache[name][0, :, dst].double() for name in names)
    return q @ k.T / q.shape[-1] ** 0.5
"""


def test_a_pair_of_heads_is_found_opened_and_taken_apart(show: Show) -> None:
    screen = show(
        INDUCTION,
        TRUTH,
        "lw.CompositionView(session, subtract_random=False)",
        "lw.WeightCircuitView(session)",
        "lw.ScoreDecompositionView(session)",
        "lw.AttentionView(session)",
    )
    kernel = screen.kernel
    composition = screen.view("composition")

    def shown() -> dict[str, float]:
        found: dict[str, str] = composition.locator('[role="gridcell"]').evaluate_all(
            """cells => Object.fromEntries(cells.map(cell =>
                 [`${cell.dataset.writer} ${cell.dataset.head}`, cell.dataset.value]))"""
        )
        return {pair: float(value) for pair, value in found.items()}

    truth = kernel.value("{f'L0H{s} L1H{d}': ratio(s, d) for s in range(8) for d in range(8)}")
    assert shown() == pytest.approx(truth, abs=1e-5)
    screen.choose("composition", "baseline", "above")
    random = float(composition.locator("[data-random]").get_attribute("data-random") or "nan")
    assert shown() == pytest.approx({k: v - random for k, v in truth.items()}, abs=1e-5)

    pair = max(truth, key=lambda name: truth[name])
    writer, reader = pair.split()
    src, dst = int(writer[3:]), int(reader[3:])
    composition.locator(f'[data-item="{pair}"]').click()
    screen.wait_idle()
    chosen = kernel.value("session.selection.as_dict()")
    assert [chosen[k] for k in ("layer", "head", "writer_layer", "writer_head")] == [1, dst, 0, src]
    screen.view("attention").locator(f'[data-lw-pattern="{writer}"]').first.wait_for()
    assert screen.shown_pattern() == reader

    circuit = screen.view("weight_circuit")
    screen.choose("weight_circuit", "circuit", "K")
    assert f"{writer} → {reader}" in str(
        circuit.locator("[data-circuit]").get_attribute("data-circuit")
    )
    cells = circuit.locator('[role="gridcell"]').evaluate_all(
        "cells => cells.map(c => ['rowId', 'columnId', 'value'].map(n => Number(c.dataset[n])))"
    )
    kernel.run(f"whole = k_circuit({src}, {dst})")
    expected = kernel.value(f"[float(whole[r, c]) for r, c in {[c[:2] for c in cells]}]")
    assert [c[2] for c in cells] == pytest.approx(expected, abs=1e-4)
    best = circuit.locator("ol").first.locator("[data-token-id]").first
    row = int(cells[0][0])
    assert int(best.get_attribute("data-token-id") or -1) == kernel.value(
        f"int(whole[{row}].argmax())"
    )
    first = circuit.locator('[data-direction="0"]').get_attribute("data-value")
    assert float(first or "nan") == pytest.approx(
        kernel.value("float(torch.linalg.matrix_norm(whole, 2))"), rel=1e-4
    )

    sums = screen.view("score_decomposition").locator("[data-sum]")
    mean = kernel.value(f"float(scores({dst})[torch.ones(25, 25).tril().bool()].mean())")
    for name in ("data-sum", "data-score"):
        assert float(sums.get_attribute(name) or "nan") == pytest.approx(mean, abs=1e-3)
    screen.view("score_decomposition").locator(
        f'[data-query-source="total"][data-key-source="{writer}"]'
    ).click()
    screen.wait_idle()
    found = (
        screen.view("score_decomposition")
        .locator("[data-query-pos][data-key-pos]")
        .evaluate_all(
            "cells => cells.map(c => ['queryPos', 'keyPos', 'value'].map(n => c.dataset[n]))"
        )
    )
    by_torch = kernel.value(f"written_keys({dst}, {src})")
    assert len(found) == 25 * 25
    for q, k, value in found:
        if int(k) <= int(q):
            assert float(value) == pytest.approx(by_torch[int(q)][int(k)], abs=1e-3)
        else:
            assert value == ""


def test_copied_tokens_are_counted_over_the_vocabulary(show: Show) -> None:
    screen = show(INDUCTION, TRUTH, "session.selection.update(layer=1, head=4)",
                  "lw.WeightCircuitView(session)")  # fmt: skip
    circuit = screen.view("weight_circuit")
    circuit.get_by_role("button", name="count copied tokens").click()
    counted = circuit.locator("[data-done]")
    counted.wait_for()
    screen.wait_idle()
    assert counted.get_attribute("data-done") == counted.get_attribute("data-total") == "821"
    for k in (1, 5):
        found = int(counted.get_attribute(f"data-top{k}") or -1)
        assert found == screen.kernel.value(f"copied(1, 4, {k})")


IOI = """
session = lw.Session(model, ["When John and Mary went to the shops, John gave the bag to"],
                     answers=[(" Mary", " John")])
def neuron(layer, index, off=None):
    def drop(z, hook):
        z = z.clone()
        z[:, :, off] = 0
        return z
    kept = []
    hooks = [] if off is None else [("blocks.0.attn.hook_z", drop)]
    name = f"blocks.{layer}.mlp.hook_post"
    with torch.no_grad():
        model.run_with_hooks(model.to_tokens(session.prompt_set.texts[0]), fwd_hooks=[
            *hooks, (name, lambda x, hook: kept.append(x[0, :, index].tolist()))])
    return kept[0]
"""


def test_a_neuron_colours_the_text_and_follows_interventions(show: Show) -> None:
    screen = show(IOI, "lw.NeuronView(session, neuron='L1N3', top_k=5)")
    view = screen.view("neuron")

    def shown() -> list[float]:
        found: list[float] = view.locator("[data-pos]").evaluate_all(
            "chips => chips.map(chip => Number(chip.dataset.value))"
        )
        return found

    before = screen.kernel.value("neuron(1, 3)")
    assert shown() == pytest.approx(before, abs=1e-4)
    highest = view.locator("ol").first.locator("[data-place]").first
    assert highest.get_attribute("data-place") == f"0.{before.index(max(before))}"
    highest.click()
    screen.kernel.wait_until(f"session.selection.query_pos == {before.index(max(before))}")

    screen.kernel.run("session.interventions.toggle('L0H2')")
    screen.wait_idle(1)
    assert shown() == pytest.approx(screen.kernel.value("neuron(1, 3, off=2)"), abs=1e-4)

    search = view.locator('input[aria-label="neuron"]')
    search.fill("L3N500")
    search.press("Enter")
    screen.wait_idle()
    assert shown() == pytest.approx(screen.kernel.value("neuron(3, 500, off=2)"), abs=1e-4)
    assert screen.kernel.value(
        "[w.neuron for w in __import__('ipywidgets').Widget.widgets.values()"
        " if hasattr(w, 'neuron')]"
    ) == ["L3N500"]
