"""Value-weighted attention, scores before the softmax and averages over heads, measured apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.analysis.attention.patterns import (
    attention_patterns,
    head_pattern,
    stacked_patterns,
)
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, fresh, tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, rows

EDIT = reference.write("blocks.0.attn.hook_z", 0.0, head=1)
# Rotary positions come between their queries and scores, and only the pattern is reported.
NO_SCORES = {"gptj", "native"}
WITH_SCORES = [name for name in ARCHITECTURES if name not in NO_SCORES]


def _changed(name: str) -> lw.Session:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.add(lw.Ablate("L0H1"))
    return session


def _activation(session: lw.Session, row: int, layer: int, name: str, hooks: Any = ()) -> Any:
    hook = f"blocks.{layer}.attn.hook_{name}"
    return reference.activation(session.model, rows(session)[row], hook, hooks)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_value_weighted_is_the_pattern_times_the_norm_of_each_value(name: str) -> None:
    session = _changed(name)
    got = {
        which: attention_patterns(session, which, 1, mode="value")
        for which in ("baseline", "current", "difference")
    }
    for layer in (0, 1):
        expected = []
        for hooks in ((), (EDIT,)):
            pattern = _activation(session, 1, layer, "pattern", hooks)
            value = _activation(session, 1, layer, "v", hooks)
            share = pattern.shape[0] // value.shape[1]
            norms = [value[:, head // share].norm(dim=-1) for head in range(pattern.shape[0])]
            expected.append(pattern * torch.stack(norms)[:, None, :])
        np.testing.assert_allclose(got["baseline"][layer], expected[0], atol=1e-5)
        np.testing.assert_allclose(got["current"][layer], expected[1], atol=1e-5)
        np.testing.assert_allclose(got["difference"][layer], expected[1] - expected[0], atol=1e-5)
    assert got["current"].attrs["units"] == "attention weight x |value|"
    assert got["current"].attrs["signed"] is False
    assert got["difference"].attrs["signed"] is True


@pytest.mark.parametrize("name", WITH_SCORES)
def test_the_softmax_of_the_scores_is_the_pattern(name: str) -> None:
    session = _changed(name)
    for which in ("baseline", "current"):
        scores = attention_patterns(session, which, 1, mode="scores")
        pattern = attention_patterns(session, which, 1).values
        weights = np.exp(np.nan_to_num(scores.values, nan=-np.inf))
        again = weights / weights.sum(-1, keepdims=True)
        np.testing.assert_allclose(again, pattern, atol=1e-5)
        future = np.triu(np.ones(scores.shape[-2:], dtype=bool), 1)
        assert np.isnan(scores.values[..., future]).all()
        assert (np.isnan(scores.values) == (pattern == 0)).all()
    assert scores.attrs["units"] == "score"
    assert scores.attrs["signed"] is True


@pytest.mark.parametrize("name", ["gpt2", "attn_only", "opt"])
def test_scores_are_queries_times_keys_over_the_root_of_their_size(name: str) -> None:
    session = _changed(name)
    scores = attention_patterns(session, "current", 0, mode="scores")
    for layer in (0, 1):
        query = _activation(session, 0, layer, "q", (EDIT,))
        key = _activation(session, 0, layer, "k", (EDIT,))
        for q, k in ((5, 2), (3, 3), (6, 0)):
            expected = (query[q] * key[k]).sum(-1) / 8**0.5
            np.testing.assert_allclose(scores[layer, :, q, k], expected, atol=1e-4)


def test_alibi_is_part_of_the_scores() -> None:
    session = lw.Session(tiny("bloom"), PROMPTS)
    scores = attention_patterns(session, "current", 0, mode="scores")
    query, key = (_activation(session, 0, 0, name) for name in "qk")
    plain = torch.einsum("qhd,khd->hqk", query, key) / 8**0.5
    # The slopes of four heads; a softmax does not see what is the same for all keys of a query.
    for head, slope in enumerate([2**-2, 2**-4, 2**-6, 2**-8]):
        bias = scores.values[0, head, -1] - plain[head, -1].numpy()
        np.testing.assert_allclose(np.diff(bias), slope, atol=1e-4)


def test_keys_out_of_reach_of_a_local_attention_are_absent() -> None:
    session = lw.Session(tiny("mistral"), PROMPTS)
    scores = attention_patterns(session, "current", 0, mode="scores").values
    pattern = attention_patterns(session, "current", 0).values
    reach = [int((pattern[0, 0, q] > 0).sum()) for q in range(7)]
    assert max(reach) < 7
    assert np.isfinite(scores[0, 0]).sum(-1).tolist() == reach


@pytest.mark.parametrize("name", sorted(NO_SCORES))
def test_models_that_report_no_scores_say_so(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    with pytest.raises(InputError, match=r"mode='scores'.*pattern only"):
        attention_patterns(session, mode="scores")


def test_scores_in_half_precision_are_recognised_as_such() -> None:
    model = fresh("gpt2")
    expected = attention_patterns(lw.Session(model, PROMPTS), mode="scores")
    model.to(torch.bfloat16)
    got = attention_patterns(lw.Session(model, PROMPTS), mode="scores")
    np.testing.assert_allclose(got, expected, atol=0.2)


@pytest.mark.parametrize("mode", ["pattern", "value", "scores"])
@pytest.mark.parametrize("which", ["current", "difference"])
def test_averages_are_those_of_the_heads(mode: Any, which: Any) -> None:
    session = _changed("gpt2")
    heads = attention_patterns(session, which, 0, mode=mode)
    layer = attention_patterns(session, which, 0, mode=mode, average="layer")
    everything = attention_patterns(session, which, 0, mode=mode, average="all")
    assert layer.dims == ("layer", "query_pos", "key_pos")
    assert everything.dims == ("query_pos", "key_pos")
    np.testing.assert_allclose(layer, heads.values.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(everything, heads.values.mean(axis=(0, 1)), atol=1e-5)
    assert "mean over the layer's heads" in layer.attrs["definition"]
    assert "mean over all heads" in everything.attrs["definition"]
    assert everything["key_token"].values[1] == "w5 1"
    for average, expected in (("none", heads[1, 2]), ("layer", layer[1]), ("all", everything)):
        one = head_pattern(session, which, 0, 1, 2, mode, average)  # type: ignore[arg-type]
        np.testing.assert_allclose(one, expected, atol=1e-6)
    stacked = stacked_patterns(session, which, 0, mode)
    np.testing.assert_array_equal(stacked.numpy(), heads)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"mode": "values"}, "mode='values'.*'value'"), ({"average": "head"}, "average='head'")],
)
def test_unknown_modes_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        attention_patterns(lw.Session(tiny("gpt2"), PROMPTS), **options)
