"""Tiny random models of many architectures, built offline, with a tokenizer of one token a word.

Every bias and norm weight is random, so that a computation that forgets one is wrong here.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE, WordLevel
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import boot_native
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

N_LAYERS, N_HEADS, D_MODEL, D_HEAD, N_CTX = 2, 4, 32, 8, 40
SPECIAL = ("<bos>", "<unk>", "<pad>", "<script>")
D_VOCAB = 60
WORDS = (*SPECIAL, *(f"w{i}" for i in range(len(SPECIAL), D_VOCAB)))
"""Word ``w7`` has token id 7."""

BOS, UNK, PAD = 0, 1, 2

_GPT2 = {"n_layer": N_LAYERS, "n_head": N_HEADS, "n_embd": D_MODEL, "n_positions": N_CTX}
_LLAMA = {
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "hidden_size": D_MODEL,
    "intermediate_size": 48,
    "max_position_embeddings": N_CTX,
}
_GQA = {**_LLAMA, "num_key_value_heads": 2}
_BLOOM = {"n_layer": N_LAYERS, "n_head": N_HEADS, "hidden_size": D_MODEL}
_OPT = {
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "hidden_size": D_MODEL,
    "ffn_dim": 48,
    "word_embed_proj_dim": D_MODEL,
    "max_position_embeddings": N_CTX,
}
_FALCON = {
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "hidden_size": D_MODEL,
    # One key and value head for all queries, attention and MLP side by side.
    "multi_query": True,
    "parallel_attn": True,
    "alibi": False,
}
_GPTNEO = {
    "num_layers": N_LAYERS,
    "num_heads": N_HEADS,
    "hidden_size": D_MODEL,
    "max_position_embeddings": N_CTX,
    "attention_types": [[["global", "local"], 1]],
    "window_size": 3,
}
_GEMMA2 = {
    **_GQA,
    "head_dim": D_HEAD,
    "query_pre_attn_scalar": D_HEAD,
    "sliding_window": 4,
    # Low enough to bend the logits of a random model.
    "final_logit_softcapping": 4.0,
    "attn_logit_softcapping": 5.0,
}
_HUGGING_FACE: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", _GPT2),
    "llama": ("LlamaConfig", {**_GQA, "attention_bias": True, "mlp_bias": True}),
    "neox": ("GPTNeoXConfig", _LLAMA),
    "phi": ("PhiConfig", _LLAMA),
    "gemma2": ("Gemma2Config", _GEMMA2),
    "olmo2": ("Olmo2Config", _GQA),
    "granite": ("GraniteConfig", {**_GQA, "logits_scaling": 4.0, "residual_multiplier": 0.3}),
    "bloom": ("BloomConfig", _BLOOM),
    "opt": ("OPTConfig", _OPT),
    "mixtral": ("MixtralConfig", {**_GQA, "num_local_experts": 3}),
    "qwen2": ("Qwen2Config", _GQA),
    "mistral": ("MistralConfig", {**_GQA, "sliding_window": 3}),
    "gptj": ("GPTJConfig", {**_GPT2, "rotary_dim": 4}),
    "gptneo": ("GPTNeoConfig", _GPTNEO),
    "falcon": ("FalconConfig", _FALCON),
    "gemma3": ("Gemma3TextConfig", {**_GEMMA2, "final_logit_softcapping": None}),
    "qwen3": ("Qwen3Config", {**_GQA, "head_dim": D_HEAD}),
}

_NATIVE: dict[str, dict[str, Any]] = {
    "attn_only": {"attn_only": True, "act_fn": "gelu", "normalization_type": "LN"},
    "native": {
        "act_fn": "silu",
        "normalization_type": "RMS",
        "d_mlp": 48,
        "gated_mlp": True,
        "n_key_value_heads": 2,
        "positional_embedding_type": "rotary",
        "output_logits_soft_cap": 4.0,
    },
}

ARCHITECTURES = (*_HUGGING_FACE, *_NATIVE, "gpt2_folded")
PATTERN_IS_A_COPY = ("opt", "gptj", "gptneo")
"""Their attention reports a pattern and ignores what is made of it."""

LOGIT_CAPS = {"gemma2": 4.0, "native": 4.0}
LOGIT_DIVISORS = {"granite": 4.0}


_made: dict[str, TransformerBridge] = {}
_pristine: dict[str, dict[str, int]] = {}
_asked: set[str] = set()


def tiny(name: str) -> TransformerBridge:
    """One of ``ARCHITECTURES``, in eval mode; always the same object."""
    _asked.add(name)
    if name not in _made:
        model = _made[name] = fresh(name)
        # TransformerLens puts hooks of its own on a model when it first runs.
        model.run_with_cache(torch.tensor([[4, 5]]))
        _pristine[name] = traces(model)
    return _made[name]


def forget() -> None:
    """Begins a test: ``leftovers`` looks at the models asked for from now on."""
    _asked.clear()


def leftovers() -> dict[str, set[tuple[str, int]]]:
    """What of ours is still on the models of this test: nothing, when nothing runs."""
    found = {name: set(traces(_made[name]).items()) for name in _asked}
    changed = {name: found[name] ^ set(_pristine[name].items()) for name in found}
    return {name: items for name, items in changed.items() if items}


def fresh(name: str) -> TransformerBridge:
    """The same as a new object, for tests that change it."""
    if name in _NATIVE:
        return native(**_NATIVE[name])
    if name == "gpt2_folded":
        model = fresh("gpt2")
        model.enable_compatibility_mode()
        return model
    config_name, options = _HUGGING_FACE[name]
    return hugging_face(config_name, word_tokenizer(), **options)


def traces(model: TransformerBridge) -> dict[str, int]:
    """Everything hooked onto a model or put in place of a ``forward``, by module."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    found = {}
    for name, module in model.named_modules():
        count = sum(len(getattr(module, kind)) for kind in kinds)
        count += len(getattr(module, "fwd_hooks", ())) + len(getattr(module, "bwd_hooks", ()))
        count += "forward" in vars(module)
        if count:
            found[name] = count
    return found


def tensor_bytes() -> int:
    """What all tensors that Python knows of hold together, each storage counted once."""
    gc.collect()
    sizes = {}
    for item in gc.get_objects():
        # Asking the type, as some proxies answer isinstance by loading what they stand for.
        if issubclass(type(item), torch.Tensor) and item.device.type != "meta":
            storage = item.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values())


def hugging_face(
    config_name: str, tokenizer: PreTrainedTokenizerFast, vocab_size: int = D_VOCAB, **options: Any
) -> TransformerBridge:
    """A model with fresh random weights through TransformerLens's Hugging Face route."""
    make: Callable[..., Any] = getattr(transformers, config_name)
    config = make(
        vocab_size=vocab_size, bos_token_id=BOS, eos_token_id=BOS, pad_token_id=None, **options
    )
    hf = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    randomise(hf)
    # The bridge reads the class name from the configuration, which a fresh one does not have.
    hf.config.architectures = [type(hf).__name__]
    return TransformerBridge.boot_transformers(
        f"tiny {config_name}", hf_model=hf, tokenizer=tokenizer, device="cpu"
    ).eval()


def native(tokenizer: PreTrainedTokenizerFast | None = None, **options: Any) -> TransformerBridge:
    """A model with fresh random weights, native to TransformerLens."""
    shape = {
        "n_layers": N_LAYERS,
        "n_heads": N_HEADS,
        "d_model": D_MODEL,
        "d_head": D_HEAD,
        "n_ctx": N_CTX,
        "d_vocab": D_VOCAB,
        "seed": 0,
    }
    model = boot_native({**shape, **options}, tokenizer=tokenizer or word_tokenizer())
    randomise(model)
    return model.eval()


def randomise(module: torch.nn.Module, seed: int = 0) -> None:
    """Biases and norm weights become random too; matrices grow until attention is uneven."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(0.25 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            else:
                parameter.copy_(1 + 0.3 * noise)


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, split at spaces; ``tokenizer.decode`` gives the word without a space."""
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _for_bridge(tokenizer, unk_token="<unk>")


def byte_tokenizer(*words: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE as GPT-2's, in which each word is one token when a space leads it."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2_000,
        min_frequency=1,
        special_tokens=["<bos>", "<unk>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f" {word}" for word in words], trainer)
    return _for_bridge(tokenizer)


def _for_bridge(tokenizer: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<bos>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
        **special,
    )
    # Without these the bridge looks the tokenizer up by name.
    wrapped.init_kwargs.setdefault("name_or_path", "")
    wrapped.add_bos_token = True  # type: ignore[misc]  # It has a setter, of another name.
    return wrapped
