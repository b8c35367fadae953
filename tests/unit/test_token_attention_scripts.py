"""Scripts of the token and attention views give the numbers of ``lw.analysis``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.attention.attention_script import attention_script
from lens_widgets.analysis.tokens.token_script import token_script
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit.cases import PROMPTS
from tests.unit.scripts import MODELS, edited, execute


@pytest.mark.parametrize("name", MODELS)
def test_losses_probabilities_and_ranks_are_those_of_the_token_view(name: str) -> None:
    session = edited(name)
    left = execute(session, token_script(session))
    assert list(left) == [
        "loss", "prob", "rank", "baseline_loss", "baseline_prob", "baseline_rank"
    ]  # fmt: skip
    np.testing.assert_allclose(left["loss"], lw.analysis.token_loss(session), atol=1e-4)
    plain = session.with_interventions([])
    np.testing.assert_allclose(left["baseline_loss"], lw.analysis.token_loss(plain), atol=1e-4)
    view = lw.TokenView(session)
    for prompt, length in enumerate(session.prompt_set.lengths.tolist()):
        table = view.ask("stats", prompt=prompt)
        one = execute(session, view.ask("code", prompt=prompt).attrs["code"])
        for column, atol in (("loss", 1e-4), ("prob", 1e-5), ("rank", 0)):
            np.testing.assert_allclose(left[column][prompt, :length], table[column], atol=atol)
            np.testing.assert_allclose(one[column], table[column], atol=atol)
            if column == "prob":
                baseline = np.exp(-table["baseline_loss"].values)
            else:
                baseline = table[f"baseline_{column}"].values
            np.testing.assert_allclose(one[f"baseline_{column}"], baseline, atol=atol)


def test_without_interventions_there_is_no_baseline_beside() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    assert list(execute(session, token_script(session, 0))) == ["loss", "prob", "rank"]


@pytest.mark.parametrize("which", ["current", "baseline", "difference"])
@pytest.mark.parametrize("mode", ["pattern", "value", "scores"])
@pytest.mark.parametrize("name", [*MODELS, "gptneo", "mistral"])
def test_attention_is_that_of_attention_patterns(name: str, mode: Any, which: Any) -> None:
    session = edited(name)
    for average, prompt in (("none", 1), ("layer", 0), ("all", 1)):
        options = {"prompt": prompt, "mode": mode, "average": average}
        if name == "native" and mode == "scores":
            with pytest.raises(InputError, match="not plainly query times key"):
                attention_script(session, "L1H2", which, **options)
            continue
        left = execute(session, attention_script(session, "L1H2", which, **options))
        ours = lw.analysis.attention_patterns(session, which, **options)
        chosen = {k: v for k, v in {"layer": 1, "head": 2}.items() if k in ours.dims}
        np.testing.assert_allclose(left["attention"], ours.sel(chosen), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "L1.mlp"}, "not a head"),
        ({"prompt": 2}, "prompt=2 is out of range"),
        ({"mode": "weights"}, "mode='weights'"),
        ({"which": "now"}, "which='now'"),
        ({"average": "heads"}, "average='heads'"),
    ],
)
def test_bad_input_is_named(options: dict[str, Any], message: str) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    with pytest.raises(InputError, match=message):
        attention_script(session, **{"head": "L1H2", **options})
    if "prompt" in options:
        with pytest.raises(InputError, match=message):
            token_script(session, options["prompt"])
