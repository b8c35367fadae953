"""Tiny models that lack what most have: causality, one geometry, finite logits, a decoder alone."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

from tests.models import (
    BOS,
    D_HEAD,
    D_MODEL,
    D_VOCAB,
    N_CTX,
    hugging_face,
    randomise,
    word_tokenizer,
)

_GROUPED = {
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": D_MODEL,
    "intermediate_size": 48,
    "max_position_embeddings": N_CTX,
}
_GEMMA = {**_GROUPED, "head_dim": D_HEAD, "sliding_window": 4}


def looking_ahead(**options: Any) -> TransformerBridge:
    """Gemma 3 as its embedding models have it: every position attends to every other.

    ``options`` of its configuration: by default its window is short and its scores are capped.
    """
    bent = {"sliding_window": 4, "attn_logit_softcapping": 5.0}
    return hugging_face(
        "Gemma3TextConfig",
        word_tokenizer(),
        **{**_GROUPED, "head_dim": D_HEAD, **bent, **options},
        query_pre_attn_scalar=D_HEAD,
        final_logit_softcapping=None,
        use_bidirectional_attention=True,
    )


def long_rope(trained_on: int = 6) -> TransformerBridge:
    """Phi 3 whose rotary frequencies change beyond ``trained_on`` tokens."""
    return hugging_face(
        "Phi3Config",
        word_tokenizer(),
        **_GROUPED,
        original_max_position_embeddings=trained_on,
        rope_scaling={
            "type": "longrope",
            "short_factor": [1.0] * (D_HEAD // 2),
            "long_factor": [4.0] * (D_HEAD // 2),
        },
    )


def gemma4(*, second_head_dim: int = D_HEAD, **options: Any) -> TransformerBridge:
    """Gemma 4's text model, whose layers also write embeddings of their own into the stream.

    ``options`` of its configuration: by default its window is short.
    """
    return hugging_face(
        "Gemma4TextConfig",
        word_tokenizer(),
        **{**_GEMMA, **options},
        global_head_dim=second_head_dim,
    )


def without_attention_everywhere(name: str) -> TransformerBridge:
    """``"Mamba"``, none at all; ``"Jamba"``, ``"Lfm2"`` and ``"Qwen3_5Text"`` in some layers."""
    options: dict[str, dict[str, Any]] = {
        "Mamba": {"hidden_size": D_MODEL, "num_hidden_layers": 2, "state_size": 8},
        "Jamba": {
            **_GROUPED,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "use_mamba_kernels": False,
            "num_experts": 2,
            "mamba_d_state": 8,
        },
        "Lfm2": {**_GROUPED, "layer_types": ["conv", "full_attention"]},
        "Qwen3_5Text": {
            **_GROUPED,
            "head_dim": D_HEAD,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": D_HEAD,
            "linear_value_head_dim": D_HEAD,
        },
    }
    return hugging_face(f"{name}Config", word_tokenizer(), **options[name])


def experts(n_experts: int, chosen: int) -> TransformerBridge:
    """GPT-OSS with so many experts, of which so many are chosen for each token."""
    return hugging_face(
        "GptOssConfig",
        word_tokenizer(),
        **_GROUPED,
        head_dim=D_HEAD,
        sliding_window=4,
        num_local_experts=n_experts,
        num_experts_per_tok=chosen,
    )


def compressed_attention() -> TransformerBridge:
    """DeepSeek V3, whose queries, keys and values lie in another order than elsewhere."""
    return hugging_face(
        "DeepseekV3Config",
        word_tokenizer(),
        **{**_GROUPED, "num_key_value_heads": 4},
        q_lora_rank=8,
        kv_lora_rank=8,
        qk_rope_head_dim=4,
        qk_nope_head_dim=4,
        v_head_dim=8,
        n_routed_experts=4,
        num_experts_per_tok=2,
        n_group=1,
        topk_group=1,
        first_k_dense_replace=1,
        moe_intermediate_size=16,
    )


def masked_language_model() -> TransformerBridge:
    """BERT: looks ahead, and normalises the stream between its parts."""
    return _bridged(
        "BertForMaskedLM",
        transformers.BertConfig(
            vocab_size=D_VOCAB,
            num_hidden_layers=2,
            num_attention_heads=4,
            hidden_size=D_MODEL,
            intermediate_size=48,
            max_position_embeddings=N_CTX,
        ),
    )


def encoder_decoder(name: str) -> TransformerBridge:
    """``"T5"`` or ``"Bart"``."""
    configs: dict[str, Any] = {
        "T5": lambda: transformers.T5Config(
            vocab_size=D_VOCAB, d_model=D_MODEL, d_kv=D_HEAD, d_ff=48, num_layers=2, num_heads=4
        ),
        "Bart": lambda: transformers.BartConfig(
            vocab_size=D_VOCAB,
            d_model=D_MODEL,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            max_position_embeddings=N_CTX,
        ),
    }
    config = configs[name]()
    config.decoder_start_token_id = BOS
    return _bridged(f"{name}ForConditionalGeneration", config)


def _bridged(class_name: str, config: Any) -> TransformerBridge:
    config._attn_implementation = "eager"
    hf = getattr(transformers, class_name)(config).eval()
    randomise(hf)
    hf.config.architectures = [class_name]
    return TransformerBridge.boot_transformers(
        f"tiny {class_name}", hf_model=hf, tokenizer=word_tokenizer(), device="cpu"
    ).eval()


def minding_length(model: TransformerBridge) -> TransformerBridge:
    """The same model, whose logits grow with the width of the batch: padding does harm."""

    def scaled(_module: Any, _args: Any, output: Any) -> Any:
        output.logits = output.logits * output.logits.shape[1]
        return output

    model.original_model.register_forward_hook(scaled)
    return model


def minding_neighbours(model: TransformerBridge) -> TransformerBridge:
    """The same model, in whose logits the mean of the batch takes part."""

    def mixed(_module: Any, _args: Any, output: Any) -> Any:
        output.logits = output.logits + output.logits.mean(dim=0, keepdim=True)
        return output

    model.original_model.register_forward_hook(mixed)
    return model


def overflowing(model: TransformerBridge) -> TransformerBridge:
    """The model in float16, with an MLP that writes more than it can hold."""
    with torch.no_grad():
        model.blocks[0].mlp.out.original_component.weight.mul_(1e4)
    return model.to(torch.float16)
