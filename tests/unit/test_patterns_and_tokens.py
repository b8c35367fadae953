"""Attention patterns and per-token numbers as labelled arrays."""

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
from lens_widgets.analysis.tokens.tokens import token_stats
from lens_widgets.errors import InputError
from tests.models import ARCHITECTURES, tiny
from tests.unit import reference
from tests.unit.cases import PROMPTS, rows

EDIT = reference.write("blocks.0.attn.hook_z", 0.0, head=1)


def _pattern(session: lw.Session, row: int, layer: int, hooks: Any = ()) -> torch.Tensor:
    name = f"blocks.{layer}.attn.hook_pattern"
    return reference.activation(session.model, rows(session)[row], name, hooks)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("row", [0, 1])
def test_patterns_are_those_of_the_unpadded_prompt(name: str, row: int) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.add(lw.Ablate("L0H1"))
    length = len(session.str_tokens[row])
    before, now, change = (
        attention_patterns(session, which, row) for which in ("baseline", "current", "difference")
    )
    assert now.shape == (2, 4, length, length)
    for layer in range(2):
        plain, edited = _pattern(session, row, layer), _pattern(session, row, layer, [EDIT])
        np.testing.assert_allclose(before[layer], plain, atol=1e-5)
        np.testing.assert_allclose(now[layer], edited, atol=1e-5)
        np.testing.assert_allclose(change[layer], edited - plain, atol=1e-5)
    np.testing.assert_allclose(now.sum("key_pos"), 1.0, atol=1e-5)
    assert np.triu(now.values[0, 0], 1).max() == 0.0
    assert float(abs(change.sel(layer=1)).max()) > 1e-3


def test_patterns_are_labelled_with_layers_heads_and_tokens(session: lw.Session) -> None:
    patterns = attention_patterns(session, prompt=1)
    assert patterns.dims == ("layer", "head", "query_pos", "key_pos")
    tokens = ["<bos> 0", "w11 1", "w12 2", "w13 3", "w14 4"]
    assert patterns["query_token"].values.tolist() == tokens
    assert patterns["key_token"].values.tolist() == tokens
    assert patterns["layer"].values.tolist() == [0, 1]
    assert patterns.attrs["units"] == "attention weight"


def test_one_head_is_a_slice_of_all(session: lw.Session) -> None:
    session.interventions.toggle("L0H1")
    for which in ("baseline", "current", "difference"):
        stacked = stacked_patterns(session, which, 1)
        one = head_pattern(session, which, 1, 1, 2)
        assert torch.equal(one, stacked[1, 2])


def test_an_unknown_choice_of_patterns_is_named(session: lw.Session) -> None:
    with pytest.raises(InputError, match=r"which='now'.*'current'"):
        attention_patterns(session, "now")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"prompt=2.*2 prompts"):
        attention_patterns(session, prompt=2)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "attn_only"])
def test_token_loss_is_the_loss_of_the_unpadded_prompt(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.add(lw.Ablate("L0H1"))
    loss = lw.analysis.token_loss(session)
    assert loss.dims == ("prompt", "pos")
    assert loss.shape == session.tokens.shape
    assert loss.attrs["units"] == "nats"
    for row, tokens in enumerate(rows(session)):
        expected = reference.losses(reference.logits(session.model, tokens, [EDIT]), tokens)
        np.testing.assert_allclose(loss[row, : len(expected)], expected, atol=2e-5)
        assert np.isnan(loss[row, len(expected) :]).all()


def test_top_predictions_at_every_token_are_the_likeliest(session: lw.Session) -> None:
    (tokens, _) = rows(session)
    stats = token_stats(session, session.run(), 0, k=3)
    probs = reference.logits(session.model, tokens).softmax(dim=-1)
    best = probs.argsort(dim=-1, descending=True)[:, :3]
    assert stats.top_tokens.tolist() == best.tolist()
    torch.testing.assert_close(stats.top_probs, probs.gather(1, best), atol=1e-6, rtol=0)
