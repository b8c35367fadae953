"""What the neuron view answers, hands out and draws is what a hook on the model itself reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.script_parts import Which
from lens_widgets.errors import InputError
from tests.models import fresh, native, tiny, word_tokenizer
from tests.unit.cases import PROMPTS, rows
from tests.unit.page import Page
from tests.unit.scripts import edited, execute
from tests.unit.spies import spy

RUNS: list[Which] = ["baseline", "current", "difference"]
MODELS = ["gpt2", "llama", "gemma2"]


def ablated(name: str) -> lw.Session:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.add(lw.Ablate("L0H1"))
    return session


def seen(session: lw.Session, layer: int) -> dict[str, list[Tensor]]:
    """What a hook reads of a layer's neurons, by run, of each prompt by itself: [pos, neuron]."""

    def without_1(z: Tensor, hook: Any) -> Tensor:
        z = z.clone()
        z[:, :, 1] = 0
        return z

    found: dict[str, list[Tensor]] = {which: [] for which in RUNS}
    for which, hooks in (("baseline", []), ("current", [("blocks.0.attn.hook_z", without_1)])):
        for ids in rows(session):
            kept: list[Tensor] = []

            def keep(x: Tensor, hook: Any, kept: list[Tensor] = kept) -> None:
                kept.append(x[0].detach())

            name = f"blocks.{layer}.mlp.hook_post"
            session.model.run_with_hooks(ids, fwd_hooks=[*hooks, (name, keep)])
            found[which].append(kept[0])
    for before, after in zip(found["baseline"], found["current"], strict=True):
        found["difference"].append(after - before)
    return found


@pytest.mark.parametrize("prompt", [0, 1])
@pytest.mark.parametrize("name", MODELS)
def test_a_neuron_is_what_enters_the_mlps_output_map(name: str, prompt: int) -> None:
    session = ablated(name)
    session.selection.update(prompt=prompt)
    expected = {which: values[prompt][:, 7] for which, values in seen(session, 1).items()}
    assert expected["difference"].abs().max() > 1e-4
    everything = [values[:, 7] for which in RUNS[:2] for values in seen(session, 1)[which]]
    view = lw.NeuronView(session, neuron="L1N7")
    for table in (
        Page(session).dataset("neuron/activations", neuron="l1n7", prompt=prompt),
        view.data(),
        view.ask("activations"),
    ):
        for which in ("baseline", "current"):
            np.testing.assert_allclose(table[which], expected[which], atol=1e-5)
        n = session.facts.hooks["blocks.1.mlp.hook_post"][-1]
        assert (table.attrs["neuron"], table.attrs["n_neurons"]) == ("L1N7", n)
        largest = float(torch.cat(everything).abs().max())
        assert table.attrs["largest"] == pytest.approx(largest, abs=1e-5)
    assert list(view.data()["token"].values)[1] == f"{PROMPTS[prompt].split()[0]} 1"
    for which in RUNS:
        (trace,) = lw.NeuronView(session, neuron="L1N7", show=which).figure().data
        np.testing.assert_allclose(trace.y, expected[which], atol=1e-5)
        assert list(trace.x) == list(view.data()["token"].values)


@pytest.mark.parametrize("show", RUNS)
@pytest.mark.parametrize("name", MODELS)
def test_places_are_where_it_is_highest_and_lowest_in_all_prompts(name: str, show: Any) -> None:
    session = ablated(name)
    values = [each[:, 7] for each in seen(session, 1)[show]]
    ordered = torch.cat(values).sort().values
    view = lw.NeuronView(session, neuron="L1N7", show=show, top_k=3)
    for table in (
        Page(session).dataset("neuron/places", neuron="L1N7", show=show, top_k=3),
        view.ask("places"),
    ):
        assert list(table["end"].values) == ["highest", "lowest"]
        np.testing.assert_allclose(table["activation"][0], ordered.flip(0)[:3], atol=1e-5)
        np.testing.assert_allclose(table["activation"][1], ordered[:3], atol=1e-5)
        for end in range(2):
            for rank in range(3):
                at = {"end": end, "rank": rank}
                prompt, pos = (int(table[name].isel(at)) for name in ("prompt", "pos"))
                value = float(table["activation"].isel(at))
                assert float(values[prompt][pos]) == pytest.approx(value, abs=1e-5)
                assert int(table["token_id"].isel(at)) == int(session.tokens[prompt, pos])
                words = ["<bos>", *PROMPTS[prompt].split()]
                assert table["token"].isel(at).item() == words[pos]
    # More than there are tokens: all of them, and none that is made up.
    many = view.ask("places", top_k=100)
    assert many.sizes["rank"] == len(ordered)
    np.testing.assert_allclose(many["activation"][1], ordered, atol=1e-5)
    padded = lw.analysis.top_tokens(session, 1, 7, 100, show)
    assert int(padded.notnull().sum()) == 2 * len(ordered)
    np.testing.assert_allclose(padded[1, : len(ordered)], ordered, atol=1e-5)
    assert padded["token"].values[0, -1] == ""


@pytest.mark.parametrize("show", RUNS)
@pytest.mark.parametrize("query_pos", [2, None])
@pytest.mark.parametrize("name", MODELS)
def test_the_strongest_are_those_of_all_layers(name: str, query_pos: Any, show: Any) -> None:
    session = ablated(name)
    session.selection.update(query_pos=query_pos)
    at = 6 if query_pos is None else query_pos
    layers = [{run: values[0] for run, values in seen(session, each).items()} for each in (0, 1)]
    ranked = torch.cat([layer["baseline" if show == "baseline" else "current"] for layer in layers],
                       dim=1)  # fmt: skip
    shown = torch.cat([layer[show] for layer in layers], dim=1)
    best = ranked[at].abs().topk(5).indices.tolist()
    args = {"prompt": 0, "query_pos": query_pos, "show": show, "top_k": 5}
    n = session.facts.hooks["blocks.1.mlp.hook_post"][-1]
    for table in (
        Page(session).dataset("neuron/strongest", **args),
        lw.NeuronView(session, show=show, top_k=5).ask("strongest"),
    ):
        assert list(table["neuron"].values) == [f"L{i // n}N{i % n}" for i in best]
        np.testing.assert_array_equal(table["layer"], [i // n for i in best])
        np.testing.assert_array_equal(table["index"], [i % n for i in best])
        np.testing.assert_allclose(table["activation"], shown[:, best].T, atol=1e-5)
        assert table.attrs["query_pos"] == at


@pytest.mark.parametrize("show", RUNS)
def test_its_code_gives_the_numbers(show: Any) -> None:
    session = edited("gpt2")
    session.selection.update(prompt=1, query_pos=3)
    view = lw.NeuronView(session, neuron="L1N17", show=show, top_k=4)
    left = execute(session, view.ask("code").attrs["code"])
    table, places = view.data(), view.ask("places")
    runs = {run: table[run].values for run in ("baseline", "current")}
    runs["difference"] = runs["current"] - runs["baseline"]
    np.testing.assert_allclose(left["activations"][1, : table.sizes["pos"]], runs[show], atol=1e-5)
    for row, end in enumerate(("highest", "lowest")):
        values = [value for value, *_ in left[end]]
        np.testing.assert_allclose(values, places["activation"][row], atol=1e-5)
    strongest = view.ask("strongest")
    left = execute(session, view.ask("strongest_code").attrs["code"])
    names = [f"L{layer}N{index}" for layer, index in left["strongest"]]
    assert names == list(strongest["neuron"].values)
    np.testing.assert_allclose(left["activations"], strongest["activation"], atol=1e-5)


def test_code_runs_nothing_and_answers_run_each_state_once() -> None:
    model = fresh("gpt2")
    session = lw.Session(model, PROMPTS)
    session.interventions.toggle("L0H1")
    runs: list[str] = []
    model.blocks[1].register_forward_pre_hook(spy(lambda *_: runs.append("block")))
    view = lw.NeuronView(session)
    page = Page(session)
    page.dataset("neuron/code", neuron="L1N7", show="difference", top_k=5)
    page.dataset("neuron/strongest_code", prompt=0, query_pos=None, show="difference", top_k=5)
    asked = view.opening()
    assert list(asked) == [
        "neuron/metric",
        "neuron/tokens",
        "neuron/activations",
        "neuron/places",
        "neuron/strongest",
    ]
    assert runs == []
    for method, args in asked.values():
        page.dataset(method, **args)
    # Whatever the question, the neurons of all layers come with the run itself.
    assert len(runs) == 2, "once without the interventions and once under them"


def test_strongest_of_a_long_prompt_fit_a_message_position_by_position() -> None:
    model = native(word_tokenizer(), n_layers=1, n_heads=1, d_model=8, d_head=4, d_mlp=128,
                   n_ctx=4096, d_vocab=60, act_fn="gelu", normalization_type="LN")  # fmt: skip
    tokens = torch.randint(3, 60, (1, 4096), generator=torch.Generator().manual_seed(0))
    session = lw.Session(model, tokens)
    args = {"prompt": 0, "query_pos": None, "show": "current", "top_k": 100}
    sent = Page(session).dataset("neuron/strongest", **args)
    exact = lw.NeuronView(session).ask("strongest", **args)["activation"].values
    error = np.abs(exact).max() / 254
    np.testing.assert_allclose(sent["activation"], exact, atol=error * 1.001)


@pytest.mark.parametrize(
    ("name", "question", "args", "words"),
    [
        ("gpt2", "activations", {"neuron": "L1H3"}, ["neuron='L1H3'", "L3N1024"]),
        ("gpt2", "places", {"neuron": "L1N9999"}, ["9999", "127"]),
        ("gpt2", "code", {"neuron": "L7N0"}, ["layer=7", "0 to 1"]),
        ("gpt2", "activations", {"prompt": 2}, ["prompt=2"]),
        ("gpt2", "places", {"top_k": 101}, ["top_k=101", "1 to 100"]),
        ("gpt2", "code", {"top_k": 0}, ["top_k=0", "1 to 100"]),
        ("gpt2", "strongest", {"query_pos": 7}, ["query_pos=7", "0 to 6"]),
        ("gpt2", "strongest_code", {"query_pos": -1}, ["query_pos=-1", "0 to 6"]),
        ("attn_only", "activations", {}, ["no MLP"]),
        ("attn_only", "strongest", {}, ["no MLP"]),
        ("mixtral", "places", {}, ["mixture"]),
    ],
)
def test_what_cannot_be_answered_is_named(
    name: str, question: str, args: dict[str, Any], words: list[str]
) -> None:
    view = lw.NeuronView(lw.Session(tiny(name), PROMPTS))
    with pytest.raises(InputError) as caught:
        view.ask(question, **args)
    assert all(word in str(caught.value) for word in words), str(caught.value)
