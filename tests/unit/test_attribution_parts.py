"""A head's effect splits over the tokens it read from, an MLP's over its neurons: both measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, D_HEAD, D_VOCAB, tiny
from tests.unit import reference
from tests.unit.algebra import Prompt, above_mean, answer_difference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, rows

WITHOUT_NEURONS = {"mixtral": "mixture of experts", "attn_only": "has no MLP"}
WITH_NEURONS = [name for name in ARCHITECTURES if name not in WITHOUT_NEURONS]


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(
        tiny(name), PROMPTS, **{"answers": ANSWERS, "corrupted": CORRUPTED, **options}
    )


# --- by source position -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_sources_are_what_each_tokens_value_adds_to_the_heads_output(name: str) -> None:
    session = _session(name)
    heads = session.facts.n_heads
    groups = session.facts.hooks["blocks.1.attn.hook_v"][2]
    for row, head in ((0, 3), (1, 1)):
        sources = lw.analysis.attribution_by_source(session, f"L1H{head}")
        assert sources.dims == ("prompt", "key_pos")
        whole = Prompt(name, session, row)
        read = answer_difference(D_VOCAB, ANSWER_IDS[row])
        for key in range(whole.tokens.shape[1]):
            silent = reference.write(
                "blocks.1.attn.hook_v", 0.0, head=head * groups // heads, at=[key]
            )
            without = Prompt(name, session, row, (silent,))
            moved = whole.head_output(1, head) - without.head_output(1, head)
            expected = whole.effect(whole.written("attn", 1, moved), read)
            got = float(sources.sel(prompt=row, key_pos=key))
            assert got == pytest.approx(expected, abs=1e-4), key


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("answers", [ANSWERS, None])
def test_sources_sum_to_the_heads_effect(name: str, answers: Any) -> None:
    session = _session(name, answers=answers)
    session.interventions.add(lw.Ablate("L0H0"))
    heads = lw.analysis.attribution(session, per_prompt=True)
    for layer, head in ((0, 2), (1, 0)):
        sources = lw.analysis.attribution_by_source(session, f"L{layer}H{head}")
        expected = heads.sel(layer=layer, head=head)
        np.testing.assert_allclose(sources.sum("key_pos"), expected, atol=1e-5)
        assert sources.attrs["total"] == pytest.approx(float(expected.mean()), abs=1e-5)
        assert sources.attrs["rest"] == pytest.approx(0.0, abs=1e-5)
        for row, tokens in enumerate(rows(session)):
            assert np.isnan(sources.sel(prompt=row)[tokens.shape[1] :]).all()


def test_sources_can_be_read_at_another_position(session: lw.Session) -> None:
    heads = lw.analysis.attribution(session, per_position=True, per_prompt=True)
    sources = lw.analysis.attribution_by_source(session, "L1H2", pos=3)
    expected = heads.sel(layer=1, head=2, pos=3)
    np.testing.assert_allclose(sources.sum("key_pos", skipna=True), expected, atol=1e-5)
    assert float(abs(sources[:, 4]).max()) == 0.0, "what comes later is not attended to"
    assert "at position 3" in sources.attrs["definition"]


def test_sources_are_labelled_and_can_be_averaged(session: lw.Session) -> None:
    each = lw.analysis.attribution_by_source(session, "L1H2")
    assert each["token"].dims == ("prompt", "key_pos")
    assert each["token"].values[1].tolist() == [
        *("<bos> 0", "w11 1", "w12 2", "w13 3", "w14 4", "", ""),
    ]
    assert each.attrs["units"] == "logits"
    mean = lw.analysis.attribution_by_source(session, "L1H2", per_prompt=False)
    np.testing.assert_allclose(mean, each.mean("prompt"), atol=1e-6)
    expected = each.values[:, :5].std(axis=0, ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(mean["sem"][:5], expected, atol=1e-6)


def test_no_token_carries_what_an_intervention_put_into_the_head(session: lw.Session) -> None:
    for item in (lw.Ablate("L1H2"), lw.Ablate("L1H2", "mean"), lw.Patch("L1H2")):
        changed = session.with_interventions([item])
        sources = lw.analysis.attribution_by_source(changed, "L1H2")
        heads = lw.analysis.attribution(changed)
        assert float(abs(sources).max()) == 0.0
        assert sources.attrs["rest"] == pytest.approx(float(heads.sel(layer=1, head=2)), abs=1e-6)
    vector = torch.ones(D_HEAD)
    steered = session.with_interventions([lw.Steer("L1H2", vector)])
    plain = lw.analysis.attribution_by_source(session, "L1H2")
    sources = lw.analysis.attribution_by_source(steered, "L1H2")
    # Steering adds to what the tokens carry; only the final norm's scale is another.
    ratio = (sources / plain).values[0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    assert abs(sources.attrs["rest"]) > 1e-3


@pytest.mark.parametrize(
    ("head", "says"),
    [("L2H0", "2 layers of 4 heads.*L1H3"), ("L0.mlp", "not a head"), ("head 1", "component name")],
)
def test_sources_of_what_is_no_head_are_refused(session: lw.Session, head: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        lw.analysis.attribution_by_source(session, head)


# --- neurons ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_NEURONS)
def test_each_neuron_is_its_measured_write_read_through_the_final_norm(name: str) -> None:
    session = _session(name)
    for row, layer in ((0, 1), (1, 0)):
        neurons = lw.analysis.attribution(session, "neuron", layer=layer, per_prompt=True)
        assert neurons.dims == ("prompt", "neuron")
        prompt = Prompt(name, session, row)
        read = answer_difference(D_VOCAB, ANSWER_IDS[row])
        for neuron in (0, 17, neurons.sizes["neuron"] - 1):
            expected = prompt.effect(prompt.neuron_write(layer, neuron), read)
            got = float(neurons.sel(prompt=row, neuron=neuron))
            assert got == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", WITH_NEURONS)
def test_neurons_and_the_output_bias_sum_to_the_mlps_effect(name: str) -> None:
    session = _session(name)
    neurons = lw.analysis.attribution(session, "neuron", per_prompt=True)
    assert neurons.dims == ("prompt", "layer", "neuron")
    parts = lw.analysis.attribution(session, "component", per_prompt=True)
    for row, answer in enumerate(ANSWER_IDS):
        prompt = Prompt(name, session, row)
        read = answer_difference(D_VOCAB, answer)
        for layer in (0, 1):
            bias = prompt.effect(prompt.bias_write(layer), read)
            whole = float(parts.sel(prompt=row, component=f"L{layer}.mlp"))
            got = float(neurons.sel(prompt=row, layer=layer).sum())
            assert got + bias == pytest.approx(whole, abs=1e-4)


def test_neurons_without_answers_are_averaged_over_the_positions_read() -> None:
    session = _session("llama", answers=None)
    neurons = lw.analysis.attribution(session, "neuron", layer=1, per_prompt=True)
    tokens = rows(session)[1]
    expected = []
    for pos in range(tokens.shape[1] - 1):
        cut = Prompt("llama", session, 1, n_tokens=pos + 1)
        read = above_mean(D_VOCAB, int(tokens[0, pos + 1]))
        expected.append(cut.effect(cut.neuron_write(1, 5), read))
    got = float(neurons.sel(prompt=1, neuron=5))
    assert got == pytest.approx(float(np.mean(expected)), abs=1e-4)


def test_neurons_of_a_replaced_mlp_have_no_effect(session: lw.Session) -> None:
    session.interventions.toggle("L0.mlp")
    assert float(abs(lw.analysis.attribution(session, "neuron", layer=0)).max()) == 0.0
    assert float(abs(lw.analysis.attribution(session, "neuron", layer=1)).max()) > 0.0


@pytest.mark.parametrize("name", WITHOUT_NEURONS)
def test_models_whose_mlps_are_no_layer_of_neurons_say_so(name: str) -> None:
    session = _session(name)
    for options in ({}, {"layer": 1}):
        with pytest.raises(InputError, match=WITHOUT_NEURONS[name]):
            lw.analysis.attribution(session, "neuron", **options)  # type: ignore[arg-type]
