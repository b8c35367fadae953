"""How many next tokens are guessed right, and what a BOS token changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformer_lens.utilities.lm_utils import lm_accuracy

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import BOS, fresh, tiny
from tests.unit import reference
from tests.unit.cases import ANSWERS, PROMPTS, rows

EDIT = reference.write("blocks.0.attn.hook_z", 0.0, head=1)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "attn_only"])
def test_accuracy_is_transformerlens_own_of_each_unpadded_prompt(name: str) -> None:
    session = lw.Session(tiny(name), PROMPTS)
    session.interventions.add(lw.Ablate("L0H1"))
    accuracy = lw.analysis.token_accuracy(session)
    assert accuracy.dims == ("prompt",)
    hits = []
    for row, tokens in enumerate(rows(session)):
        logits = reference.logits(session.model, tokens, [EDIT])[None]
        assert float(accuracy[row]) == pytest.approx(float(lm_accuracy(logits, tokens)))
        hits.append(int(lm_accuracy(logits, tokens, per_token=True).sum()))
    assert accuracy["hits"].values.tolist() == hits
    assert accuracy["tokens"].values.tolist() == [t.shape[1] - 1 for t in rows(session)]
    assert accuracy.attrs["hits"] == sum(hits)
    assert accuracy.attrs["tokens"] == accuracy["tokens"].values.sum()


def test_accuracy_counts_what_a_trained_model_guesses_right() -> None:
    model = lw.load_demo("induction")
    tokens = torch.tensor([[model.tokenizer.bos_token_id, *range(10, 30), *range(10, 30)]])
    accuracy = lw.analysis.token_accuracy(lw.Session(model, tokens))
    expected = lm_accuracy(reference.logits(model, tokens)[None], tokens)
    assert float(accuracy[0]) == pytest.approx(float(expected))
    assert accuracy.attrs["hits"] >= 15, "the second half repeats the first"
    assert accuracy.attrs["tokens"] == 40


@pytest.mark.parametrize("name", ["gpt2", "llama", "bloom"])
@pytest.mark.parametrize("prepend_bos", [True, False])
def test_each_tokenization_has_the_losses_of_its_own_forward(name: str, prepend_bos: bool) -> None:
    model = tiny(name)
    session = lw.Session(model, PROMPTS, answers=ANSWERS, prepend_bos=prepend_bos)
    session.interventions.add(lw.Ablate("L0H1"))
    for row, text in enumerate(PROMPTS):
        table = lw.analysis.compare_bos(session, row)
        assert table.attrs["session"] == ("with" if prepend_bos else "without")
        for bos, start in (("with", 0), ("without", 1)):
            tokens = model.to_tokens(text, prepend_bos=bos == "with")
            logits = reference.logits(model, tokens, [EDIT])
            mine = table.sel(bos=bos).isel(pos=slice(start, None))
            assert mine["token_id"].values.tolist() == tokens[0].tolist()
            expected = reference.losses(logits, tokens)
            np.testing.assert_allclose(mine["loss"][:-1], expected, atol=2e-5)
            true = logits[:-1].gather(1, tokens[0, 1:, None])
            ranks = (logits[:-1] > true).sum(dim=1)
            assert mine["rank"].values.tolist() == [*ranks.tolist(), -1]
            assert np.isnan(mine["loss"][-1])
        assert int(table.sel(bos="without", pos=0)["token_id"]) == -1
        assert np.isnan(table.sel(bos="without", pos=0)["loss"])
        assert table["token"].values[0] == "<bos> 0"


def test_interventions_act_on_the_same_tokens_with_and_without_bos() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS[0], prepend_bos=True)
    vector = torch.randn(32, generator=torch.Generator().manual_seed(1))
    hook = "blocks.0.hook_resid_post"
    session.interventions.add(lw.Steer(hook, vector, positions=(0, 3, -1)))
    table = lw.analysis.compare_bos(session).sel(bos="without").isel(pos=slice(1, None))
    tokens = session.model.to_tokens(PROMPTS[0], prepend_bos=False)
    logits = reference.logits(session.model, tokens, [reference.add(hook, vector, at=(2, -1))])
    np.testing.assert_allclose(table["loss"][:-1], reference.losses(logits, tokens), atol=2e-5)
    only_bos = session.with_interventions([lw.Steer(hook, vector, positions=0)])
    table = lw.analysis.compare_bos(only_bos).sel(bos="without").isel(pos=slice(1, None))
    logits = reference.logits(session.model, tokens)
    np.testing.assert_allclose(table["loss"][:-1], reference.losses(logits, tokens), atol=2e-5)


def test_the_session_is_left_as_it_was(session: lw.Session) -> None:
    before = (session.tokens.tolist(), session.metric.name, session.revision)
    lw.analysis.compare_bos(session, 1)
    assert (session.tokens.tolist(), session.metric.name, session.revision) == before


def test_what_cannot_be_compared_is_said() -> None:
    model = tiny("gpt2")
    with pytest.raises(InputError, match=r"prompt=2.*2 prompts"):
        lw.analysis.compare_bos(lw.Session(model, PROMPTS), 2)
    one_token = lw.Session(model, "w5", prepend_bos=True, metric=lambda logits: logits[:, -1, 0])
    with pytest.raises(InputError, match="one token"):
        lw.analysis.compare_bos(one_token)
    full = lw.Session(model, torch.arange(4, 44)[None])
    with pytest.raises(InputError, match=r"41 tokens.*context is 40"):
        lw.analysis.compare_bos(full)
    assert int(full.tokens[0, 0]) != BOS
    without = fresh("gpt2")
    without.tokenizer.bos_token = None
    with pytest.raises(InputError, match="no BOS token"):
        lw.analysis.compare_bos(lw.Session(without, torch.tensor([[4, 5, 6]])))
