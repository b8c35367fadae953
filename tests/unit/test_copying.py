"""Copying scores are what plain modules make of the stream after the first MLP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.analysis.attention import copying
from lens_widgets.errors import InputError
from tests import handmade as made
from tests.models import tiny

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

TEXTS = ["w5 w6 w7 w5 w6 w7 w8", "w11 w12 w13 w14"]
ANSWERS = [("w6", "w7"), ("w12", "w40")]


def _plain(session: lw.Session, ids: list[int], layer: int, head: int) -> float:
    """The score by Hugging Face's own modules: hooks read the stream, weights are cut by hand."""
    model: Any = session.model
    streams: dict[int, Tensor] = {}
    for row, length in zip(session.tokens, session.prompt_set.lengths.tolist(), strict=True):
        with torch.no_grad():
            _, cache = model.run_with_cache(row[None, :length], return_cache_object=False)
        resid = cache["blocks.1.hook_resid_pre"][0]
        for position, token in enumerate(row[:length].tolist()):
            streams.setdefault(token, resid[position])
    block, config = model.blocks[layer], model.cfg
    attention = block.attn
    n_values = config.n_key_value_heads or config.n_heads
    group = head // (config.n_heads // n_values)
    copied = []
    for token in ids:
        with torch.no_grad():
            stream = streams[token][None, None]
            normed = block.ln1(stream) if hasattr(block, "ln1") else stream
            value = (
                normed[0, 0] @ attention.W_V[group if attention.W_V.shape[0] == n_values else head]
            )
            if attention.b_V is not None:
                value = value + attention.b_V.reshape(n_values, -1)[group]
            written = (value @ attention.W_O[head])[None, None]
            if hasattr(block, "ln1_post"):
                written = block.ln1_post(written)
            logits = model.unembed(model.ln_final(written))[0, 0]
        copied.append(token in logits.topk(5).indices.tolist())
    return float(np.mean(copied))


# Sixty-four tokens: by chance a twelfth is among the five highest.
@pytest.mark.parametrize("name", ["gpt2", "llama", "neox", "gemma2", "olmo2"])
def test_scores_are_those_of_plain_modules(name: str) -> None:
    session = lw.Session(tiny(name), TEXTS)
    scores = lw.analysis.copying_scores(session)
    ids = copying.try_tokens(session).ids
    assert len(ids) == 8
    assert np.isnan(scores[0]).all()
    expected = [
        [_plain(session, list(ids), layer, head) for head in range(session.facts.n_heads)]
        for layer in range(1, session.facts.n_layers)
    ]
    assert scores[1:].values == pytest.approx(np.array(expected))
    assert scores.values[1:].max() > 0


def test_tokens_are_the_answers_that_the_prompts_contain_or_all() -> None:
    model = tiny("gpt2")
    texts = lw.analysis.copying_scores(lw.Session(model, TEXTS, answers=ANSWERS)).attrs["tokens"]
    assert [text.strip(" ·") for text in texts] == ["w6", "w7", "w12"]
    # Answers that no prompt contains tell nothing of heads that copy from prompts.
    elsewhere = lw.Session(model, TEXTS, answers=("w30", "w31"))
    assert len(lw.analysis.copying_scores(elsewhere).attrs["tokens"]) == 8
    long = lw.Session(model, [" ".join(f"w{i}" for i in range(20))])
    assert len(lw.analysis.copying_scores(long).attrs["tokens"]) == copying.MOST_TOKENS


def test_interventions_do_not_change_them_and_nothing_is_computed_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = lw.Session(tiny("gpt2"), TEXTS, answers=ANSWERS)
    before = lw.analysis.copying_scores(session)
    session.interventions.add(lw.Ablate("L0.mlp"))
    monkeypatch.setattr(copying, "_shares", None)
    assert np.array_equal(lw.analysis.copying_scores(session), before, equal_nan=True)


def test_small_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lw.analysis.copying_scores(lw.Session(tiny("llama"), TEXTS))
    monkeypatch.setattr(copying, "WORK", 1)
    parts = lw.analysis.copying_scores(lw.Session(tiny("llama"), TEXTS))
    assert np.array_equal(whole, parts, equal_nan=True)


def test_a_model_without_a_first_mlp_is_refused_in_words() -> None:
    session = lw.Session(made.handmade(), made.repeated(4))
    with pytest.raises(InputError, match="no MLP there") as error:
        lw.analysis.copying_scores(session)
    assert "copy_accuracy" in error.value.hint


def test_it_names_the_heads_that_bring_the_name_in_a_real_model(
    smollm2: TransformerBridge,
) -> None:
    session = lw.Session(smollm2, lw.prompts.IOI)
    scores = lw.analysis.copying_scores(session)
    named = {(int(layer), int(head)) for layer, head in np.argwhere(scores.values >= 0.5)}
    # Those of notebook 05 that raise the name they look at; L23H3, which lowers one, does not copy.
    assert {(23, 0), (23, 1), (23, 2), (23, 7)} <= named
    assert len(named) == 6
    assert float(scores[23, 3]) == 0.0
    # By the weights alone, without the first MLP, L23H0 would not be among them.
    circuit = lw.analysis.ov_circuit(session, "L23H0")
    names = copying.try_tokens(session).ids
    alone = [name in circuit.top_k(row=name, k=5)[1].tolist() for name in names]
    assert sum(alone) / len(names) < 0.5
