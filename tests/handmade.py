"""A two-layer attention-only model whose induction circuit is exact by construction.

The residual stream holds four blocks of coordinates: the token, the position, the token before, and
what is predicted next. ``PREVIOUS`` attends from each position to the one before and writes that
token into the third block. ``INDUCTION`` looks for the position whose token before is the present
token (through its keys: K-composition), and where there is none rests on ``<bos>``; it copies the
token it finds into the fourth block, which alone is unembedded. Scores are so far apart that the
softmax is exact in float32. All other heads are zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import boot_native

from tests.models import BOS, D_VOCAB, word_tokenizer

N_LAYERS, N_HEADS, N_CTX = 2, 3, 24
PREVIOUS, INDUCTION = (0, 1), (1, 2)
D_HEAD = D_VOCAB
TOKEN, POSITION, BEFORE, NEXT = 0, D_VOCAB, D_VOCAB + N_CTX, 2 * D_VOCAB + N_CTX
D_MODEL = 3 * D_VOCAB + N_CTX
MATCH, REST = 80.0, 40.0
"""Scores of a match and of resting on ``<bos>``; everything else scores 0."""
CONFIDENCE = 5.0
"""The logit of the token that the induction head has found; all others are 0."""

CIRCUIT = (
    ("embed", "L0H1.q"),
    ("embed", "L0H1.k"),
    ("embed", "L0H1.v"),
    ("embed", "L1H2.q"),
    ("embed", "L1H2.k"),
    ("embed", "L1H2.v"),
    ("L0H1", "L1H2.k"),
    ("L1H2", "logits"),
)
"""Every edge that carries something that its reader uses. What is embedded in ``L1H2``'s keys is
``<bos>``, on which it rests."""

UNIFORM_LOSS = math.log(D_VOCAB)
FOUND_LOSS = math.log(1 + (D_VOCAB - 1) * math.exp(-CONFIDENCE))


def handmade() -> TransformerBridge:
    """A fresh one, in eval mode."""
    model = boot_native(
        {
            "n_layers": N_LAYERS,
            "n_heads": N_HEADS,
            "d_model": D_MODEL,
            "d_head": D_HEAD,
            "n_ctx": N_CTX,
            "d_vocab": D_VOCAB,
            "attn_only": True,
            "act_fn": "gelu",
            "normalization_type": None,
        },
        tokenizer=word_tokenizer(),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        tokens, positions = torch.arange(D_VOCAB), torch.arange(N_CTX)
        model.W_E[tokens, TOKEN + tokens] = 1.0
        model.W_pos[positions, POSITION + positions] = 1.0
        _parameter(model, "unembed")[tokens, NEXT + tokens] = CONFIDENCE
        _previous_token_head(model)
        _induction_head(model)
    return model.eval()


def repeated(n: int, seed: int = 0) -> Tensor:
    """``<bos>`` and n different words, twice: [1, 1 + 2n]."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.randperm(D_VOCAB - 4, generator=generator)[:n] + 4
    return torch.cat([torch.tensor([BOS]), words, words])[None]


def _previous_token_head(model: TransformerBridge) -> None:
    layer, head = PREVIOUS
    root = math.sqrt(MATCH * math.sqrt(D_HEAD))
    for position in range(1, N_CTX):
        _weight(model, layer, "q", head)[position, POSITION + position] = root
        _weight(model, layer, "k", head)[position, POSITION + position - 1] = root
    words = torch.arange(D_VOCAB)
    _weight(model, layer, "v", head)[words, TOKEN + words] = 1.0
    _output(model, layer, head)[BEFORE + words, words] = 1.0


def _induction_head(model: TransformerBridge) -> None:
    layer, head = INDUCTION
    root = math.sqrt(MATCH * math.sqrt(D_HEAD))
    words = torch.arange(D_VOCAB)
    query, key = _weight(model, layer, "q", head), _weight(model, layer, "k", head)
    query[words, TOKEN + words] = root
    key[words, BEFORE + words] = root
    # Every token's query also finds <bos> itself, half as strongly.
    key[words, TOKEN + BOS] = root * REST / MATCH
    value = _weight(model, layer, "v", head)
    value[words, TOKEN + words] = 1.0
    value[BOS, TOKEN + BOS] = 0.0
    _output(model, layer, head)[NEXT + words, words] = 1.0


def _parameter(module: TransformerBridge, name: str) -> Tensor:
    weight: Tensor = getattr(module, name).original_component.weight
    return weight


def _weight(model: TransformerBridge, layer: int, name: str, head: int) -> Tensor:
    """One head's rows of a query, key or value map: [d_head, d_model]."""
    return _parameter(model.blocks[layer].attn, name)[head * D_HEAD : (head + 1) * D_HEAD]


def _output(model: TransformerBridge, layer: int, head: int) -> Tensor:
    """One head's columns of the output map: [d_model, d_head]."""
    return _parameter(model.blocks[layer].attn, "o")[:, head * D_HEAD : (head + 1) * D_HEAD]
