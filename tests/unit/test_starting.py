"""Where views open: on what has the largest effect, unless somebody has chosen already."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from tests.models import fresh, native, tiny, word_tokenizer
from tests.unit.spies import spy

TEXTS = ["w5 w6 w7 w8", "w9 w4 w7 w6 w5"]
ANSWERS = [("w11", "w12"), ("w13", "w14")]


def _session(name: str = "gpt2", **options: Any) -> lw.Session:
    return lw.Session(tiny(name), TEXTS, answers=ANSWERS, **options)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "attn_only"])
def test_the_first_view_opens_on_the_largest_head_at_the_end_of_the_prompt(name: str) -> None:
    session = _session(name)
    assert (session.selection.layer, session.selection.head) == (0, 0), "only views choose"
    view = lw.AttentionView(session)
    effects = abs(lw.analysis.attribution(session, by="head")).values
    best = [int(place) for place in np.unravel_index(effects.argmax(), effects.shape)]
    assert [session.selection.layer, session.selection.head] == best
    assert session.selection.query_pos == len(TEXTS[0].split())
    assert view.selection == session.selection.as_dict()


def test_a_choice_is_left_alone_also_that_of_the_first_head() -> None:
    for chosen in ({"layer": 0, "head": 0}, {"query_pos": None}):
        session = _session()
        session.selection.update(**chosen)
        lw.AttentionView(session)
        assert (session.selection.layer, session.selection.head) == (0, 0)
        assert session.selection.query_pos is None
    session = _session()
    session.selection.prompt = 1
    lw.AttentionView(session)
    assert session.selection.query_pos == len(TEXTS[1].split()), "the end of the chosen prompt"
    session.selection.update(layer=1, head=1)
    session.interventions.add(lw.Ablate("L1H1"))
    lw.HeadScoresView(session)
    assert (session.selection.layer, session.selection.head) == (1, 1)


def test_opening_runs_no_model_and_reads_one_layer_again_for_a_neuron() -> None:
    model = fresh("gpt2")
    session = lw.Session(model, TEXTS, answers=ANSWERS)
    runs: list[int] = []
    for layer, block in enumerate(model.blocks):
        block.register_forward_pre_hook(spy(lambda *_, layer=layer: runs.append(layer)))
    lw.WeightCircuitView(session)
    assert runs == []
    view = lw.NeuronView(session)
    assert [f"L{layer}" for layer in runs] == [str(view.neuron).split("N")[0]]


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_neuron_is_the_largest_of_the_largest_mlp(name: str) -> None:
    session = _session(name)
    view = lw.NeuronView(session)
    parts = lw.analysis.attribution(session, by="component")
    sizes = [abs(float(parts.sel(component=f"L{layer}.mlp"))) for layer in (0, 1)]
    layer = sizes.index(max(sizes))
    neurons = lw.analysis.attribution(session, by="neuron", layer=layer)
    assert view.neuron == f"L{layer}N{int(abs(neurons.values).argmax())}"
    assert lw.NeuronView(session, neuron="L0N3").neuron == "L0N3"


def test_models_without_direct_effects_or_mlps_open_all_the_same() -> None:
    assert lw.NeuronView(_session("attn_only")).neuron is None
    assert lw.NeuronView(_session("mixtral")).neuron == "L0N0"
    plain = lw.Session(tiny("gpt2"), torch.tensor([[4, 5, 6]]))
    lw.LossView(plain)
    assert plain.selection.query_pos is None, "every position counts for a loss"


def test_the_lens_of_a_deep_model_leaves_out_what_lies_within_layers() -> None:
    assert lw.LogitLensView(_session()).incl_mid
    deep = native(word_tokenizer(), n_layers=21, n_heads=1, d_model=8, d_head=8, d_mlp=8, n_ctx=16,
                  d_vocab=60, act_fn="gelu", normalization_type="LN")  # fmt: skip
    session = lw.Session(deep, TEXTS, answers=ANSWERS)
    assert not lw.LogitLensView(session).incl_mid
    assert lw.LogitLensView(session, incl_mid=True).incl_mid
