"""Head scores are the attention on their stripe, and find the heads that were built to have it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests import handmade as made
from tests.models import ARCHITECTURES, tiny
from tests.unit import reference
from tests.unit.cases import ANSWERS, PROMPTS, rows

KINDS = ("previous", "current", "first", "induction", "duplicate")
TEXTS = ["w5 w6 w7 w5 w6 w7", "w9 w8 w9 w9 w10"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_are_the_detectors_of_the_field(name: str) -> None:
    session = lw.Session(tiny(name), TEXTS[0], prepend_bos=True)
    n = 3
    for kind, offset in (("previous", -1), ("current", 0), ("induction", -(n - 1))):
        scores = lw.analysis.head_scores(session, kind)  # type: ignore[arg-type]
        for layer in range(2):
            hook = f"blocks.{layer}.attn.hook_pattern"
            pattern = reference.activation(session.model, rows(session)[0], hook)
            for head in range(4):
                expected = float(pattern[head].diagonal(offset).mean())
                assert float(scores[layer, head]) == pytest.approx(expected, abs=1e-5)
            first = lw.analysis.head_scores(session, "first")
            np.testing.assert_allclose(first[layer], pattern[:, :, 0].mean(dim=1), atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama", "native"])
def test_scores_on_any_text_look_for_the_latest_occurrence(name: str) -> None:
    session = lw.Session(tiny(name), TEXTS)
    # <bos> w9 w8 w9 w9 w10: w9 comes back at 3 and at 4.
    wanted = {"induction": [(3, 2), (4, 4)], "duplicate": [(3, 1), (4, 3)]}
    for kind, cells in wanted.items():
        each = lw.analysis.head_scores(session, kind, per_prompt=True)  # type: ignore[arg-type]
        hook = "blocks.1.attn.hook_pattern"
        pattern = reference.activation(session.model, rows(session)[1], hook)
        expected = torch.stack([pattern[:, q, k] for q, k in cells]).mean(dim=0)
        np.testing.assert_allclose(each.sel(prompt=1, layer=1), expected, atol=1e-5)
        mean = lw.analysis.head_scores(session, kind)  # type: ignore[arg-type]
        np.testing.assert_allclose(mean, each.mean("prompt"), atol=1e-6)
        spread = each.std("prompt", ddof=1) / math.sqrt(2)
        np.testing.assert_allclose(mean.sem, spread, atol=1e-6)


def test_scores_follow_the_interventions() -> None:
    session = lw.Session(tiny("gpt2"), TEXTS)
    before = lw.analysis.head_scores(session, "previous")
    session.interventions.add(lw.Ablate("L0.mlp"))
    after = lw.analysis.head_scores(session, "previous")
    hooks = [reference.write("blocks.0.hook_mlp_out", 0.0)]
    values = []
    for tokens in rows(session):
        hook = "blocks.1.attn.hook_pattern"
        pattern = reference.activation(session.model, tokens, hook, hooks)
        values.append(pattern.diagonal(-1, 1, 2).mean(dim=-1))
    np.testing.assert_allclose(after[1], torch.stack(values).mean(dim=0), atol=1e-5)
    assert abs(after[1] - before[1]).max() > 1e-4


def test_a_prompt_without_a_stripe_is_left_out_and_none_at_all_is_an_error() -> None:
    session = lw.Session(tiny("gpt2"), [TEXTS[1], "w5 w6 w7 w8 w9"])
    each = lw.analysis.head_scores(session, "induction", per_prompt=True)
    assert each.sel(prompt=1).isnull().all()
    mean = lw.analysis.head_scores(session, "induction")
    np.testing.assert_allclose(mean, each.sel(prompt=0), atol=1e-6)
    plain = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    with pytest.raises(InputError, match=r"kind='induction'.*occurs twice"):
        lw.analysis.head_scores(plain, "induction")
    with pytest.raises(InputError, match=r"kind='inductive'.*'induction'"):
        lw.analysis.head_scores(plain, "inductive")  # type: ignore[arg-type]


def test_only_the_heads_that_were_built_for_it_are_found() -> None:
    # The repetition is cut short, so that every query that is looked at has a token to find.
    session = lw.Session(made.handmade(), made.repeated(6)[:, :-1])
    for kind, built in (("previous", made.PREVIOUS), ("induction", made.INDUCTION)):
        scores = lw.analysis.head_scores(session, kind)  # type: ignore[arg-type]
        assert float(scores[built]) == pytest.approx(1.0, abs=1e-6)
        others = scores.where(scores < 1 - 1e-6)
        assert int(others.notnull().sum()) == scores.size - 1
        assert float(others.max()) < 0.4
    for kind in ("current", "duplicate"):
        assert float(lw.analysis.head_scores(session, kind).max()) < 0.4  # type: ignore[arg-type]


def test_on_a_repeated_sequence_the_diagonals_two_early_queries_rest_on_bos() -> None:
    n = 6
    session = lw.Session(made.handmade(), made.repeated(n))
    scores = lw.analysis.head_scores(session, "induction")
    # Of n + 2 queries the first finds <bos> on the diagonal, the second beside it.
    assert float(scores[made.INDUCTION]) == pytest.approx((n + 1) / (n + 2), abs=1e-6)
    assert scores.attrs["definition"].startswith("mean attention along the diagonal")


def test_ablating_a_part_of_the_circuit_costs_what_was_computed() -> None:
    n = 6
    session = lw.Session(made.handmade(), made.repeated(n))
    loss = lw.analysis.token_loss(session).sel(prompt=0)
    assert loss[:n].values == pytest.approx(made.UNIFORM_LOSS, abs=1e-5)
    # The last of the first half cannot know that the sequence begins again.
    assert float(loss[n]) == pytest.approx(made.UNIFORM_LOSS, abs=1e-5)
    assert loss[n + 1 : 2 * n].values == pytest.approx(made.FOUND_LOSS, abs=1e-5)
    effect = lw.analysis.ablation_sweep(session)
    lost = (n - 1) * (made.UNIFORM_LOSS - made.FOUND_LOSS) / (2 * n)
    for layer in range(made.N_LAYERS):
        for head in range(made.N_HEADS):
            built = (layer, head) in (made.PREVIOUS, made.INDUCTION)
            expected = lost if built else 0.0
            assert float(effect[layer, head]) == pytest.approx(expected, abs=1e-5)
