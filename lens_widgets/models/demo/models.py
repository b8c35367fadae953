"""The shape of each demo model and how it is built around a set of weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerFast

Weights = dict[str, "torch.Tensor"]
Build = Callable[
    [Weights, "PreTrainedTokenizerFast", "str | torch.device | None"], "TransformerBridge"
]

INDUCTION_CONFIG: dict[str, Any] = {
    "n_layers": 2,
    "n_heads": 8,
    "d_model": 128,
    "d_head": 32,
    "n_ctx": 512,
    "attn_only": True,
    "act_fn": "gelu",
    "normalization_type": "LN",
    "init_mode": "gpt2",
    "initializer_range": 0.07,
    "seed": 0,
}
"""For ``TransformerBridge.boot_native``; ``d_vocab`` is the tokenizer's."""

IOI_CONFIG: dict[str, Any] = {
    "n_layer": 4,
    "n_head": 8,
    "n_embd": 128,
    "n_positions": 256,
    # The same function as GPT-2's "gelu_new", at a fifth of its cost in Hugging Face.
    "activation_function": "gelu_pytorch_tanh",
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
}
"""For ``transformers.GPT2Config``; ``vocab_size`` and the special ids are the tokenizer's."""


@dataclass(frozen=True)
class DemoSpec:
    """One model whose weights ship with lens_widgets.

    Attributes:
        name: as given to ``load_demo``; also the folder of its files.
        build: makes the bridge from weights, tokenizer and device.
    """

    name: str
    build: Build


def build_induction(
    weights: Weights, tokenizer: PreTrainedTokenizerFast, device: str | torch.device | None = None
) -> TransformerBridge:
    """Two attention-only layers, native to TransformerLens.

    Args:
        weights: state dict under TransformerLens's names (``blocks.0.attn.q.weight``).
        tokenizer: from :func:`lens_widgets.models.demo.tokenizer.load_tokenizer`.
        device: where the model is put; None for the CPU.
    """
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    # boot_native is attached at run time, which type checkers cannot see.
    bridge_class: Any = TransformerBridge
    model: TransformerBridge = bridge_class.boot_native(
        {**INDUCTION_CONFIG, "d_vocab": len(tokenizer)},
        tokenizer=tokenizer,
        device=device or torch.device("cpu"),
        model_name="induction demo",
    )
    model.load_state_dict(weights, strict=True)
    return model.eval()


def ioi_hf_model(vocab_size: int, bos: int | None, eos: int | None, pad: int | None) -> Any:
    """A ``GPT2LMHeadModel`` of :data:`IOI_CONFIG` with fresh weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        **IOI_CONFIG, vocab_size=vocab_size, bos_token_id=bos, eos_token_id=eos, pad_token_id=pad
    )
    config.architectures = [GPT2LMHeadModel.__name__]
    return GPT2LMHeadModel(config)


def build_ioi(
    weights: Weights, tokenizer: PreTrainedTokenizerFast, device: str | torch.device | None = None
) -> TransformerBridge:
    """Four layers of GPT-2, through TransformerLens's Hugging Face route.

    Args:
        weights: ``GPT2LMHeadModel`` state dict without the tied ``lm_head.weight``.
        tokenizer: from :func:`lens_widgets.models.demo.tokenizer.load_tokenizer`.
        device: where the model is put; None for the CPU.
    """
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    device = device or torch.device("cpu")
    hf = ioi_hf_model(
        len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    )
    tied = {"lm_head.weight": weights["transformer.wte.weight"]}
    hf.load_state_dict({**weights, **tied}, strict=True)
    hf.to(device)
    model = TransformerBridge.boot_transformers(
        "ioi demo", hf_model=hf, tokenizer=tokenizer, device=device
    )
    return model.eval()


def build_smollm2(device: str | torch.device | None = None) -> TransformerBridge:
    """SmolLM2-135M-Instruct out of its package, or as it was converted before.

    Args:
        device: where the model is put; None for the CPU.
    """
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    from lens_widgets.models.demo.converted import read_smollm2

    device = device or torch.device("cpu")
    hf, tokenizer = read_smollm2()
    # TransformerLens reads the class from the configuration, which one of GGUF does not have.
    hf.config.architectures = [type(hf).__name__]
    model = TransformerBridge.boot_transformers(
        "SmolLM2-135M-Instruct",
        hf_model=torch.nn.Module.to(hf, device),
        tokenizer=tokenizer,
        device=device,
    )
    return model.eval()


SPECS: dict[str, DemoSpec] = {
    "ioi": DemoSpec("ioi", build_ioi),
    "induction": DemoSpec("induction", build_induction),
}
