"""Trains the ioi model, a small GPT-2, on the stories of :mod:`lens_widgets.models.demo.corpus`.

Left alone, the first two layers do everything and all their heads share the work, which leaves
little to look at. Two measures spread it: at first the lower half of the layers sees a few tokens
back only, so that comparing and moving names falls to the upper half; and a sparsity term makes few
heads of each layer write much.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from lens_widgets.models.demo.corpus import StoryTeller
from lens_widgets.models.demo.models import IOI_CONFIG, ioi_hf_model
from lens_widgets.models.demo.tokenizer import BOS, EOS, PAD
from lens_widgets.models.demo.train_induction import sinusoids
from lens_widgets.prompts.words import NAMES

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from tokenizers import Tokenizer

SEED = 0
STEPS = 1600
LEARNING_RATE = 1e-3
FIRST_STORIES = 24_000
SHORT_STORIES = 32_000
LONG_STORIES = 5_000
FIRST_BATCH, SHORT_BATCH, LONG_BATCH, RANDOM_BATCH = 96, 40, 8, 32
RANDOM_POS = 40
FIRST_UNTIL = 0.2
"""Fraction of the training on single sentences from position 0, where finding names begins."""
RECEIVER_WEIGHT = 5.0
"""How much more a name after "to" counts in the loss than any other token."""

POSITION_SCALE = 0.05
LOCAL_LAYERS, FIRST_WINDOW = 2, 3
"""During that time a position of the first layers sees so many tokens, itself included."""
SPARSITY_WEIGHT = 0.1
ENOUGH_SPARSITY = 1.8
"""Where the sparsity term ends: sqrt(3) would be three heads of a layer that write, equally."""

N_CTX, D_MODEL = IOI_CONFIG["n_positions"], IOI_CONFIG["n_embd"]
N_HEADS = IOI_CONFIG["n_head"]


def story_tokens(
    tokenizer: Tokenizer, n: int, sentences: tuple[int, int], seed: int
) -> Int[torch.Tensor, "story pos"]:
    """``n`` stories of between ``sentences`` sentences, padded or cut to at most N_CTX tokens."""
    teller = StoryTeller(seed)
    low, high = sentences
    texts = [teller.story(low + i % (high - low + 1)) for i in range(n)]
    pad = tokenizer.token_to_id(PAD)
    rows = [encoding.ids[:N_CTX] for encoding in tokenizer.encode_batch(texts)]
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows])


def random_repeats(d_vocab: int, generator: torch.Generator) -> Int[torch.Tensor, "batch pos"]:
    """Random tokens whose second half is their first: gives every token a use in the model."""
    half = torch.randint(3, d_vocab, (RANDOM_BATCH, RANDOM_POS // 2), generator=generator)
    return torch.cat([torch.zeros(RANDOM_BATCH, 1, dtype=torch.long), half, half], dim=1)


def _loss_weights(
    tokens: Int[torch.Tensor, "batch pos"], tokenizer: Tokenizer
) -> Float[torch.Tensor, "batch pos"]:
    """Weight of the loss of predicting each token from the second on; 0 for padding."""
    names = torch.tensor([tokenizer.token_to_id(f"Ġ{name}") for name in NAMES])
    received = (tokens[:, :-1] == tokenizer.token_to_id("Ġto")) & torch.isin(tokens[:, 1:], names)
    weights = torch.where(received, RECEIVER_WEIGHT, 1.0)
    return weights * (tokens[:, 1:] != tokenizer.token_to_id(PAD))


def _forward(
    model: Any,
    tokens: Int[torch.Tensor, "batch pos"],
    positions: Int[torch.Tensor, "batch pos"],
    window: int,
) -> Float[torch.Tensor, "batch pos d_vocab"]:
    """Logits of the GPT-2, with LOCAL_LAYERS layers seeing the last ``window`` tokens only."""
    gpt = model.transformer
    resid = gpt.wte(tokens) + gpt.wpe(positions)
    n_pos = tokens.shape[1]
    local = torch.ones(n_pos, n_pos, dtype=torch.bool).tril().triu(1 - window)
    # The first token stays in sight: a head that finds nothing rests there.
    local[:, 0] = True
    for layer, block in enumerate(gpt.h):
        q, k, v = (
            part.unflatten(-1, (N_HEADS, -1)).transpose(1, 2)
            for part in block.attn.c_attn(block.ln_1(resid)).split(D_MODEL, dim=-1)
        )
        if layer < LOCAL_LAYERS and window < n_pos:
            z = F.scaled_dot_product_attention(q, k, v, attn_mask=local)
        else:
            z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        resid = resid + block.attn.c_proj(z.transpose(1, 2).flatten(2))
        resid = resid + block.mlp(block.ln_2(resid))
    return model.lm_head(gpt.ln_f(resid))


def _spread_of_heads(model: Any) -> Float[torch.Tensor, " layer"]:
    """Between 1 (one head of the layer writes) and sqrt(n_heads) (all alike).

    The ratio of the 1-norm to the 2-norm (Hoyer, 2004) of each head's ``|W_V| |W_O|``.
    """
    spread = []
    for block in model.transformer.h:
        values = block.attn.c_attn.weight[:, 2 * D_MODEL :].unflatten(1, (N_HEADS, -1))
        outputs = block.attn.c_proj.weight.unflatten(0, (N_HEADS, -1))
        sizes = values.pow(2).sum((0, 2)).sqrt() * outputs.pow(2).sum((1, 2)).sqrt()
        spread.append(sizes.sum() / sizes.pow(2).sum().sqrt())
    return torch.stack(spread)


def train_ioi(tokenizer: Tokenizer) -> dict[str, torch.Tensor]:
    """``GPT2LMHeadModel`` weights for :func:`lens_widgets.models.demo.models.build_ioi`."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    d_vocab = tokenizer.get_vocab_size()
    model = ioi_hf_model(d_vocab, *(tokenizer.token_to_id(token) for token in (BOS, EOS, PAD)))
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(POSITION_SCALE * sinusoids(N_CTX, D_MODEL))
    first = story_tokens(tokenizer, FIRST_STORIES, (1, 1), seed=0)
    short = story_tokens(tokenizer, SHORT_STORIES, (1, 3), seed=1)
    long = story_tokens(tokenizer, LONG_STORIES, (8, 16), seed=2)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.05
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=STEPS, pct_start=0.1, cycle_momentum=False
    )
    begun = time.monotonic()
    for step in range(STEPS):
        is_first = step < FIRST_UNTIL * STEPS
        if is_first:
            tokens = first[torch.randint(len(first), (FIRST_BATCH,), generator=generator)]
        elif step % 8 == 3:
            tokens = random_repeats(d_vocab, generator)
        else:
            pool, size = (long, LONG_BATCH) if step % 2 else (short, SHORT_BATCH)
            tokens = pool[torch.randint(len(pool), (size,), generator=generator)]
        weights = _loss_weights(tokens, tokenizer)
        positions = torch.arange(tokens.shape[1]).repeat(len(tokens), 1)
        if step % 2 == 0 and not is_first:
            # A story may begin anywhere in the context, else late positions are hardly trained.
            room = N_CTX - tokens.shape[1] + 1
            positions[:, 1:] += torch.randint(0, room, (len(tokens), 1), generator=generator)
        logits = _forward(model, tokens, positions, FIRST_WINDOW if is_first else N_CTX)[:, :-1]
        token_loss = F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
        loss = (token_loss * weights).sum() / weights.sum()
        spread = _spread_of_heads(model)
        optimizer.zero_grad()
        (loss + SPARSITY_WEIGHT * (spread - ENOUGH_SPARSITY).relu().sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 98:
            names = weights == RECEIVER_WEIGHT
            seconds = time.monotonic() - begun
            print(
                f"step {step + 1}/{STEPS}  loss {loss.item():.3f} nats, "
                f"receiver {token_loss[names].mean().item():.3f}, "
                f"heads {spread.mean().item():.2f}  {seconds:.0f} s",
                flush=True,
            )
    return {k: v for k, v in model.state_dict().items() if k != "lm_head.weight"}
