"""Models in 16 bits, on disk in part, and quantised: loaded as users load them, from a folder.

What is read off their runs is held against hooked forwards of the same model, as for every
architecture; what needs a matrix besides, against a plain model of the matrices that the quantised
one computes with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

import lens_widgets as lw
from lens_widgets.analysis.model.model_card import model_facts
from lens_widgets.analysis.model.parameters import parameters
from lens_widgets.errors import InputError
from tests.models import BOS, D_VOCAB, randomise, word_tokenizer
from tests.unit.every_question import answers_of, session_of
from tests.unit.right import CHECKS, Case
from tests.unit.right.plain import looser
from tests.unit.some_numbers import small_session, some_numbers

A = lw.analysis
PARTS = ("embed_tokens", "layers.0", "layers.1", "norm", "rotary_emb")

OF_RUNS = (
    "metric",
    "losses, ranks and accuracy",
    "attention patterns",
    "ablation effects",
    "patching of blocks",
    "patching of heads",
    "estimates of patching",
    "direct effects of components and layers",
    "neurons",
    "single activations",
)
"""What needs no matrix of a layer."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama of random weights, as ``save_pretrained`` leaves it."""
    config = transformers.LlamaConfig(
        vocab_size=D_VOCAB,
        bos_token_id=BOS,
        eos_token_id=BOS,
        pad_token_id=None,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        # The blocks that 4 bits are packed in have 64 numbers.
        hidden_size=64,
        intermediate_size=128,
        max_position_embeddings=40,
        attention_bias=True,
    )
    hf = transformers.LlamaForCausalLM(config).eval()
    randomise(hf)
    with torch.no_grad():
        for layer in hf.model.layers:
            for module in (layer.self_attn.q_proj, layer.self_attn.k_proj):
                module.weight *= 0.5
    made = tmp_path_factory.mktemp("tiny")
    hf.save_pretrained(made)
    return made


def loaded(folder: Path, **options: Any) -> Any:
    """Hugging Face's model of that folder."""
    model: Any = transformers.AutoModelForCausalLM
    return model.from_pretrained(folder, attn_implementation="eager", **options).eval()


def bridged(folder: Path, **options: Any) -> TransformerBridge:
    """The same, wrapped by TransformerLens."""
    return TransformerBridge.boot_transformers(
        str(folder), hf_model=loaded(folder, **options), tokenizer=word_tokenizer()
    ).eval()


def on_disk(tmp_path: Path, *away: str) -> dict[str, Any]:
    """Options that leave some parts on disk."""
    places = {f"model.{part}": "disk" if part in away else "cpu" for part in PARTS}
    return {"device_map": {**places, "lm_head": "cpu"}, "offload_folder": str(tmp_path)}


def four_bits() -> dict[str, Any]:
    config = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    return {"quantization_config": config, "device_map": {"": "cpu"}}


def eight_bits(threshold: float = 0.0) -> dict[str, Any]:
    config = transformers.BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=threshold)
    return {"quantization_config": config, "device_map": {"": "cpu"}}


def check_runs(case: Case, names: tuple[str, ...] = OF_RUNS) -> bool:
    """All that is told of runs, against hooked forwards of the same model. Whether it has slopes:
    some kernels for 4 bits have no backward pass, and that is said."""
    slopes = case.facts.differentiable
    for name in names:
        if slopes or name != "estimates of patching":
            CHECKS[name](case)
    if not slopes:
        with pytest.raises(InputError, match="have none on cpu"):
            A.estimate_sweep(case.session, "z")
        assert any("no estimates" in note for note in case.session.notes)
    return slopes


def same(got: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    """Number by number, to a share of the largest of its kind."""
    for key, values in expected.items():
        size = max(1.0, float(np.nanmax(np.abs(values))))
        np.testing.assert_allclose(got[key], values, rtol=0, atol=tolerance * size, err_msg=key)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_models_in_16_bits_give_what_their_own_forwards_give(
    folder: Path, dtype: torch.dtype
) -> None:
    case = Case("16 bits", bridged(folder, dtype=dtype), loaded(folder, dtype=dtype))
    assert case.facts.dtype == str(dtype).removeprefix("torch.")
    with looser(150.0 if dtype is torch.bfloat16 else 20.0):
        check_runs(case, tuple(name for name in OF_RUNS if "ranks" not in name))


def test_a_map_of_cpus_changes_nothing(folder: Path, tmp_path: Path) -> None:
    mapped = small_session(bridged(folder, **on_disk(tmp_path)))
    assert (mapped.facts.device, mapped.facts.places, mapped.facts.on_disk) == ("cpu", "", ())
    same(some_numbers(mapped), some_numbers(small_session(bridged(folder))), 1e-6)


def test_a_layer_on_disk_is_loaded_whenever_it_is_needed(folder: Path, tmp_path: Path) -> None:
    plain = session_of(bridged(folder))
    away = session_of(bridged(folder, **on_disk(tmp_path, "layers.1")))
    assert away.facts.on_disk == (1,)
    assert away.facts.resumable
    assert any("layer 1 are loaded anew for every run" in note for note in away.notes)
    answers, refused = answers_of(away)
    expected, not_expected = answers_of(plain)
    assert {k: str(v) for k, v in refused.items()} == {k: str(v) for k, v in not_expected.items()}
    assert answers.keys() == expected.keys()
    same(some_numbers(small_session(away.model)), some_numbers(small_session(plain.model)), 1e-5)
    facts = {fact.name: fact.value for fact in model_facts(away, parameters(away))}
    assert facts["placement"] == "layer 0, final norm, unembedding on cpu; layer 1 on disk"
    assert facts["parameters"] == f"{sum(p.numel() for p in loaded(folder).parameters()):,}"


def test_an_embedding_on_disk_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    model = bridged(folder, **on_disk(tmp_path, "embed_tokens"))
    with pytest.raises(InputError, match=r"meta device.*device_map only blocks"):
        small_session(model)


def test_four_bits_give_what_their_own_forwards_give(folder: Path) -> None:
    case = Case("4 bits", bridged(folder, **four_bits()), loaded(folder, **four_bits()))
    check_runs(case)


def test_eight_bits_give_what_their_own_forwards_give(folder: Path) -> None:
    case = Case("8 bits", bridged(folder, **eight_bits()), loaded(folder, **eight_bits()))
    assert check_runs(case)


def test_prompts_that_change_one_another_in_8_bits_are_refused(folder: Path) -> None:
    # Above a threshold whole columns of a batch are computed in another way.
    with pytest.raises(InputError, match="depend on those beside it"):
        small_session(bridged(folder, **eight_bits(threshold=6.0)))


@pytest.mark.parametrize("options", [four_bits, eight_bits])
def test_weights_of_quantised_models_are_refused_in_words(
    folder: Path, options: Callable[[], dict[str, Any]]
) -> None:
    session = small_session(bridged(folder, **options()))
    stored = session.facts.quantised
    assert stored.startswith("bitsandbytes, ")
    assert any(stored in note for note in session.notes)
    for ask in (
        lambda: A.ov_circuit(session, "L0H1"),
        lambda: A.qk_circuit(session, "L0H1"),
        lambda: A.composition_scores(session),
        lambda: A.copy_accuracy(session, "L0H1"),
        lambda: lw.WeightCircuitView(session).figure(),
        lambda: lw.CompositionView(session).figure(),
    ):
        with pytest.raises(InputError, match="stored in another form") as error:
            ask()
        assert "16 or 32 bits" in error.value.hint
    facts = {fact.name: fact.value for fact in model_facts(session, parameters(session))}
    assert facts["stored as"] == stored
    plain = sum(p.numel() for p in loaded(folder).parameters())
    assert facts["parameters"] == f"{plain:,}"


def test_a_quantised_model_that_changed_is_noticed(folder: Path) -> None:
    session = small_session(bridged(folder, **eight_bits()))
    before = session.baseline.tolist()
    assert session.baseline.tolist() == before
    weight: Any = session.model.original_model.model.layers[1].mlp.down_proj._original_component
    weight.weight.data[3] = 1 - weight.weight.data[3]
    with pytest.raises(InputError, match=r"down_proj|mlp"):
        session.run([lw.Ablate("L0H1")])
    session.refresh()
    assert session.baseline.tolist() != before
