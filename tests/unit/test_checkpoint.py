"""Models from files of weights: bit for bit the model that was saved, or one complete refusal."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import BOS, D_VOCAB, fresh, randomise, word_tokenizer

TOKENS = torch.tensor([[0, 5, 9, 7, 5, 9]])
GPT2 = GPT2Config(
    n_layer=2, n_head=4, n_embd=32, n_positions=40, vocab_size=D_VOCAB, bos_token_id=BOS,
    eos_token_id=BOS,
)  # fmt: skip
LLAMA = LlamaConfig(
    num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, hidden_size=32,
    intermediate_size=48, vocab_size=D_VOCAB, max_position_embeddings=40,
)  # fmt: skip


def old_state(model: Any) -> dict[str, Tensor]:
    """A native model's weights as HookedTransformer named and shaped them, with its buffers."""
    found = {
        "embed.W_E": model.W_E,
        "pos_embed.W_pos": model.W_pos,
        "unembed.W_U": model.W_U,
        "unembed.b_U": model.b_U,
    }
    for layer, block in enumerate(model.blocks):
        attn = f"blocks.{layer}.attn"
        for part in "QKVO":
            found[f"{attn}.W_{part}"] = getattr(model, f"W_{part}")[layer]
            found[f"{attn}.b_{part}"] = getattr(model, f"b_{part}")[layer]
        found[f"{attn}.mask"] = torch.ones(40, 40).tril().bool()
        found[f"{attn}.IGNORE"] = torch.tensor(float("-inf"))
        norm = block.ln1.state_dict()
        found |= {f"blocks.{layer}.ln1.{new[0]}": norm[name] for name, new in names(norm)}
    norm = model.ln_final.state_dict()
    found |= {f"ln_final.{new[0]}": norm[name] for name, new in names(norm)}
    return {key: value.detach().clone() for key, value in found.items()}


def names(norm: dict[str, Tensor]) -> list[tuple[str, str]]:
    """What a norm's tensors are called, and their last names."""
    return [(name, name.rsplit(".", 1)[-1]) for name in norm]


def saved(config: Any) -> Any:
    hf = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    hf.config.architectures = [type(hf).__name__]
    randomise(hf)
    return hf


def bridged(hf: Any) -> TransformerBridge:
    """The same model as TransformerLens opens it; the given one is left as it is."""
    return TransformerBridge.boot_transformers(
        "tiny model", hf_model=copy.deepcopy(hf), tokenizer=word_tokenizer(), device="cpu"
    ).eval()


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        out = model(TOKENS)
    return getattr(out, "logits", out)


@pytest.mark.parametrize("config", [GPT2, LLAMA], ids=["gpt2", "llama"])
@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "module._orig_mod."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict"])
def test_a_hugging_face_state_dict_gives_its_logits(
    tmp_path: Path, config: Any, prefix: str, wrapper: str | None
) -> None:
    hf = saved(config)
    weights: Any = {prefix + key: value for key, value in hf.state_dict().items()}
    torch.save({wrapper: weights, "step": 3} if wrapper else weights, tmp_path / "w.pt")
    model = lw.load_checkpoint(tmp_path / "w.pt", config, word_tokenizer())
    assert torch.equal(logits(model), logits(bridged(hf)))
    torch.testing.assert_close(logits(model), logits(hf))
    assert model.cfg.model_name == "w"


def test_safetensors_without_tied_weights_and_a_folder_load(tmp_path: Path) -> None:
    hf = saved(GPT2)
    hf.save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    from_folder = lw.load_checkpoint(tmp_path, tmp_path)
    assert torch.equal(logits(from_folder), logits(bridged(hf)))
    body = {k.removeprefix("transformer."): v for k, v in hf.state_dict().items() if "lm_" not in k}
    body["h.0.attn.bias"] = torch.ones(1, 1, 40, 40)
    save_file({key: value.clone() for key, value in body.items()}, tmp_path / "body.safetensors")
    from_body = lw.load_checkpoint(tmp_path / "body.safetensors", GPT2.to_dict(), word_tokenizer())
    assert torch.equal(logits(from_body), logits(bridged(hf)))


@pytest.mark.parametrize("name", ["attn_only", "native"])
def test_a_native_bridge_loads_from_its_own_state_dict(tmp_path: Path, name: str) -> None:
    model = fresh(name)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    again = lw.load_checkpoint(tmp_path / "w.pt", model.cfg, word_tokenizer())
    assert torch.equal(logits(again), logits(model))
    assert not again.training


def test_a_bridge_of_a_hugging_face_model_loads_too(tmp_path: Path) -> None:
    model = fresh("gpt2")
    torch.save(model.state_dict(), tmp_path / "w.pt")
    again = lw.load_checkpoint(tmp_path / "w.pt", model.original_model.config, word_tokenizer())
    assert torch.equal(logits(again), logits(model))


def test_weights_of_the_older_hooked_transformer_are_converted(tmp_path: Path) -> None:
    model = fresh("attn_only")
    torch.save(old_state(model), tmp_path / "w.pt")
    again = lw.load_checkpoint(tmp_path / "w.pt", model.cfg)
    assert torch.equal(logits(again), logits(model))


def test_every_key_that_does_not_fit_is_in_one_refusal(tmp_path: Path) -> None:
    weights = saved(GPT2).state_dict()
    weights["transformer.extra"] = torch.zeros(2)
    weights["transformer.more"] = torch.zeros(2)
    del weights["transformer.h.0.ln_1.weight"]
    weights["transformer.ln_f.bias"] = torch.zeros(31)
    torch.save(weights, tmp_path / "w.pt")
    with pytest.raises(InputError) as refusal:
        lw.load_checkpoint(tmp_path / "w.pt", GPT2, word_tokenizer())
    text = str(refusal.value)
    assert "unexpected: transformer.extra" in text
    assert "unexpected: transformer.more" in text
    assert "missing: transformer.h.0.ln_1.weight" in text
    assert "shape of transformer.ln_f.bias: [31], the model has [32]" in text
    assert "Nothing was loaded" in text


def test_old_weights_of_another_shape_are_all_listed(tmp_path: Path) -> None:
    model = fresh("attn_only")
    weights = old_state(model)
    for key in ("blocks.0.attn.W_Q", "blocks.1.attn.W_O"):
        weights[key] = torch.zeros(2, 32, 16)
    torch.save({**weights, "blocks.0.odd": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(InputError) as refusal:
        lw.load_checkpoint(tmp_path / "w.pt", model.cfg)
    assert "blocks.0.attn.W_Q" in str(refusal.value)
    assert "blocks.1.attn.W_O" in str(refusal.value)
    assert "blocks.0.odd" in str(refusal.value)


class Mark:
    """Pickled code: it would leave a file behind if it ever ran."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"w": Mark(tmp_path / "ran")}))
    torch.save({"w": Mark(tmp_path / "ran")}, tmp_path / "v.pt")
    for name in ("w.pt", "v.pt"):
        with pytest.raises(InputError, match="cannot be read as weights"):
            lw.load_checkpoint(tmp_path / name, GPT2, word_tokenizer())
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[1, 2], {}, {"w": 3}, {"state_dict": {"w": "text"}}])
def test_files_that_hold_no_state_dict_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"state dict|more than tensors"):
        lw.load_checkpoint(tmp_path / "w.pt", GPT2, word_tokenizer())


def test_paths_and_configurations_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        lw.load_checkpoint(tmp_path / "none.pt", GPT2)
    with pytest.raises(InputError, match="holds neither"):
        lw.load_checkpoint(tmp_path, GPT2)
    torch.save({"w": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="tokenizer is missing"):
        lw.load_checkpoint(tmp_path / "w.pt", GPT2)
    for config in (3, str(tmp_path), {"model_type": "nothing"}, {"n_layers": 2}):
        with pytest.raises(InputError, match="config="):
            lw.load_checkpoint(tmp_path / "w.pt", config)
