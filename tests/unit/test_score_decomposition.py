"""What the score decomposition answers: parts that add up to the model's own scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.page import Page


def on(name: str) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, answers=ANSWERS)


HEAD = {"layer": 1, "head": 3, "prompt": 0, "sources_by": "head"}


@pytest.mark.parametrize("name", ["gpt2", "llama", "phi", "gemma2", "attn_only"])
@pytest.mark.parametrize("at", [None, (4, 2)])
def test_score_parts_add_up_to_the_score_and_to_the_map(name: str, at: Any) -> None:
    session = on(name)
    session.interventions.add(lw.Ablate("L0H2"))
    page = Page(session)
    query, key = at or (None, None)
    found = page.dataset("score_decomposition/sources", **HEAD, query_pos=query, key_pos=key)
    for parts, score in (("current", "score"), ("baseline", "baseline_score")):
        assert float(found[parts].sum()) == pytest.approx(found.attrs[score], abs=2e-3)
    assert found.attrs["score"] != pytest.approx(found.attrs["baseline_score"], abs=1e-5)
    off = found.sel(query_source="L0H2")
    assert np.abs(off["current"]).max() == 0 < np.abs(off["baseline"]).max()

    def positions(**more: Any) -> Any:
        dataset = page.dataset("score_decomposition/positions", **HEAD, **more)
        return dataset["score"].values

    part = positions(query_source="embed", key_source="L0H1", show="current")
    value = np.nanmean(part) if at is None else part[at]
    pair = found["current"].sel(query_source="embed", key_source="L0H1")
    assert value == pytest.approx(float(pair), abs=1e-4)
    whole = positions(query_source="", key_source="", show="difference")
    change = np.nanmean(whole) if at is None else whole[at]
    expected = float(found["current"].sum() - found["baseline"].sum())
    assert change == pytest.approx(expected, abs=1e-3)
    assert np.isnan(whole[1, 3])


def test_scores_that_are_no_sum_of_parts_are_refused_by_name() -> None:
    for name in ("bloom", "qwen3"):
        error = Page(on(name)).error(
            "score_decomposition/sources", layer=1, head=3, prompt=0, sources_by="layer"
        )
        assert "L1H3" in error["message"]


def test_the_code_gives_the_parts_that_are_shown() -> None:
    session = on("gpt2")
    session.interventions.add(lw.Ablate("L0H2"))
    session.selection.update(layer=1, head=3, query_pos=4, key_pos=2)
    view = lw.ScoreDecompositionView(session)
    scope: dict[str, Any] = {"model": session.model, "tokens": session.tokens}
    exec(compile(view.ask("code").attrs["code"], "code", "exec"), scope)
    np.testing.assert_allclose(scope["parts"], view.data()["current"], atol=1e-5)


def test_a_source_of_another_head_and_a_position_past_the_end_are_named() -> None:
    page = Page(on("gpt2"))
    error = page.error(
        "score_decomposition/positions", **HEAD, query_source="L1H0", key_source="", show="current"
    )
    assert "query_source='L1H0'" in error["message"]
    error = page.error("score_decomposition/sources", **HEAD, query_pos=70, key_pos=0)
    assert "query_pos=70" in error["message"]
    with pytest.raises(InputError, match="query_source="):
        lw.ScoreDecompositionView(on("gpt2"), query_source="nobody")
