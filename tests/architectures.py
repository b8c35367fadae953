"""Every architecture that TransformerLens takes from Hugging Face's own classes, as small as its
configuration allows."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

from tests.models import BOS, D_HEAD, D_MODEL, D_VOCAB, N_CTX, randomise, word_tokenizer

N_LAYERS, N_HEADS, D_MLP = 2, 4, 48

COMMON: dict[str, Any] = {
    "vocab_size": D_VOCAB,
    "bos_token_id": BOS,
    "eos_token_id": BOS,
    "pad_token_id": None,
    "num_hidden_layers": N_LAYERS,
    "num_attention_heads": N_HEADS,
    "num_key_value_heads": 2,
    "hidden_size": D_MODEL,
    "intermediate_size": D_MLP,
    "max_position_embeddings": N_CTX,
    "head_dim": D_HEAD,
    # Names that older configurations have for the same.
    "n_layer": N_LAYERS,
    "n_head": N_HEADS,
    "n_embd": D_MODEL,
    "n_positions": N_CTX,
    # Windows short enough to matter.
    "sliding_window": 4,
    # Experts.
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
}
"""What a configuration takes of these, by its own names."""

_MLA = {
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    # The bridge rotates by ``head_dim``, which these configurations fill in from the others.
    "head_dim": 4,
    "num_key_value_heads": 4,
}
_GROUPS = {"n_group": 1, "topk_group": 1}
_MAMBA2 = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_expand": 2,
    "mamba_chunk_size": 8,
}
_LINEAR = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}

HUGGING_FACE: dict[str, dict[str, Any]] = {
    "AfmoeForCausalLM": {"num_dense_layers": 1, "num_shared_experts": 1},
    "ApertusForCausalLM": {},
    "ArceeForCausalLM": {},
    "BambaForCausalLM": {**_MAMBA2, "attn_layer_indices": [1]},
    "BertForMaskedLM": {},
    "BertLMHeadModel": {"is_decoder": True},
    "BitNetForCausalLM": {},
    "BloomForCausalLM": {},
    "CodeGenForCausalLM": {"rotary_dim": 4},
    "Cohere2ForCausalLM": {},
    "CohereForCausalLM": {},
    "DeepseekV2ForCausalLM": {**_MLA, "first_k_dense_replace": 1},
    "DeepseekV3ForCausalLM": {**_MLA, **_GROUPS, "first_k_dense_replace": 1},
    "DeepseekV4ForCausalLM": {
        "q_lora_rank": 16,
        "o_lora_rank": 8,
        "o_groups": 2,
        "index_n_heads": 2,
        "index_head_dim": 8,
        "num_key_value_heads": 1,
        "head_dim": 16,
    },
    "Ernie4_5ForCausalLM": {},
    "Ernie4_5_MoeForCausalLM": {"moe_num_experts": 4, "moe_k": 2},
    "Exaone4ForCausalLM": {},
    "FalconForCausalLM": {"multi_query": True, "parallel_attn": True, "alibi": False},
    "FalconH1ForCausalLM": {**_MAMBA2, "mamba_d_ssm": 64},
    "FalconMambaForCausalLM": {"state_size": 4},
    "FlexOlmoForCausalLM": {},
    "GPT2LMHeadModel": {},
    "GPTBigCodeForCausalLM": {},
    "GPTJForCausalLM": {"rotary_dim": 4},
    "GPTNeoForCausalLM": {
        "num_layers": N_LAYERS,
        "num_heads": N_HEADS,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 3,
    },
    "GPTNeoXForCausalLM": {},
    "Gemma2ForCausalLM": {"query_pre_attn_scalar": D_HEAD},
    "Gemma3ForCausalLM": {"query_pre_attn_scalar": D_HEAD},
    "Gemma4ForCausalLM": {
        "global_head_dim": 16,
        "vocab_size_per_layer_input": D_VOCAB,
        "hidden_size_per_layer_input": 8,
    },
    "GemmaForCausalLM": {},
    "Glm4ForCausalLM": {},
    "Glm4MoeForCausalLM": {**_GROUPS, "first_k_dense_replace": 1},
    "Glm4MoeLiteForCausalLM": {**_MLA, **_GROUPS},
    "GlmForCausalLM": {},
    "GlmMoeDsaForCausalLM": {**_MLA, **_GROUPS},
    "GptOssForCausalLM": {},
    "GraniteForCausalLM": {"logits_scaling": 4.0, "residual_multiplier": 0.3},
    "GraniteMoeForCausalLM": {},
    "GraniteMoeHybridForCausalLM": {
        **_MAMBA2,
        "position_embedding_type": "rope",
        "layer_types": ["mamba", "attention"],
    },
    "HunYuanDenseV1ForCausalLM": {},
    "Jais2ForCausalLM": {},
    "JambaForCausalLM": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "use_mamba_kernels": False,
        "mamba_d_state": 4,
        "mamba_dt_rank": 4,
    },
    "JetMoeForCausalLM": {"kv_channels": D_HEAD},
    "LagunaForCausalLM": {},
    "Lfm2ForCausalLM": {"layer_types": ["conv", "full_attention"]},
    "Lfm2MoeForCausalLM": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "Llama4ForCausalLM": {},
    "LlamaForCausalLM": {},
    "Mamba2ForCausalLM": {
        "num_heads": 4,
        "head_dim": 16,
        "state_size": 8,
        "n_groups": 1,
        "chunk_size": 8,
    },
    "MambaForCausalLM": {"state_size": 4},
    "MiniMaxM2ForCausalLM": {},
    "Ministral3ForCausalLM": {},
    "MistralForCausalLM": {},
    "MixtralForCausalLM": {},
    "ModernBertDecoderForCausalLM": {"pad_token_id": 2, "cls_token_id": 0, "sep_token_id": 0},
    "MptForCausalLM": {
        "d_model": D_MODEL,
        "n_heads": N_HEADS,
        "n_layers": N_LAYERS,
        "max_seq_len": N_CTX,
    },
    "NanoChatForCausalLM": {},
    "NemotronForCausalLM": {},
    "NemotronHForCausalLM": {
        "layers_block_type": ["linear_attention", "full_attention", "mlp"],
        "num_hidden_layers": 3,
        "use_mamba_kernels": False,
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "ssm_state_size": 8,
        "n_groups": 1,
        "chunk_size": 8,
    },
    "OPTForCausalLM": {"ffn_dim": D_MLP, "word_embed_proj_dim": D_MODEL},
    "Olmo2ForCausalLM": {},
    "Olmo3ForCausalLM": {},
    "OlmoForCausalLM": {},
    "OlmoHybridForCausalLM": {**_LINEAR},
    "OlmoeForCausalLM": {},
    "OpenAIGPTLMHeadModel": {},
    "Phi3ForCausalLM": {},
    "PhiForCausalLM": {},
    "Qwen2ForCausalLM": {},
    "Qwen2MoeForCausalLM": {"shared_expert_intermediate_size": 24},
    "Qwen3ForCausalLM": {},
    "Qwen3MoeForCausalLM": {},
    "Qwen3NextForCausalLM": {**_LINEAR, "shared_expert_intermediate_size": 24},
    "Qwen3_5ForCausalLM": {**_LINEAR},
    "Qwen3_5MoeForCausalLM": {**_LINEAR, "shared_expert_intermediate_size": 24},
    "RecurrentGemmaForCausalLM": {
        "lru_width": D_MODEL,
        "num_hidden_layers": 3,
        "attention_window_size": 4,
    },
    "RobertaForMaskedLM": {"pad_token_id": 2},
    "RwkvForCausalLM": {"attention_hidden_size": D_MODEL, "context_length": N_CTX},
    "SeedOssForCausalLM": {},
    "SmolLM3ForCausalLM": {},
    "StableLmForCausalLM": {},
    "Starcoder2ForCausalLM": {},
    "VaultGemmaForCausalLM": {"query_pre_attn_scalar": D_HEAD},
    "XGLMForCausalLM": {
        "d_model": D_MODEL,
        "num_layers": N_LAYERS,
        "attention_heads": N_HEADS,
        "ffn_dim": D_MLP,
    },
    "YoutuForCausalLM": {**_MLA},
    "Zamba2ForCausalLM": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "mamba_d_state": 8,
        "n_mamba_heads": 4,
        "chunk_size": 8,
        "adapter_rank": 4,
    },
}
"""Hugging Face's model class, and what its configuration is told beside ``COMMON``."""


_REMOTE = "its classes are not in Transformers but come with the checkpoint"
_ALIAS = "another name of an architecture above"
_LOOKS = "reads images beside text; its language model is not tried here"
_HEARS = "reads sound; its language model, where it has one, is not tried here"
_TWO = "encoder-decoder; a session refuses those in words"
_NO_TOKENS = "reads images and no tokens"
_OWN = "a format of TransformerLens's own, in the tests as native models"

NOT_BUILT: dict[str, str] = {
    **dict.fromkeys(
        "BaiChuanForCausalLM BaichuanForCausalLM BD3LM DreamModel GiddForDiffusionLM "
        "HyenaDNAForCausalLM LLaDA2MoeModelLM JetMoEForCausalLM ExaoneForCausalLM "
        "InternLM2ForCausalLM LLaDAModelLM OpenELMForCausalLM OuroForCausalLM PhiMoEForCausalLM "
        "QwenForCausalLM RavenForCausalLM RWKV7ForCausalLM GPT2LMHeadCustomModel".split(),
        _REMOTE,
    ),
    **dict.fromkeys(
        "Gemma1ForCausalLM MPTForCausalLM NeoForCausalLM NeoXForCausalLM BloomModel".split(), _ALIAS
    ),
    **dict.fromkeys(
        "Emu3ForConditionalGeneration Florence2ForConditionalGeneration "
        "Gemma3ForConditionalGeneration Gemma3nForConditionalGeneration "
        "Gemma4ForConditionalGeneration Gemma4UnifiedForConditionalGeneration "
        "Glm4vForConditionalGeneration Idefics3ForConditionalGeneration "
        "Llama4ForConditionalGeneration LlavaForConditionalGeneration "
        "LlavaNextForConditionalGeneration LlavaOnevisionForConditionalGeneration "
        "Mistral3ForConditionalGeneration MuseGlimmerForConditionalGeneration "
        "Qwen2_5_VLForConditionalGeneration Qwen3VLForConditionalGeneration "
        "Qwen3VLMoeForConditionalGeneration Qwen3_5ForConditionalGeneration "
        "Qwen3_5MoeForConditionalGeneration".split(),
        _LOOKS,
    ),
    **dict.fromkeys(
        "ASTForAudioClassification AudioFlamingo3ForConditionalGeneration "
        "MusicFlamingoForConditionalGeneration GlmAsrForConditionalGeneration HubertForCTC "
        "HubertModel Wav2Vec2ForCTC Wav2Vec2ForPreTraining Wav2Vec2Model "
        "Qwen2AudioForConditionalGeneration".split(),
        _HEARS,
    ),
    **dict.fromkeys(
        "BartForConditionalGeneration BlenderbotForConditionalGeneration "
        "LEDForConditionalGeneration LongT5ForConditionalGeneration "
        "M2M100ForConditionalGeneration MarianMTModel MBartForConditionalGeneration "
        "PegasusForConditionalGeneration SwitchTransformersForConditionalGeneration "
        "T5ForConditionalGeneration MT5ForConditionalGeneration T5WithLMHeadModel "
        "T5GemmaForConditionalGeneration T5Gemma2ForConditionalGeneration".split(),
        _TWO,
    ),
    **dict.fromkeys(
        "ViTModel ViTForImageClassification DeiTModel DeiTForImageClassification".split(),
        _NO_TOKENS,
    ),
    **dict.fromkeys(
        "NeelSoluOldForCausalLM NanoGPTForCausalLM TransformerLensNative TransformerLensPretrain "
        "MinGPTForCausalLM".split(),
        _OWN,
    ),
    "HrmTextForCausalLM": "runs its layers in a loop; a session refuses it in words, as it has no "
    "list of blocks",
}
"""The other names that TransformerLens knows, and why each is not among them."""


def build(name: str) -> TransformerBridge:
    """A tiny model of fresh random weights of one of ``HUGGING_FACE``, in eval mode."""
    hf = plain(name)
    hf.config.architectures = [name]
    return TransformerBridge.boot_transformers(
        f"tiny {name}", hf_model=hf, tokenizer=word_tokenizer(), device="cpu"
    ).eval()


def plain(name: str) -> Any:
    """The same model as Hugging Face has it, with the same weights."""
    torch.manual_seed(0)
    model_class: Any = getattr(transformers, name)
    config_class: Any = model_class.config_class
    taken = _fields(config_class)
    options = {key: value for key, value in COMMON.items() if key in taken}
    config = config_class(**options | HUGGING_FACE[name])
    config._attn_implementation = "eager"
    hf = model_class(config).eval()
    randomise(hf)
    return hf


def _fields(config_class: Any) -> set[str]:
    names = set(inspect.signature(config_class.__init__).parameters)
    for base in config_class.__mro__:
        names |= set(vars(base).get("__annotations__", ()))
    return names
