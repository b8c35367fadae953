"""The script of the attribution table gives the numbers of ``attribution``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.attribution.attribution_script import attribution_script
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.scripts import MODELS, edited, execute


def compare(session: lw.Session, by: Any, prompt: int | None, pos: int | None) -> None:
    plain = session.with_interventions([])
    before = lw.analysis.attribution(plain, by, pos=pos, per_prompt=prompt is not None)
    now = lw.analysis.attribution(session, by, pos=pos, per_prompt=prompt is not None)
    if prompt is not None:
        before, now = before.sel(prompt=prompt), now.sel(prompt=prompt)
    if by == "component" and session.edits_stream:
        before = before.reindex_like(now, fill_value=0.0)
    expected = {"current": now, "baseline": before, "difference": now - before}
    for which, values in expected.items():
        code = attribution_script(session, by, which, prompt=prompt, pos=pos)  # type: ignore[arg-type]
        left = execute(session, code)
        np.testing.assert_allclose(left["effects"], values, atol=3e-5)
        if prompt is None and which == "current":
            assert float(left["total"]) == pytest.approx(now.attrs["total"], abs=3e-5)
        if by == "component":
            assert left["components"] == values.component.values.tolist()
            assert float(left["effects"].sum()) == pytest.approx(float(left["total"]), abs=3e-5)


@pytest.mark.parametrize("by", ["head", "layer", "component"])
@pytest.mark.parametrize("name", [*MODELS, "granite", "olmo2", "phi", "falcon"])
def test_effects_are_those_of_attribution(name: str, by: Any) -> None:
    session = edited(name)
    for prompt, pos in ((None, None), (1, None), (None, 5), (0, 3)):
        compare(session, by, prompt, pos)


@pytest.mark.parametrize("by", ["head", "layer", "component"])
@pytest.mark.parametrize("metric", ["loss", "prob", "kl"])
@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_every_metrics_logits_are_read(name: str, metric: str, by: Any) -> None:
    session = edited(name, metric=metric)
    for prompt, pos in ((None, None), (1, None), (None, 5)):
        compare(session, by, prompt, pos)


@pytest.mark.parametrize("by", ["head", "layer", "component"])
@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_heads_of_a_layer_that_is_replaced_are_not_heard(name: str, by: Any) -> None:
    session = lw.Session(tiny(name), PROMPTS, answers=ANSWERS)
    session.interventions.add(lw.Ablate("L1.attn", "mean", positions=(-1, 2)))
    session.interventions.add(lw.Ablate("L0.attn"))
    compare(session, by, None, None)
    compare(session, by, 0, 3)
    if by == "head":
        assert not execute(session, attribution_script(session, "head"))["effects"][0].any()


def test_sessions_without_interventions_and_padding_have_short_code() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS[:1])
    compare(session, "head", None, None)
    text = attribution_script(session)
    assert "attention_mask" not in text
    assert "replaced" not in text


def test_bad_input_is_named() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    with pytest.raises(InputError, match="by='neurons'"):
        attribution_script(session, "neurons")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pos=7 is out of range"):
        attribution_script(session, pos=7)
    with pytest.raises(InputError, match="nothing can be read there in prompt 1"):
        attribution_script(session, pos=6, prompt=1)
