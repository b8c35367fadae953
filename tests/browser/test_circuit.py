"""The circuit: what is drawn is what the estimates say, and what is cut is cut everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .conftest import Lab
from .test_takeaway import save

Mount = Callable[..., Lab]
METHOD = "best"


def edges(lab: Lab, **args: Any) -> Any:
    return lab.answer("circuit/edges", edge_method=METHOD, **({"circuit_share": None} | args))


def names(told: Any) -> list[str]:
    ends = zip(told["writer"].values, told["reader"].values, strict=True)
    return [f"{writer} → {reader}" for writer, reader in ends]


@pytest.fixture
def circuit(mount: Mount) -> Lab:
    return mount("circuit", width=1000)


def test_the_graph_and_its_table_show_the_circuits_edges(circuit: Lab) -> None:
    told = edges(circuit)
    drawn = circuit.js(
        "return [...root.querySelectorAll('.lw-circuit-edge')].map(one => one.dataset.edge)"
    )
    assert sorted(drawn) == sorted(names(told))
    rows = circuit.js(
        """return [...root.querySelectorAll('.lw-circuit-table [data-edge]')].map(row => [
             row.dataset.edge, Number(row.querySelector('[data-column=score]').dataset.value)])"""
    )
    assert [name for name, _ in rows] == names(told)[: len(rows)]
    np.testing.assert_allclose(
        [score for _, score in rows], told["score"].values[: len(rows)], rtol=1e-6
    )
    said = circuit.find(".lw-circuit-said")
    assert said.get_attribute("data-edges") == str(told.attrs["n_edges"])
    assert said.get_attribute("data-all") == str(told.attrs["n_all"])


def test_every_stop_of_the_slider_shows_its_measured_faithfulness_and_moves_no_node(
    circuit: Lab,
) -> None:
    curve = circuit.answer("circuit/curve", edge_method=METHOD, cut_kind="resample")
    places = """return Object.fromEntries([...root.querySelectorAll('.lw-circuit-node')].map(
        one => [one.dataset.node, one.querySelector('rect').getAttribute('y')]))"""
    slider = circuit.find('[aria-label="size of the circuit"]')
    slider.focus()
    circuit.page.keyboard.press("Home")
    seen: dict[str, str] = {}
    for stop in range(len(curve["share"])):
        circuit.wait("root.querySelector('.lw-circuit-curve').dataset.stop === String(arg)", stop)
        circuit.idle()
        told = edges(circuit, circuit_share=float(curve["share"][stop]))
        said = circuit.find(".lw-circuit-said")
        assert said.get_attribute("data-edges") == str(told.attrs["n_edges"])
        shown = float(said.get_attribute("data-faithfulness") or "nan")
        assert shown == pytest.approx(float(curve["faithfulness"][stop]), abs=1e-5)
        now = circuit.js(places)
        assert all(seen.get(node, y) == y for node, y in now.items())
        seen |= now
        circuit.page.keyboard.press("ArrowRight")
    assert len(seen) > 5


def test_an_edge_that_is_cut_says_what_that_did(circuit: Lab) -> None:
    first = names(edges(circuit))[0]
    writer, reader = first.split(" → ")
    circuit.find(f'.lw-circuit-edge[data-edge="{first}"] .lw-circuit-hit').dispatch_event("click")
    circuit.idle()
    card = circuit.find('[aria-label="the chosen edge"]')
    asked = {"cut_kind": "resample", "writer": writer, "reader": reader}
    told = circuit.answer("circuit/edge", **asked)
    before = circuit.answer("session/metric").attrs["current"]
    assert float(card.locator("[data-change]").get_attribute("data-change") or "nan") == (
        pytest.approx(told.attrs["change"], abs=1e-5)
    )

    card.get_by_role("switch").click()
    circuit.idle()
    assert circuit.js("return kernel.interventions.map(({ label }) => label)") == [first]
    assert circuit.find(f'.lw-circuit-edge[data-edge="{first}"]').get_attribute("data-cut") == (
        "true"
    )
    after = float(circuit.find("[data-lw-metric]").get_attribute("data-current") or "nan")
    assert after - before == pytest.approx(told.attrs["change"], abs=1e-4)
    # The circuit itself is still that of whole edges.
    assert names(edges(circuit))[0] == first
    circuit.page.keyboard.press("z")
    circuit.idle()
    assert circuit.js("return kernel.interventions") == []


def test_by_keyboard_alone_an_edge_is_chosen_and_cut_in_the_table(circuit: Lab) -> None:
    second = names(edges(circuit))[1]
    table = circuit.find(".lw-circuit-table")
    table.locator("[data-edge]").first.focus()
    circuit.page.keyboard.press("ArrowDown")
    circuit.page.keyboard.press("Enter")
    circuit.find(f'[data-chosen="{second}"]').wait_for()
    circuit.page.keyboard.press(" ")
    circuit.idle()
    assert circuit.js("return kernel.interventions.map(({ label }) => label)") == [second]


def test_a_node_tells_what_it_reads_and_what_reads_it_and_one_walks_on(circuit: Lab) -> None:
    told = edges(circuit)
    node = next(str(writer) for writer in told["writer"].values if "H" in str(writer))
    circuit.find(f'.lw-circuit-node[data-node="{node}"]').dispatch_event("click")
    circuit.idle()
    card = circuit.find('[aria-label="the chosen node"]')
    listed = circuit.answer("circuit/node", edge_method=METHOD, node=node)
    shown = card.locator("[data-edge]").evaluate_all("all => all.map(one => one.dataset.edge)")
    assert sorted(shown) == sorted(names(listed))
    layer, head = node[1:].split("H")
    chosen = circuit.js("return [kernel.selection.layer, kernel.selection.head]")
    assert chosen == [int(layer), int(head)]
    card.locator("[data-edge]").first.click()
    circuit.find(f'[aria-label="the chosen edge"][data-chosen="{shown[0]}"]').wait_for()


def test_a_group_has_a_name_and_a_joint_effect(circuit: Lab) -> None:
    told = edges(circuit)
    nodes = list(dict.fromkeys(str(one) for one in told["writer"].values))[:2]
    for node in nodes:
        circuit.js(
            """root.querySelector(`.lw-circuit-node[data-node="${arg}"]`).dispatchEvent(
                 new MouseEvent('click', { bubbles: true, shiftKey: true }))""",
            node,
        )
    circuit.idle()
    card = circuit.find('[aria-label="the group"]')
    card.get_by_label("name of the group").fill("<b>movers</b>")
    assert circuit.find(".lw-circuit-group text").text_content() == "<b>movers</b>"
    found = circuit.answer("circuit/group", cut_kind="resample", nodes=nodes)
    assert float(card.locator("[data-change]").get_attribute("data-change") or "nan") == (
        pytest.approx(found.attrs["change"], abs=1e-5)
    )


def agreement_of(lab: Lab) -> tuple[str, float, str]:
    """The method that is shown, its correlation, and all that the line says."""
    lab.wait("root.querySelector('[data-agreement]') !== null")
    shown = lab.find("[data-agreement]")
    method = shown.get_attribute("data-method") or ""
    return method, float(shown.get_attribute("data-agreement") or "nan"), shown.inner_text()


def test_the_best_estimate_is_chosen_and_the_view_says_so(circuit: Lab) -> None:
    told = circuit.answer("circuit/agreements")
    linear = dict(zip(told["method"].values.tolist(), told["linear"].values, strict=True))
    method, value, text = agreement_of(circuit)
    assert method == told.attrs["best"] == max(linear, key=lambda name: linear[name])
    assert method == edges(circuit).attrs["method"]
    assert value == pytest.approx(float(linear[method]), abs=1e-6)
    assert text.startswith("chosen: ")
    assert f"with {told.attrs['n_exact']} exact edges" in text


def test_a_picked_estimate_stays_and_the_better_one_is_a_click_away(circuit: Lab) -> None:
    told = circuit.answer("circuit/agreements")
    worst = str(told["method"].values[int(np.nanargmin(told["linear"].values))])
    circuit.find(f'[data-option="{worst}"]').click()
    circuit.idle()
    method, _, text = agreement_of(circuit)
    assert method == worst
    assert not text.startswith("chosen")
    place = circuit.find(".lw-circuit-curve").bounding_box()
    circuit.find(".lw-circuit-trust button").click()
    circuit.idle()
    assert agreement_of(circuit)[0] == told.attrs["best"]
    # The line above the curve is as high either way.
    assert circuit.find(".lw-circuit-curve").bounding_box() == place


def test_a_node_is_put_into_a_group_by_keyboard_alone(circuit: Lab) -> None:
    first = names(edges(circuit))[0]
    writer = first.split(" → ")[0]
    circuit.find(".lw-circuit-table").locator("[data-edge]").first.focus()
    circuit.page.keyboard.press("Enter")
    circuit.find(f'[aria-label="the chosen edge"][data-chosen="{first}"]').wait_for()
    circuit.find(f'[aria-label="look at {writer}"]').focus()
    circuit.page.keyboard.press("Enter")
    circuit.find(f'[aria-label="the chosen node"][data-chosen="{writer}"]').wait_for()
    circuit.find('[aria-label="put into the group"]').focus()
    circuit.page.keyboard.press("Enter")
    circuit.find(f'[aria-label="the group"][data-group="{writer}"]').wait_for()


def test_the_saved_file_is_the_benchmarks(circuit: Lab) -> None:
    written = save(circuit, "save JSON (MIB)").decode("ascii")
    told = circuit.answer("circuit/file", edge_method=METHOD, circuit_share=None, part=0)
    assert told.attrs["parts"] == 1
    assert written == told.attrs["text"]
    kept = [name for name, edge in json.loads(written)["edges"].items() if edge["in_graph"]]
    assert len(kept) == edges(circuit).attrs["n_edges"]


MEANWHILE = """
    const { message } = kernel.held.find(({ message }) => message.method === 'circuit/edges');
    const { id, slot, seq, method, args } = message;
    const told = { kind: 'progress', id, slot, seq, state: 'computing', done: 0, total: 0 };
    return kernel.answer(method, { ...args, edge_method: 'eap' }).then(({ result, buffers }) => {
      const label = 'comparing estimates';
      kernel.models[0].emit('msg:custom', { ...told, label, partial: result }, buffers);
    });"""
"""Sends what the kernel sends until the best estimate is known; here by the gradient."""


@pytest.mark.parametrize("worked", [False, True])
def test_whoever_works_with_the_first_estimate_keeps_it(mount: Mount, worked: bool) -> None:
    lab = mount("circuit", width=1000, rest=None, manual=True)
    held = "window.lab.kernel.held.some(({ message }) => message.method === 'circuit/edges')"
    lab.wait(held)
    lab.js(MEANWHILE)
    line = lab.find(".lw-circuit-trust[data-method=eap]")
    line.wait_for(state="visible")
    assert line.inner_text() == "gradient, being compared with exact edges"
    if worked:
        lab.find(".lw-circuit-hit").first.dispatch_event("click")
    lab.js(
        """kernel.manual = false;
           while (kernel.held.length > 0) kernel.release();"""
    )
    lab.idle()
    best = lab.answer("circuit/agreements").attrs["best"]
    assert best != "eap"
    method, _, said = agreement_of(lab)
    assert method == ("eap" if worked else best)
    assert said.startswith("chosen: ") == (not worked)
    picked = lab.find('[role="radio"][aria-checked="true"]').first
    assert picked.get_attribute("data-option") == ("eap" if worked else "best")
    # Offered, not put in its place.
    assert lab.find(".lw-circuit-trust button").count() == worked
