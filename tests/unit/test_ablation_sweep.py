"""A sweep gives what one plain hooked forward per cell gives."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.ablation.ablation import intervention_effects
from lens_widgets.engine.components import Component
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, D_MODEL, tiny
from tests.unit import reference
from tests.unit.cases import (
    ANSWER_IDS,
    ANSWERS,
    CORRUPTED,
    PROMPTS,
    corrupted_rows,
    rows,
)  # fmt: skip

Kind = Literal["zero", "mean", "resample"]


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(
        tiny(name), PROMPTS, **{"answers": ANSWERS, "corrupted": CORRUPTED, **options}
    )


def _values(session: lw.Session, part: Component, kind: Kind) -> list[Any]:
    if kind == "zero":
        return [0.0, 0.0]
    prompts = rows(session) if kind == "mean" else corrupted_rows(session)
    found = [reference.activation(session.model, tokens, part.hook) for tokens in prompts]
    values = found if part.head is None else [value[:, part.head] for value in found]
    return values if kind == "resample" else [torch.cat(values).mean(dim=0)] * 2


def _expected(
    session: lw.Session, component: str, kind: Kind, hooks: tuple[reference.Hook, ...] = ()
) -> list[float]:
    """The change of each prompt's logit difference, from two plain forwards a prompt."""
    part = Component.parse(component)
    changes = []
    for tokens, answer, value in zip(
        rows(session), ANSWER_IDS, _values(session, part, kind), strict=True
    ):
        write = reference.write(part.hook, value, part.head)
        before = reference.logits(session.model, tokens, hooks)
        after = reference.logits(session.model, tokens, [*hooks, write])
        changes.append(reference.logit_diff(after, answer) - reference.logit_diff(before, answer))
    return changes


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
def test_each_head_is_one_hooked_forward(name: str, kind: Kind) -> None:
    session = _session(name)
    sweep = lw.analysis.ablation_sweep(session, kind, per_prompt=True)
    assert sweep.dims == ("prompt", "layer", "head")
    for layer in range(2):
        for head in range(4):
            got = sweep.sel(layer=layer, head=head).values
            assert got == pytest.approx(_expected(session, f"L{layer}H{head}", kind), abs=2e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("over", ["mlp", "attn"])
def test_each_layer_is_one_hooked_forward(name: str, over: Any) -> None:
    session = _session(name)
    for kind in ("zero", "mean", "resample"):
        if name == "attn_only" and over == "mlp":
            with pytest.raises(InputError, match="over='mlp': this model has no MLP"):
                lw.analysis.ablation_sweep(session, kind, over)
            continue
        sweep = lw.analysis.ablation_sweep(session, kind, over, per_prompt=True)
        assert sweep.dims == ("prompt", "layer")
        for layer in range(2):
            got = sweep.sel(layer=layer).values
            expected = _expected(session, f"L{layer}.{over}", kind)
            assert got == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_sweep_is_on_top_of_the_interventions(name: str) -> None:
    session = _session(name)
    vector = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(2))
    session.interventions.add(lw.Ablate("L0H1"))
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", vector, positions=1))
    session.interventions.add(lw.Ablate("L1.attn", positions=-1))
    hooks = (
        reference.write("blocks.0.attn.hook_z", 0.0, head=1),
        reference.add("blocks.0.hook_resid_post", vector, at=(1,)),
        reference.write("blocks.1.hook_attn_out", 0.0, at=[-1]),
    )
    sweep = lw.analysis.ablation_sweep(session, per_prompt=True)
    for layer, head in ((0, 0), (0, 3), (1, 2)):
        got = sweep.sel(layer=layer, head=head).values
        expected = _expected(session, f"L{layer}H{head}", "zero", hooks)
        assert got == pytest.approx(expected, abs=2e-5)
    assert not sweep.sel(layer=0, head=1).any()


def test_a_sweep_after_a_change_of_the_embedding_starts_from_the_changed_run() -> None:
    session = _session("gpt2")
    session.interventions.add(lw.Ablate("pos_embed"))
    hooks = (reference.write("hook_pos_embed", 0.0),)
    sweep = lw.analysis.ablation_sweep(session, "mean", per_prompt=True)
    for layer in range(2):
        got = sweep.sel(layer=layer, head=2).values
        expected = _expected(session, f"L{layer}H2", "mean", hooks)
        assert got == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("metric", ["loss", "prob", "kl"])
def test_a_sweep_measures_with_the_sessions_metric(metric: str) -> None:
    session = _session("gpt2", metric=metric)
    sweep = lw.analysis.ablation_sweep(session, per_prompt=True)
    for layer, head in ((0, 0), (1, 3)):
        one = session.run([lw.Ablate(f"L{layer}H{head}")]).metric - session.baseline
        got = sweep.sel(layer=layer, head=head).values
        assert got == pytest.approx(one.tolist(), abs=1e-5)
    assert sweep.attrs["metric"] == metric


def test_a_sweep_measures_with_a_function_of_the_logits() -> None:
    def at_two_places(logits: Tensor) -> Tensor:
        return logits[:, 0, 3] * logits[:, 2, 5]

    session = _session("gpt2", metric=at_two_places)
    sweep = lw.analysis.ablation_sweep(session, per_prompt=True)
    for layer, head in ((0, 2), (1, 1)):
        one = session.run([lw.Ablate(f"L{layer}H{head}")]).metric - session.baseline
        assert sweep.sel(layer=layer, head=head).values == pytest.approx(one.tolist(), abs=2e-5)


def test_the_mean_over_prompts_is_the_mean_of_each_prompt() -> None:
    session = _session("gpt2")
    each = lw.analysis.ablation_sweep(session, per_prompt=True)
    mean = lw.analysis.ablation_sweep(session)
    np.testing.assert_allclose(each.mean("prompt"), mean, atol=1e-6)
    assert mean.dims == ("layer", "head")
    assert mean.attrs["units"] == "logits"
    assert mean.attrs["before"] == pytest.approx(float(session.current.mean()))
    assert mean.attrs["definition"] == "metric after zero ablation minus before"


def test_a_switched_on_interventions_worth_is_what_the_metric_loses_without_it() -> None:
    session = _session("gpt2")
    items = [lw.Ablate("L0H1"), lw.Ablate("L1.mlp", "mean"), lw.Patch("L1H2")]
    for item in items:
        session.interventions.add(item)
    keys = [entry.key for entry in session.interventions.entries]
    session.interventions.set_enabled(keys[1], False)
    got = intervention_effects(session)
    both = session.run([items[0], items[2]]).metric.mean()
    assert set(got) == {keys[0], keys[2]}
    assert got[keys[0]] == pytest.approx(float(both - session.run([items[2]]).metric.mean()))
    assert got[keys[2]] == pytest.approx(float(both - session.run([items[0]]).metric.mean()))
