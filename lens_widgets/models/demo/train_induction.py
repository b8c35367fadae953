"""Trains the induction model on random tokens that repeat.

The head that carries the previous token forms quickly when an auxiliary loss asks for it; without
one a model of this size stays for thousands of steps at "some token that occurred before". Once
induction works, all layer-1 heads do the same thing. So the others are faded out and started anew
while two keep the job: then a head can be pointed at, and ablating it shows.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from lens_widgets.models.demo.models import INDUCTION_CONFIG

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

SEED = 0
STEPS = 1800
LEARNING_RATE = 2e-3
PREVIOUS_HEAD = 4
INDUCTION_HEADS = (2, 5)

# Fractions of the training.
SHORT_UNTIL = 0.25
AUXILIARY_UNTIL = 0.35
FADE_FROM, FADE_UNTIL = 0.42, 0.54
DECAY_FROM = 0.65

# Weight in the loss of tokens that nothing announces, beside 1 for those that are repeats.
UNPREDICTABLE_WEIGHT = 0.2

N_HEADS, D_HEAD = INDUCTION_CONFIG["n_heads"], INDUCTION_CONFIG["d_head"]
D_MODEL, N_CTX = INDUCTION_CONFIG["d_model"], INDUCTION_CONFIG["n_ctx"]


def repeated_batch(
    d_vocab: int, shape: tuple[int, int], generator: torch.Generator
) -> tuple[
    Int[torch.Tensor, "batch pos"], Int[torch.Tensor, "batch pos"], Bool[torch.Tensor, "batch pos"]
]:
    """Random tokens in which a random stretch is repeated to the end.

    Returns:
        tokens, their positions, and which of them could be predicted from the earlier ones.

    Token 0 is ``<bos>``. In most rows the rest is moved to a random place of the context, so that
    every position embedding is trained at the price of short sequences.
    """
    batch, n_pos = shape
    predictable = torch.zeros(batch, n_pos, dtype=torch.bool)

    def integer(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    tokens = torch.randint(0, d_vocab, (batch, n_pos), generator=generator)
    tokens[:, 0] = 0
    for row, known in zip(tokens, predictable, strict=True):
        length = integer(4, (n_pos - 1) // 2)
        start = integer(1, n_pos - 2 * length)
        rest = n_pos - start
        row[start:] = row[start : start + length].repeat(rest // length + 1)[:rest]
        known[start + length + 1 :] = True
    positions = torch.arange(n_pos).repeat(batch, 1)
    offset = torch.randint(0, N_CTX - n_pos + 1, (batch, 1), generator=generator)
    moved = torch.rand(batch, 1, generator=generator) < 0.7
    positions[:, 1:] += offset * moved
    return tokens, positions, predictable


def sinusoids(n_ctx: int, d_model: int) -> Float[torch.Tensor, "pos d_model"]:
    """Sines and cosines of Vaswani et al. (2017), where the learned positions start from."""
    angle = torch.arange(n_ctx)[:, None] * torch.exp(
        -math.log(10_000.0) * torch.arange(0, d_model, 2) / d_model
    )
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


def _forward(
    model: Any,
    tokens: Int[torch.Tensor, "batch pos"],
    positions: Int[torch.Tensor, "batch pos"],
    gate: Float[torch.Tensor, " z"],
) -> tuple[Float[torch.Tensor, "batch pos d_vocab"], Float[torch.Tensor, "batch pos d_model"]]:
    """Logits, and what the previous-token head writes; layer-1 heads are scaled by ``gate``."""
    resid = model.tok_embed(tokens) + model.pos(positions)
    head = slice(PREVIOUS_HEAD * D_HEAD, (PREVIOUS_HEAD + 1) * D_HEAD)
    written: list[torch.Tensor] = []
    for layer, block in enumerate(model.layers):
        attn, normed = block.attn, block.ln1(resid)
        q, k, v = (
            linear(normed).unflatten(-1, (N_HEADS, D_HEAD)).transpose(1, 2)
            for linear in (attn.q, attn.k, attn.v)
        )
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        written.append(z[..., head] @ attn.o.weight[:, head].T)
        resid = resid + attn.o(z * gate if layer == 1 else z)
    return model.head(model.ln_out(resid)), written[0]


def _start_anew(attn: Any, keep: torch.Tensor, generator: torch.Generator) -> None:
    """Fresh small weights for the heads not in ``keep`` [z]."""
    with torch.no_grad():
        for linear in (attn.q, attn.k, attn.v):
            fresh = torch.randn(linear.weight.shape, generator=generator) * 0.03
            linear.weight.copy_(torch.where(keep[:, None] > 0, linear.weight, fresh))
            linear.bias.mul_(keep)
        fresh = torch.randn(attn.o.weight.shape, generator=generator) * 0.003
        attn.o.weight.copy_(torch.where(keep[None] > 0, attn.o.weight, fresh))


def train_induction(d_vocab: int) -> dict[str, torch.Tensor]:
    """Trains, and gives the weights for :func:`lens_widgets.models.demo.models.build_induction`."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge.sources.native import NativeModel, initialize_native_model

    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    config = TransformerBridgeConfig.from_dict({**INDUCTION_CONFIG, "d_vocab": d_vocab})
    model = NativeModel(config)
    initialize_native_model(model, config)
    auxiliary = torch.nn.Linear(D_MODEL, d_vocab)
    assert model.pos is not None
    with torch.no_grad():
        model.pos.weight.copy_(0.3 * sinusoids(N_CTX, D_MODEL))
        model.tok_embed.weight.normal_(0, 0.25, generator=generator)
    # LayerNorm weights stay 1 and biases 0, so the raw weight circuits need no folding.
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("ln" not in name)
    trained = [p for p in (*model.parameters(), *auxiliary.parameters()) if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)

    keep = torch.zeros(N_HEADS, D_HEAD)
    keep[list(INDUCTION_HEADS)] = 1
    keep = keep.flatten()
    started_anew = False
    begun = time.monotonic()
    for step in range(STEPS):
        done = step / STEPS
        fade = min(1.0, max(0.0, (FADE_UNTIL - done) / (FADE_UNTIL - FADE_FROM)))
        if fade == 0 and not started_anew:
            _start_anew(model.layers[1].attn, keep, generator)
            started_anew = True
        gate = torch.ones_like(keep) if started_anew else keep + (1 - keep) * fade
        warm, decay = min(1.0, step / 100), min(1.0, (1 - done) / (1 - DECAY_FROM))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * warm * decay

        long = (4, N_CTX) if step % 4 == 3 else (16, 128)
        shape = (64, 32) if done < SHORT_UNTIL else long
        tokens, positions, predictable = repeated_batch(d_vocab, shape, generator)
        logits, previous = _forward(model, tokens, positions, gate)
        token_loss = F.cross_entropy(
            logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none"
        )
        weights = torch.where(predictable[:, 1:], 1.0, UNPREDICTABLE_WEIGHT)
        loss = (token_loss * weights).sum() / weights.sum()
        auxiliary_weight = max(0.0, 1 - done / AUXILIARY_UNTIL)
        total = loss
        if auxiliary_weight:
            guess = auxiliary(F.layer_norm(previous, (D_MODEL,)))[:, 1:]
            total = loss + auxiliary_weight * F.cross_entropy(
                guess.flatten(0, 1), tokens[:, :-1].flatten()
            )
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if step % 100 == 99:
            seconds = time.monotonic() - begun
            repeats = token_loss[predictable[:, 1:]].mean().item()
            print(
                f"step {step + 1}/{STEPS}  {repeats:.3f} nats on repeats  {seconds:.0f} s",
                flush=True,
            )

    state = {_bridge_name(name): value for name, value in model.state_dict().items()}
    state["unembed.bias"] = torch.zeros(d_vocab)
    return state


def _bridge_name(native: str) -> str:
    for old, new in (
        ("tok_embed.", "embed."),
        ("pos.", "pos_embed."),
        ("layers.", "blocks."),
        ("ln_out.", "ln_final."),
        ("head.", "unembed."),
    ):
        if native.startswith(old):
            return new + native.removeprefix(old)
    return native
