"""Attribution read at every position: each with its own norm, each summing to its own logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, D_MODEL, D_VOCAB, tiny
from tests.unit.algebra import Prompt, above_mean, answer_difference
from tests.unit.cases import ANSWER_IDS, ANSWERS, PROMPTS, rows

STEER = torch.randn(D_MODEL, generator=torch.Generator().manual_seed(3))


def _session(name: str, **options: Any) -> lw.Session:
    return lw.Session(tiny(name), PROMPTS, **{"answers": ANSWERS, **options})


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("changed", [False, True])
def test_components_sum_to_the_answers_logit_difference_at_each_position(
    name: str, changed: bool
) -> None:
    session = _session(name)
    if changed:
        session.interventions.add(lw.Ablate("L0.attn", positions=(1, 2)))
        session.interventions.add(lw.Steer("blocks.0.hook_resid_post", STEER, positions=(0, -1)))
    each = lw.analysis.attribution(session, "component", per_position=True, per_prompt=True)
    assert each.dims == ("prompt", "component", "pos")
    for row, (correct, wrong) in enumerate(ANSWER_IDS):
        logits = session.run().logits[row, : rows(session)[row].shape[1]].float()
        expected = (logits[:, correct] - logits[:, wrong]).tolist()
        got = each.sel(prompt=row).sum("component", skipna=False)[: len(expected)]
        assert got.values.tolist() == pytest.approx(expected, abs=1e-4)
        assert each["total"].sel(prompt=row)[: len(expected)].values.tolist() == pytest.approx(
            expected, abs=1e-4
        )
        assert np.isnan(each.sel(prompt=row)[:, len(expected) :]).all()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_heads_at_a_position_are_those_at_the_end_of_the_prompt_cut_there(name: str) -> None:
    session = _session(name)
    heads = lw.analysis.attribution(session, per_position=True, per_prompt=True)
    assert heads.dims == ("prompt", "layer", "head", "pos")
    read = answer_difference(D_VOCAB, ANSWER_IDS[0])
    for pos in (1, 4):
        cut = Prompt(name, session, 0, n_tokens=pos + 1)
        for head in range(4):
            expected = cut.effect(cut.head_write(1, head), read)
            got = float(heads.sel(prompt=0, layer=1, head=head, pos=pos))
            assert got == pytest.approx(expected, abs=1e-4)


def test_without_answers_each_position_is_read_for_the_token_that_follows() -> None:
    session = _session("gpt2", answers=None)
    heads = lw.analysis.attribution(session, per_position=True, per_prompt=True)
    for row, tokens in enumerate(rows(session)):
        last = tokens.shape[1] - 1
        assert np.isnan(heads.sel(prompt=row, pos=last)).all(), "no token follows the last"
        for pos in (0, last - 1):
            cut = Prompt("gpt2", session, row, n_tokens=pos + 1)
            read = above_mean(D_VOCAB, int(tokens[0, pos + 1]))
            expected = cut.effect(cut.head_write(1, 2), read)
            got = float(heads.sel(prompt=row, layer=1, head=2, pos=pos))
            assert got == pytest.approx(expected, abs=1e-4)
    assert "true next token" in heads.attrs["definition"]
    assert "at each position" in heads.attrs["definition"]
    metric = lw.analysis.attribution(session, per_prompt=True)
    np.testing.assert_allclose(heads.mean("pos"), metric, atol=1e-5)


@pytest.mark.parametrize("by", ["head", "layer", "component", "neuron"])
def test_reading_at_one_position_is_a_slice_of_reading_at_all(by: Any) -> None:
    session = _session("gemma2")
    session.interventions.add(lw.Ablate("L0H1"))
    everywhere = lw.analysis.attribution(session, by, per_position=True, per_prompt=True)
    for pos in (0, 3, 6):
        one = lw.analysis.attribution(session, by, pos=pos, per_prompt=True)
        np.testing.assert_allclose(one, everywhere.sel(pos=pos), atol=1e-6)
        assert f"at position {pos}" in one.attrs["definition"]
    longest = int(session.positions.max())
    last = lw.analysis.attribution(session, by, pos=longest, per_prompt=True)
    metric = lw.analysis.attribution(session, by, per_prompt=True)
    np.testing.assert_allclose(last.sel(prompt=0), metric.sel(prompt=0), atol=1e-6)
    # The other prompt is shorter, and left out of the mean.
    assert np.isnan(last.sel(prompt=1)).all()
    mean = lw.analysis.attribution(session, by, pos=longest)
    np.testing.assert_allclose(mean, metric.sel(prompt=0), atol=1e-6)
    assert np.isnan(mean["sem"]).all(), "one prompt has no spread"


def test_the_mean_at_a_position_is_over_the_prompts_that_reach_it() -> None:
    session = _session("gpt2")
    each = lw.analysis.attribution(session, per_position=True, per_prompt=True)
    mean = lw.analysis.attribution(session, per_position=True)
    assert mean.dims == ("layer", "head", "pos")
    np.testing.assert_allclose(mean, each.mean("prompt"), atol=1e-6)
    np.testing.assert_allclose(mean.sel(pos=6), each.sel(prompt=0, pos=6), atol=1e-6)
    assert mean["total"].dims == ("pos",)
    whole = mean.sum(["layer", "head"]) + mean["rest"]
    np.testing.assert_allclose(whole, mean["total"], atol=1e-4)


@pytest.mark.parametrize("by", ["component", "head"])
def test_transformerlens_reads_positions_alike_on_folded_weights(by: Any) -> None:
    session = lw.Session(tiny("gpt2_folded"), PROMPTS[:1], answers=ANSWERS[0])
    _, cache = session.model.run_with_cache(rows(session)[0])
    ours = lw.analysis.attribution(session, by, per_position=True)
    if by == "head":
        stack = cache.stack_head_results(pos_slice=None)
        mine = ours.stack(part=("layer", "head")).transpose("part", "pos").values
    else:
        stack, labels = cache.decompose_resid(pos_slice=None, return_labels=True)
        names = {f"{layer}_{part}_out": f"L{layer}.{part}" for layer in (0, 1)
                 for part in ("attn", "mlp")}  # fmt: skip
        chosen = [i for i, label in enumerate(labels) if label in names]
        stack = stack[chosen]
        mine = ours.sel(component=[names[labels[i]] for i in chosen]).values
    theirs = cache.logit_attrs(stack, *ANSWER_IDS[0], pos_slice=None)[:, 0]
    np.testing.assert_allclose(mine, theirs.detach(), atol=1e-4)


def test_every_mean_carries_its_standard_error_over_prompts() -> None:
    session = lw.Session(tiny("gpt2"), [*PROMPTS, "w20 w21 w22"], answers=ANSWERS[0])
    for by in ("head", "layer", "component", "neuron"):
        each = lw.analysis.attribution(session, by, per_prompt=True)
        mean = lw.analysis.attribution(session, by)
        expected = each.values.std(axis=0, ddof=1) / np.sqrt(3)
        assert mean["sem"].dims == mean.dims
        np.testing.assert_allclose(mean["sem"], expected, atol=1e-6)
        assert "sem" not in each.coords
    sweep = lw.analysis.ablation_sweep(session)
    every = lw.analysis.ablation_sweep(session, per_prompt=True)
    np.testing.assert_allclose(sweep["sem"], every.values.std(axis=0, ddof=1) / 3**0.5, atol=1e-6)
    ragged = lw.analysis.attribution(session, per_position=True)
    both = lw.analysis.attribution(session, per_position=True, per_prompt=True).sel(pos=4)[:2]
    expected = both.values.std(axis=0, ddof=1) / np.sqrt(2)
    np.testing.assert_allclose(ragged["sem"].sel(pos=4), expected, atol=1e-6)


def test_heads_of_an_attention_layer_that_was_replaced_have_no_effect() -> None:
    session = _session("gpt2")
    session.interventions.add(lw.Ablate("L1.attn", positions=2))
    heads = lw.analysis.attribution(session, per_position=True, per_prompt=True).sel(layer=1)
    assert float(abs(heads.sel(pos=2)).max()) == 0.0
    assert float(abs(heads.sel(pos=3)).min()) > 0.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pos": 7}, "pos=7 is out of range.*0 to 6"),
        ({"pos": -1}, "pos=-1"),
        ({"pos": "last"}, "pos='last'"),
        ({"pos": 1, "per_position": True}, "exclude each other"),
        ({"layer": 1}, "layer=1 is for by='neuron'"),
        ({"by": "neuron", "layer": 2}, "layer=2.*0 to 1"),
        ({"by": "neurons"}, "by='neurons'.*'neuron'"),
    ],
)
def test_bad_questions_are_named(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        lw.analysis.attribution(_session("gpt2"), **options)
