"""The script of the ablation panel gives the effects of ``ablation_sweep``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.ablation.ablation_script import ablation_script
from lens_widgets.errors import InputError
from tests.handmade import handmade
from tests.models import tiny
from tests.unit.cases import PROMPTS
from tests.unit.scripts import MODELS, edited, execute


def compare(session: lw.Session, kind: Any, **given: Any) -> None:
    left = execute(session, ablation_script(session, kind), **given)
    heads = lw.analysis.ablation_sweep(session, kind)
    largest = float(abs(heads).max())
    assert largest > 1e-4
    # Probabilities are small numbers.
    atol = min(2e-5, 1e-3 * largest)
    np.testing.assert_allclose(left["effects"], heads, atol=atol)
    one = execute(session, ablation_script(session, kind, 1), **given)
    each = lw.analysis.ablation_sweep(session, kind, per_prompt=True)
    np.testing.assert_allclose(one["effects"], each[1], atol=atol)
    assert ("mlp_effects" in left) == bool(session.facts.mlp_layers)
    if session.facts.mlp_layers:
        mlps = lw.analysis.ablation_sweep(session, kind, "mlp")
        np.testing.assert_allclose(left["mlp_effects"], mlps, atol=atol)


@pytest.mark.parametrize("kind", ["zero", "mean", "resample"])
@pytest.mark.parametrize("name", MODELS)
def test_effects_are_those_of_the_sweep(name: str, kind: Any) -> None:
    compare(edited(name), kind)


@pytest.mark.parametrize("metric", ["loss", "prob", "kl"])
def test_effects_are_of_the_sessions_metric(metric: str) -> None:
    session = edited("gpt2", metric=metric)
    session.interventions.toggle("L1.mlp")
    compare(session, "mean")


def test_a_metric_of_ones_own_is_taken_from_where_the_script_runs() -> None:
    def own(logits: Any) -> Any:
        return logits[:, 3, 5] - logits[:, 2].mean(dim=-1)

    session = edited("gpt2", metric=own)
    assert "and `metric` in scope" in ablation_script(session)
    compare(session, "zero", metric=own)


def test_a_metric_that_knows_its_code_is_written_out() -> None:
    model = handmade()
    pairs = lw.prompts.repeated_tokens(model, 5, batch=2)
    compare(lw.Session(model, pairs, metric=pairs.metric), "zero")


def test_a_metric_named_as_one_of_ours_is_not_taken_for_it() -> None:
    def loss(logits: Any) -> Any:
        return logits[:, 0, 7]

    assert "`metric`" in ablation_script(lw.Session(tiny("gpt2"), PROMPTS, metric=loss))


def test_bad_input_is_named() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    with pytest.raises(InputError, match="no corrupted prompts"):
        ablation_script(session, "resample")
    with pytest.raises(InputError, match="kind='noise'"):
        ablation_script(session, "noise")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="prompt=2"):
        ablation_script(session, prompt=2)
