"""The metric's logits from stage to stage: each by its definition, the last one the metric."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.interventions.base import Intervention
from tests.models import ARCHITECTURES, D_MODEL, D_VOCAB, tiny
from tests.unit.algebra import Prompt, answer_difference
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, rows

STEER = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(5))
INTERVENTIONS: dict[str, list[Intervention]] = {
    "none": [],
    "ablations": [lw.Ablate("L0H1"), lw.Ablate("L1.attn", "mean")],
    "patched stream": [lw.Patch("blocks.1.hook_resid_pre", positions=(-1, 1))],
    "steered stream": [lw.Steer("blocks.1.hook_resid_post", STEER)],
    "steered embedding": [lw.Steer("embed", STEER)],
    "steered after the norm": [lw.Steer("ln_final.hook_out", STEER)],
    "steered logits": [lw.Steer("unembed.hook_out", 4.0 * torch.eye(D_VOCAB)[30])],
}


def _session(name: str, **options: Any) -> lw.Session:
    options = {"answers": ANSWERS, "corrupted": CORRUPTED, **options}
    return lw.Session(tiny(name), PROMPTS, **options)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("case", INTERVENTIONS)
def test_the_last_stage_is_the_models_logit_difference(name: str, case: str) -> None:
    session = _session(name)
    for item in INTERVENTIONS[case]:
        session.interventions.add(item)
    logits = session.run().logits
    ends = [int(tokens.shape[1]) - 1 for tokens in rows(session)]
    expected = [
        float(logits[row, ends[row], a] - logits[row, ends[row], b])
        for row, (a, b) in enumerate(ANSWER_IDS)
    ]
    each = lw.analysis.accumulated_attribution(session, per_prompt=True)
    assert each.dims == ("prompt", "stage")
    assert each.sel(stage="final_post").values == pytest.approx(expected, abs=1e-4)
    mean = lw.analysis.accumulated_attribution(session)
    assert mean.attrs["total"] == pytest.approx(float(np.mean(expected)), abs=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_stage_is_its_stream_read_through_the_final_norm(name: str) -> None:
    session = _session(name)
    each = lw.analysis.accumulated_attribution(session, per_prompt=True)
    for row, answer in enumerate(ANSWER_IDS):
        prompt = Prompt(name, session, row)
        read = answer_difference(D_VOCAB, answer)
        bias = prompt.bias_effect(read)
        for stage in each["stage"].values:
            layer, kind = stage.split("_")
            stream = prompt.final if kind == "post" else prompt.at_last(f"blocks.{layer}.hook_in")
            if kind == "mid":
                stream = stream + prompt.at_last(f"blocks.{layer}.hook_attn_out")
            expected = prompt.effect(stream, read) + bias
            got = float(each.sel(prompt=row, stage=stage))
            assert got == pytest.approx(expected, abs=1e-4), stage


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_stages_differ_by_what_the_parts_between_them_add(name: str) -> None:
    session = _session(name)
    session.interventions.toggle("L0H1")
    stages = lw.analysis.accumulated_attribution(session, per_prompt=True)
    parts = lw.analysis.attribution(session, by="component", per_prompt=True)
    names = [str(stage) for stage in stages["stage"].values]
    for before, after in pairwise(names):
        layer, kind = before.split("_")
        between = [f"L{layer}.mlp"] if kind == "mid" else [f"L{layer}.attn"]
        if kind == "pre" and not after.endswith("_mid") and f"L{layer}.mlp" in parts["component"]:
            between.append(f"L{layer}.mlp")
        added = parts.sel(component=between).sum("component").values
        change = stages.sel(stage=after).values - stages.sel(stage=before).values
        np.testing.assert_allclose(change, added, atol=1e-4)


def test_it_agrees_with_transformerlens_on_folded_weights() -> None:
    session = _session("gpt2_folded")
    each = lw.analysis.accumulated_attribution(session, per_prompt=True)
    model = session.model
    for row, (correct, wrong) in enumerate(ANSWER_IDS):
        _, cache = model.run_with_cache(rows(session)[row])
        stack, labels = cache.accumulated_resid(
            layer=-1, incl_mid=True, pos_slice=-1, return_labels=True
        )
        scaled = cache.apply_ln_to_stack(stack, layer=-1, pos_slice=-1)[:, 0]
        values = scaled @ (model.W_U[:, correct] - model.W_U[:, wrong])
        # The demo averages over swapped answers, where the unembedding's bias cancels.
        values = values + model.b_U[correct] - model.b_U[wrong]
        assert each["stage"].values.tolist() == labels
        np.testing.assert_allclose(each.sel(prompt=row), values.detach(), atol=1e-4)


def test_means_tell_their_standard_error_over_prompts() -> None:
    session = _session("gpt2")
    each = lw.analysis.accumulated_attribution(session, per_prompt=True)
    mean = lw.analysis.accumulated_attribution(session)
    assert mean.dims == ("stage",)
    np.testing.assert_allclose(mean, each.mean("prompt"), atol=1e-6)
    expected = each.std("prompt", ddof=1) / 2**0.5
    np.testing.assert_allclose(mean["sem"], expected, atol=1e-6)
    one = lw.Session(tiny("gpt2"), PROMPTS[:1], answers=ANSWERS[:1])
    assert np.isnan(lw.analysis.accumulated_attribution(one)["sem"]).all()


@pytest.mark.parametrize("name", ["gpt2", "neox"])
def test_middles_can_be_left_out(name: str) -> None:
    session = _session(name)
    short = lw.analysis.accumulated_attribution(session, incl_mid=False)
    assert short["stage"].values.tolist() == ["0_pre", "1_pre", "final_post"]
    whole = lw.analysis.accumulated_attribution(session)
    np.testing.assert_allclose(short, whole.sel(stage=short["stage"]), atol=1e-6)


def test_units_and_definition_follow_the_metric() -> None:
    by_metric = {
        metric: lw.analysis.accumulated_attribution(_session("gpt2", metric=metric)).attrs
        for metric in ("logit_diff", "prob", "loss")
    }
    assert {attrs["units"] for attrs in by_metric.values()} == {"logits"}
    assert "minus logit of the wrong one" in by_metric["logit_diff"]["definition"]
    assert "minus the mean logit" in by_metric["prob"]["definition"]
    assert "true next token" in by_metric["loss"]["definition"]
    assert all("at each stage" in attrs["definition"] for attrs in by_metric.values())
