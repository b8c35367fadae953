"""The script of the score decomposition gives the numbers of ``decompose_scores``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.attention.score_parts_script import score_parts_script
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.scripts import MODELS, edited, execute

POSSIBLE = [name for name in MODELS if name != "native"]
BOTH = ["query_pos", "key_pos"]


@pytest.mark.parametrize("by", ["head", "layer"])
@pytest.mark.parametrize("name", [*POSSIBLE, "granite", "gptneo", "falcon", "mistral"])
def test_parts_and_scores_are_those_of_decompose_scores(name: str, by: Any) -> None:
    session = edited(name)
    for prompt in (0, 1):
        now = lw.analysis.decompose_scores(session, "L1H3", prompt=prompt, by=by)
        plain = session.with_interventions([])
        before = lw.analysis.decompose_scores(plain, "L1H3", prompt=prompt, by=by)
        code = score_parts_script(session, "L1H3", prompt=prompt, by=by)
        left = execute(session, code)
        assert left["sources"] == now.query_source.values.tolist()
        np.testing.assert_allclose(left["parts"], now.mean(BOTH), atol=2e-5, rtol=1e-5)
        total = now.sum(["query_source", "key_source"], skipna=False)
        np.testing.assert_allclose(left["scores"], total, atol=1e-4)
        at = {"query_pos": 3, "key_pos": 3}
        expected: list[tuple[Any, Any]] = [("current", now), ("baseline", before)]
        for which, values in expected:
            code = score_parts_script(
                session,
                "L1H3",
                which,
                prompt=prompt,
                by=by,
                at=(3, 3),
            )
            left = execute(session, code)
            if which == "baseline":
                # Sources without interventions, where the stream is not edited.
                values = values.reindex_like(now, fill_value=0.0).sel(
                    query_source=left["sources"], key_source=left["sources"]
                )
            np.testing.assert_allclose(left["parts"], values.sel(at), atol=2e-5, rtol=1e-5)
        code = score_parts_script(session, "L1H3", "difference", prompt=prompt, by=by, at=(3, 3))
        change = now - before.reindex_like(now, fill_value=0.0)
        np.testing.assert_allclose(execute(session, code)["parts"], change.sel(at), atol=5e-5)


def test_a_head_of_the_first_layer_reads_the_embeddings() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    left = execute(session, score_parts_script(session, "L0H1"))
    assert left["sources"] == ["embed", "pos_embed", "bias"]
    ours = lw.analysis.decompose_scores(session, "L0H1").mean(BOTH)
    np.testing.assert_allclose(left["parts"], ours, atol=2e-5)


def test_bad_input_is_named() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    with pytest.raises(InputError, match="at=\\(7, 0\\) is out of range"):
        score_parts_script(session, "L1H3", at=(7, 0))
    with pytest.raises(InputError, match="prompt=2"):
        score_parts_script(session, "L1H3", prompt=2)
    with pytest.raises(InputError, match="of this model are not"):
        score_parts_script(lw.Session(tiny("qwen3"), PROMPTS), "L1H3")
