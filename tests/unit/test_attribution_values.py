"""Every direct effect equals its definition, written out from full outputs and plain algebra."""

from __future__ import annotations

import pytest
import torch

import lens_widgets as lw
from tests.models import ARCHITECTURES, D_MODEL, D_VOCAB, tiny
from tests.unit import reference
from tests.unit.algebra import Prompt, above_mean, answer_difference
from tests.unit.cases import ANSWER_IDS, ANSWERS, PROMPTS, rows

STEER = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(11))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_head_is_its_full_output_read_through_the_final_norm(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    heads = lw.analysis.attribution(session, per_prompt=True)
    assert heads.dims == ("prompt", "layer", "head")
    for row, answer in enumerate(ANSWER_IDS):
        prompt = Prompt(name, session, row)
        read = answer_difference(D_VOCAB, answer)
        for layer in range(2):
            for head in range(4):
                expected = prompt.effect(prompt.head_write(layer, head), read)
                got = float(heads.sel(prompt=row, layer=layer, head=head))
                assert got == pytest.approx(expected, abs=1e-4), (row, layer, head)
    assert float(abs(heads).max()) > 0.01


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_component_is_what_it_wrote_read_through_the_final_norm(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    parts = lw.analysis.attribution(session, by="component", per_prompt=True)
    for row, answer in enumerate(ANSWER_IDS):
        prompt = Prompt(name, session, row)
        read = answer_difference(D_VOCAB, answer)
        expected = {"bias": prompt.bias_effect(read)}
        pos_embed = torch.zeros(D_MODEL)
        if "pos_embed" in parts["component"]:
            pos_embed = prompt.at_last("hook_pos_embed")
            expected["pos_embed"] = prompt.effect(pos_embed, read)
        expected["embed"] = prompt.effect(prompt.at_last("blocks.0.hook_in") - pos_embed, read)
        for layer in range(2):
            for kind in ("attn", "mlp"):
                if f"L{layer}.{kind}" in parts["component"]:
                    wrote = prompt.at_last(f"blocks.{layer}.hook_{kind}_out")
                    expected[f"L{layer}.{kind}"] = prompt.effect(wrote, read)
        got = {str(c): float(parts.sel(prompt=row, component=c)) for c in parts["component"].values}
        assert got == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_heads_under_interventions_are_read_through_the_changed_runs_norm(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    session.interventions.add(lw.Ablate("L0.attn"))
    session.interventions.add(lw.Ablate("L1H0"))
    hooks = (
        reference.write("blocks.0.hook_attn_out", 0.0),
        reference.write("blocks.1.attn.hook_z", 0.0, head=0),
    )
    heads = lw.analysis.attribution(session, per_prompt=True)
    for row, answer in enumerate(ANSWER_IDS):
        prompt = Prompt(name, session, row, hooks)
        read = answer_difference(D_VOCAB, answer)
        for head in range(4):
            expected = prompt.effect(prompt.head_write(1, head), read) if head else 0.0
            got = float(heads.sel(prompt=row, layer=1, head=head))
            assert got == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_steering_wrote_is_the_entry_for_interventions(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    session.interventions.add(lw.Steer("blocks.1.hook_resid_post", STEER, 2.0))
    parts = lw.analysis.attribution(session, by="component", per_prompt=True)
    for row, answer in enumerate(ANSWER_IDS):
        at = range(rows(session)[row].shape[1])
        hooks = (reference.add("blocks.1.hook_resid_post", 2.0 * STEER, at=at),)
        prompt = Prompt(name, session, row, hooks)
        expected = prompt.effect(2.0 * STEER, answer_difference(D_VOCAB, answer))
        got = float(parts.sel(prompt=row, component="interventions"))
        assert got == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "granite", "olmo2", "phi"])
def test_the_probability_metric_reads_the_answer_above_the_mean(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS, metric="prob")
    heads = lw.analysis.attribution(session, per_prompt=True)
    for row, (correct, _) in enumerate(ANSWER_IDS):
        prompt = Prompt(name, session, row)
        for head in range(4):
            expected = prompt.effect(prompt.head_write(1, head), above_mean(D_VOCAB, correct))
            got = float(heads.sel(prompt=row, layer=1, head=head))
            assert got == pytest.approx(expected, abs=1e-4)


def test_attribution_agrees_with_transformerlens_on_folded_weights() -> None:
    session = lw.Session(tiny("gpt2_folded"), PROMPTS[:1], answers=ANSWERS[0])
    _, cache = session.model.run_with_cache(rows(session)[0])
    stack, labels = cache.decompose_resid(pos_slice=-1, return_labels=True)
    effects = cache.logit_attrs(stack, *ANSWER_IDS[0], pos_slice=-1)[:, 0]
    parts = lw.analysis.attribution(session, by="component")
    names = {"embed": "embed", "pos_embed": "pos_embed"}
    names |= {f"{layer}_attn_out": f"L{layer}.attn" for layer in range(2)}
    names |= {f"{layer}_mlp_out": f"L{layer}.mlp" for layer in range(2)}
    compared = {
        names[label]: value.item()
        for label, value in zip(labels, effects, strict=True)
        if label in names
    }
    assert set(compared) == set(parts["component"].values) - {"bias"}
    for component, expected in compared.items():
        assert float(parts.sel(component=component)) == pytest.approx(expected, abs=1e-4)
