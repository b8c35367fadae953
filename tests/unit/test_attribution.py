"""Direct attribution adds up to the metric's logits, whatever the architecture or intervention."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.analysis.attribution.attribution import By
from lens_widgets.interventions.base import Intervention
from tests.models import ARCHITECTURES, D_HEAD, D_MODEL, D_VOCAB, fresh, tiny
from tests.unit.cases import ANSWER_IDS, ANSWERS, CORRUPTED, PROMPTS, rows


def _vector(size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(7))


def _session(name: str, **options: Any) -> lw.Session:
    options = {"answers": ANSWERS, "corrupted": CORRUPTED, **options}
    return lw.Session(tiny(name), PROMPTS, **options)


INTERVENTIONS: dict[str, list[Intervention]] = {
    "none": [],
    "ablations": [lw.Ablate("L0H1"), lw.Ablate("L1.attn", "mean"), lw.Ablate("embed", "resample")],
    "ablations at positions": [lw.Ablate("L1H2", positions=-1), lw.Ablate("embed", positions=(0,))],
    "patches": [lw.Patch("L1H2"), lw.Patch("L0.attn", positions=-1)],
    "patched stream": [lw.Patch("blocks.1.hook_resid_pre", positions=(-1, 1))],
    "steered head": [lw.Steer("L1H2", _vector(D_HEAD), 2.0)],
    "steered stream": [lw.Steer("blocks.0.hook_resid_post", _vector(D_MODEL), 0.5)],
    "steered block input": [lw.Steer("blocks.1.hook_in", _vector(D_MODEL), positions=-1)],
    "steered embedding": [lw.Steer("embed", _vector(D_MODEL))],
    "steered end": [lw.Steer("blocks.1.hook_resid_post", _vector(D_MODEL))],
    "steered before the norm": [lw.Steer("ln_final.hook_in", _vector(D_MODEL))],
    "steered after the norm": [lw.Steer("ln_final.hook_out", _vector(D_MODEL))],
    "steered logits": [lw.Steer("unembed.hook_out", _vector(D_VOCAB))],
    "stream and parts": [
        lw.Ablate("L0H0"),
        lw.Steer("blocks.1.hook_resid_pre", _vector(D_MODEL)),
        lw.Ablate("L1.attn", positions=-1),
    ],
}


EVERYWHERE = ("none", "ablations", "patches", "patched stream", "steered stream")
VARIED = ("gpt2", "gemma2", "granite", "bloom", "native")


@pytest.mark.parametrize(
    ("name", "case"),
    [(n, c) for n in ARCHITECTURES for c in INTERVENTIONS if n in VARIED or c in EVERYWHERE],
)
def test_components_sum_to_the_logit_difference(name: str, case: str) -> None:
    session = _session(name)
    for item in INTERVENTIONS[case]:
        session.interventions.add(item)
    hooked = session.run().logits
    lengths = session.prompt_set.lengths.tolist()
    ends = (hooked[row, length - 1] for row, length in enumerate(lengths))
    expected = [float(e[a] - e[b]) for e, (a, b) in zip(ends, ANSWER_IDS, strict=True)]
    each = lw.analysis.attribution(session, by="component", per_prompt=True)
    mean = lw.analysis.attribution(session, by="component")
    assert each.sum("component").values == pytest.approx(expected, abs=1e-4)
    assert session.current.tolist() == pytest.approx(expected, abs=1e-4)
    assert float(mean.sum()) == pytest.approx(float(np.mean(expected)), abs=1e-4)
    assert mean.attrs["total"] == pytest.approx(float(np.mean(expected)), abs=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("case", ["none", "ablations", "steered stream"])
def test_without_answers_components_sum_to_the_true_tokens_logits(name: str, case: str) -> None:
    session = _session(name, answers=None)
    for item in INTERVENTIONS[case]:
        session.interventions.add(item)
    expected = []
    for row, tokens in enumerate(rows(session)):
        logits = session.run().logits[row, : tokens.shape[1]].float()
        above = logits - logits.mean(dim=-1, keepdim=True)
        expected.append(above[:-1].gather(1, tokens[0, 1:, None]).mean().item())
    each = lw.analysis.attribution(session, by="component", per_prompt=True)
    assert each.sum("component").values == pytest.approx(expected, abs=1e-4)
    assert "true next token" in each.attrs["definition"]


def test_prob_and_loss_and_kl_say_which_logits_they_split() -> None:
    above_mean = _session("gpt2", metric="prob")
    last = above_mean.run().logits[[0, 1], above_mean.positions]
    expected = [float(last[row, a] - last[row].mean()) for row, (a, _) in enumerate(ANSWER_IDS)]
    parts = lw.analysis.attribution(above_mean, by="component", per_prompt=True)
    assert parts.sum("component").values == pytest.approx(expected, abs=1e-4)
    definitions = {
        metric: lw.analysis.attribution(_session("gpt2", metric=metric)).attrs["definition"]
        for metric in ("logit_diff", "prob", "loss", "kl")
    }
    assert "minus logit of the wrong one" in definitions["logit_diff"]
    assert "correct answer minus the mean logit" in definitions["prob"]
    assert "true next token" in definitions["loss"]
    assert definitions["kl"] == definitions["logit_diff"]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("gpt2", "embed pos_embed L0.attn L0.mlp L1.attn L1.mlp bias"),
        ("llama", "embed L0.attn L0.mlp L1.attn L1.mlp bias"),
        ("attn_only", "embed pos_embed L0.attn L1.attn bias"),
    ],
)
def test_components_are_named_in_the_models_order(name: str, names: str) -> None:
    parts = lw.analysis.attribution(_session(name), by="component")
    assert parts.dims == ("component",)
    assert parts["component"].values.tolist() == names.split()


def test_what_is_written_into_the_stream_itself_has_its_own_entry() -> None:
    session = _session("gpt2")
    session.interventions.add(lw.Ablate("L0H0"))
    assert "interventions" not in lw.analysis.attribution(session, by="component")["component"]
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", _vector(D_MODEL)))
    parts = lw.analysis.attribution(session, by="component")
    assert abs(float(parts.sel(component="interventions"))) > 1e-3


@pytest.mark.parametrize("by", ["head", "layer"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_heads_and_layers_leave_a_rest_that_completes_the_total(name: str, by: Any) -> None:
    session = _session(name)
    session.interventions.toggle("L0H1")
    parts = lw.analysis.attribution(session, by=by)
    whole = float(parts.sum()) + parts.attrs["rest"]
    assert whole == pytest.approx(float(session.current.mean()), abs=1e-4)
    assert parts.attrs["total"] == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_layer_is_its_attention_and_its_mlp(name: str) -> None:
    session = _session(name)
    layers = lw.analysis.attribution(session, by="layer", per_prompt=True)
    parts = lw.analysis.attribution(session, by="component", per_prompt=True)
    assert layers.dims == ("prompt", "layer")
    for layer in range(2):
        mine = [c for c in parts["component"].values if c.startswith(f"L{layer}.")]
        expected = parts.sel(component=mine).sum("component")
        np.testing.assert_allclose(layers.sel(layer=layer), expected, atol=1e-5)


def test_the_mean_over_prompts_is_the_mean_of_each_prompt() -> None:
    session = _session("gpt2")
    cases: tuple[tuple[By, tuple[str, ...]], ...] = (
        ("head", ("layer", "head")),
        ("layer", ("layer",)),
        ("component", ("component",)),
    )
    for by, dims in cases:
        each = lw.analysis.attribution(session, by=by, per_prompt=True)
        mean = lw.analysis.attribution(session, by=by)
        assert each.dims == ("prompt", *dims)
        assert mean.dims == dims
        np.testing.assert_allclose(each.mean("prompt"), mean, atol=1e-6)
        assert mean.attrs["units"] == "logits"
        assert mean.attrs["metric"] == "logit_diff"
        for dim in mean.dims:
            assert dim in mean.coords


def test_ablated_heads_have_no_direct_effect() -> None:
    session = _session("gpt2")
    session.interventions.toggle("L1H2")
    heads = lw.analysis.attribution(session)
    assert float(heads.sel(layer=1, head=2)) == 0.0
    assert float(heads.sel(layer=1, head=1)) != 0.0


def test_attribution_follows_the_interventions_back_and_forth() -> None:
    session = _session("gpt2")
    before = lw.analysis.attribution(session)
    session.interventions.toggle("L0H1")
    changed = lw.analysis.attribution(session)
    session.interventions.undo()
    assert not np.allclose(before, changed, atol=1e-4)
    np.testing.assert_array_equal(before, lw.analysis.attribution(session))


def test_low_precision_models_add_up_as_far_as_their_precision_goes() -> None:
    model = fresh("gpt2")
    exact = lw.analysis.attribution(lw.Session(model, PROMPTS, answers=ANSWERS), by="component")
    model.to(torch.bfloat16)
    session = lw.Session(model, PROMPTS, answers=ANSWERS)
    parts = lw.analysis.attribution(session, by="component")
    assert session.facts.dtype == "bfloat16"
    assert float(parts.sum()) == pytest.approx(float(session.baseline.mean()), abs=0.1)
    np.testing.assert_allclose(parts, exact, atol=0.2)
