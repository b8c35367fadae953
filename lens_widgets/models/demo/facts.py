"""What the demo models can do, measured: the facts on their cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lens_widgets.models.demo.corpus import StoryTeller
from lens_widgets.prompts.indirect_objects import (
    IOI_ANSWERS,
    IOI_PROMPTS,
    Answer,
    ioi,
    ioi_prompts,
)
from lens_widgets.prompts.repeated import random_sequences

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

Hook = tuple[str | Callable[..., Any], Callable[..., Any]]
"""What ``run_with_hooks`` takes: a hook point's name and a function."""

SEQ_LEN = 50
REPEATED_BATCH = 32
REPEATED_SEED = 0
HELD_OUT_PROMPTS = 1000
HELD_OUT_SEED = 0
STORY_PROMPTS = 200
STORY_SENTENCES = 4
STORY_SEED = 99
LONG_SEQ_LEN = 250
REAL_PROMPTS = 100


@dataclass(frozen=True)
class Fact:
    """One line of a card.

    Attributes:
        definition: how the number is obtained, with units.
        at_least: the smallest value the demo is shipped with, if there is one.
        at_most: the largest, likewise.
    """

    definition: str
    at_least: float | None = None
    at_most: float | None = None


_REPEATED = f"BOS + {SEQ_LEN} random tokens twice, {REPEATED_BATCH} rows, seed {REPEATED_SEED}"

FACTS: dict[str, dict[str, Fact]] = {
    "induction": {
        "first_half_loss_nats": Fact(
            f"mean loss of predicting positions 1 to {SEQ_LEN} ({_REPEATED})", at_least=5.0
        ),
        "second_half_loss_nats": Fact(
            f"mean loss of predicting positions {SEQ_LEN + 1} to {2 * SEQ_LEN} (same tokens); the "
            "first of them cannot be predicted",
            at_most=0.5,
        ),
        "previous_token_head": Fact("the layer-0 head with the highest previous-token score"),
        "previous_token_score": Fact(
            "its mean attention to the token before, mean of pattern.diagonal(-1) (same tokens)",
            at_least=0.4,
        ),
        "induction_head": Fact("the layer-1 head with the highest induction score"),
        "induction_score": Fact(
            "its mean attention to the token after the previous occurrence, mean of "
            "pattern.diagonal(-seq_len + 1) (same tokens)",
            at_least=0.4,
        ),
        "ablation_loss_increase_nats": Fact(
            "second-half loss with that induction head's z set to 0, minus without", at_least=0.5
        ),
        "long_second_half_loss_nats": Fact(
            f"second_half_loss_nats with {LONG_SEQ_LEN} random tokens twice, 4 rows"
        ),
    },
    "ioi": {
        "prompts_right": Fact(
            "of the eight IOI_PROMPTS, how many have the correct name above the wrong one",
            at_least=8,
        ),
        "prompts_top_1": Fact("how many of the eight have the correct name as likeliest token"),
        "mean_logit_diff": Fact(
            "mean over the eight of logit(correct) - logit(wrong) at the last token", at_least=3.0
        ),
        "min_logit_diff": Fact("the smallest of the eight logit differences", at_least=0.0),
        "held_out_right_share": Fact(
            f"share of ioi_prompts({HELD_OUT_PROMPTS}, seed={HELD_OUT_SEED}, held_out=True) with "
            "logit(correct) above logit(wrong); none of their name pairs shares a training text",
            at_least=0.95,
        ),
        "held_out_top_1_share": Fact("share of the same with the correct name as likeliest token"),
        "held_out_mean_logit_diff": Fact("mean of logit(correct) - logit(wrong) over the same"),
        "after_story_right_share": Fact(
            f"held_out_right_share of {STORY_PROMPTS} prompts, each behind a story of "
            f"{STORY_SENTENCES} sentences (StoryTeller({STORY_SEED}))",
            at_least=0.95,
        ),
        "strongest_ablation": Fact(
            "the head whose zero ablation lowers mean_logit_diff most, alone"
        ),
        "strongest_ablation_change": Fact("what it changes mean_logit_diff by"),
    },
    "smollm2": {
        "prompts_right": Fact(
            "of the eight IOI_PROMPTS, how many have the correct name above the wrong one",
            at_least=8,
        ),
        "prompts_top_1": Fact("how many of the eight have the correct name as likeliest token"),
        "mean_logit_diff": Fact(
            "mean over the eight of logit(correct) - logit(wrong) at the last token", at_least=3.0
        ),
        "min_logit_diff": Fact("the smallest of the eight logit differences", at_least=0.0),
        "mary_probability": Fact(
            'the probability of " Mary" after the first of them, "When John and Mary went to the '
            'shops, John gave the bag to"'
        ),
        "more_right_share": Fact(
            f"share of lw.prompts.ioi({REAL_PROMPTS}, seed=0, model=model) with logit(correct) "
            "above logit(wrong)",
            at_least=0.9,
        ),
        "name_mover": Fact(
            "the head with the largest direct effect on mean_logit_diff: its z through W_O, the "
            "final norm's scale and weight, and the unembedding's difference"
        ),
        "name_mover_effect": Fact("that effect, in logits"),
        "name_mover_ablation_change": Fact(
            "what zero ablation of that head changes mean_logit_diff by"
        ),
    },
}

Value = float | str


def measure(name: str, model: TransformerBridge) -> dict[str, Value]:
    """Recomputes the facts of a card with ``model``.

    Args:
        name: "ioi", "induction" or "smollm2".
        model: as loaded by ``load_demo(name)``.

    Returns:
        A value for each entry of ``FACTS[name]``; heads by name ("L1H5"), all else numbers.
    """
    import torch

    measures: dict[str, Callable[[TransformerBridge], dict[str, Value]]] = {
        "ioi": _measure_ioi,
        "induction": _measure_induction,
        "smollm2": _measure_smollm2,
    }
    with torch.no_grad():
        return measures[name](model)


def unmet(name: str, values: dict[str, Value]) -> list[str]:
    """The facts of ``values`` outside the bounds in :data:`FACTS`, in words; empty if none."""
    found = []
    for key, fact in FACTS[name].items():
        value = values[key]
        if isinstance(value, str):
            continue
        if fact.at_least is not None and value < fact.at_least:
            found.append(f"{key} is {value:.3f}, should be at least {fact.at_least}")
        if fact.at_most is not None and value > fact.at_most:
            found.append(f"{key} is {value:.3f}, should be at most {fact.at_most}")
    return found


def second_half_loss(
    model: TransformerBridge,
    tokens: Int[Tensor, "batch pos"],
    fwd_hooks: list[Hook] | None = None,
) -> tuple[float, float]:
    """Mean loss in nats over the first and over the second half of repeated tokens."""
    logits = model.run_with_hooks(tokens, return_type="logits", fwd_hooks=fwd_hooks or [])
    loss = model.loss_fn(logits, tokens, per_token=True)
    seq_len = (tokens.shape[1] - 1) // 2
    return loss[:, :seq_len].mean().item(), loss[:, seq_len:].mean().item()


def logit_diffs(
    model: TransformerBridge,
    prompts: list[str],
    answers: list[Answer],
    fwd_hooks: list[Hook] | None = None,
) -> tuple[Float[Tensor, " prompt"], Float[Tensor, " prompt"]]:
    """Logit of the correct minus the wrong name at each prompt's last token, and whether the
    correct one is the likeliest token (1 or 0)."""
    import torch

    tokens = [model.to_tokens(prompt)[0] for prompt in prompts]
    lengths = torch.tensor([len(row) for row in tokens], device="cpu")
    # Padding on the right changes nothing at or before the last token: attention is causal.
    padded = torch.nn.utils.rnn.pad_sequence(
        tokens, batch_first=True, padding_value=model.tokenizer.pad_token_id
    )
    ids = torch.tensor(
        [[model.to_single_token(name) for name in pair] for pair in answers], device="cpu"
    )
    ids = ids.to(padded.device)
    diffs, tops = [], []
    for start in range(0, len(prompts), 100):
        rows = slice(start, start + 100)
        mask = torch.arange(padded.shape[1], device="cpu") < lengths[rows, None]
        logits = model.run_with_hooks(
            padded[rows],
            attention_mask=mask.long().to(padded.device),
            return_type="logits",
            fwd_hooks=fwd_hooks or [],
        )
        last = logits[torch.arange(len(logits), device="cpu"), lengths[rows] - 1]
        pair = last.gather(1, ids[rows])
        diffs.append(pair[:, 0] - pair[:, 1])
        tops.append((last.argmax(-1) == ids[rows, 0]).float())
    return torch.cat(diffs), torch.cat(tops)


def zero_head(layer: int, head: int) -> Hook:
    """The TransformerLens hook that sets one head's ``z`` to 0."""

    def ablate(z: Tensor, hook: Any) -> Tensor:
        z = z.clone()
        z[:, :, head] = 0
        return z

    return f"blocks.{layer}.attn.hook_z", ablate


def _repeated(model: TransformerBridge, seq_len: int, batch: int) -> Int[Tensor, "batch pos"]:
    """``<bos>`` and ``seq_len`` random tokens, twice."""
    import torch

    first, (half,) = random_sequences(model, seq_len, batch, REPEATED_SEED, 1)
    return torch.cat([first, half, half], dim=1)


def _measure_induction(model: TransformerBridge) -> dict[str, Value]:
    tokens = _repeated(model, SEQ_LEN, REPEATED_BATCH)
    first, second = second_half_loss(model, tokens)
    names = [f"blocks.{layer}.attn.hook_pattern" for layer in (0, 1)]
    _, patterns = model.run_with_cache(tokens, names_filter=names)
    previous = patterns[names[0]].diagonal(-1, -2, -1).mean((0, 2))
    induction = patterns[names[1]].diagonal(-SEQ_LEN + 1, -2, -1).mean((0, 2))
    head = int(induction.argmax())
    _, ablated = second_half_loss(model, tokens, [zero_head(1, head)])
    _, long = second_half_loss(model, _repeated(model, LONG_SEQ_LEN, 4))
    return {
        "first_half_loss_nats": first,
        "second_half_loss_nats": second,
        "previous_token_head": f"L0H{int(previous.argmax())}",
        "previous_token_score": previous.max().item(),
        "induction_head": f"L1H{head}",
        "induction_score": induction.max().item(),
        "ablation_loss_increase_nats": ablated - second,
        "long_second_half_loss_nats": long,
    }


def _measure_ioi(model: TransformerBridge) -> dict[str, Value]:
    prompts, answers = list(IOI_PROMPTS), list(IOI_ANSWERS)
    diffs, top = logit_diffs(model, prompts, answers)
    held_out, held_out_top = logit_diffs(model, *ioi_prompts(HELD_OUT_PROMPTS, HELD_OUT_SEED))
    mean = diffs.mean().item()
    told, told_answers = ioi_prompts(STORY_PROMPTS, HELD_OUT_SEED)
    teller = StoryTeller(STORY_SEED)
    told = [f"{teller.story(STORY_SENTENCES)} {prompt}" for prompt in told]
    late, _ = logit_diffs(model, told, told_answers)
    changes = {
        f"L{layer}H{head}": logit_diffs(model, prompts, answers, [zero_head(layer, head)])[0]
        .mean()
        .item()
        - mean
        for layer in range(model.cfg.n_layers)
        for head in range(model.cfg.n_heads)
    }
    strongest = min(changes, key=lambda head: changes[head])
    return {
        "prompts_right": int((diffs > 0).sum()),
        "prompts_top_1": int(top.sum()),
        "mean_logit_diff": mean,
        "min_logit_diff": diffs.min().item(),
        "held_out_right_share": (held_out > 0).float().mean().item(),
        "held_out_top_1_share": held_out_top.mean().item(),
        "held_out_mean_logit_diff": held_out.mean().item(),
        "after_story_right_share": (late > 0).float().mean().item(),
        "strongest_ablation": strongest,
        "strongest_ablation_change": changes[strongest],
    }


def _measure_smollm2(model: TransformerBridge) -> dict[str, Value]:
    prompts, answers = list(IOI_PROMPTS), list(IOI_ANSWERS)
    diffs, top = logit_diffs(model, prompts, answers)
    mean = diffs.mean().item()
    first = model(model.to_tokens(prompts[0]))[0, -1].softmax(-1)
    more = ioi(REAL_PROMPTS, seed=0, model=model)
    pairs = [(str(correct), str(wrong)) for correct, wrong in more.answers or ()]
    more_diffs, _ = logit_diffs(model, list(more.prompts), pairs)
    effects = _direct_effects(model, prompts, answers)
    layer, head = divmod(int(effects.argmax()), model.cfg.n_heads)
    ablated, _ = logit_diffs(model, prompts, answers, [zero_head(layer, head)])
    return {
        "prompts_right": int((diffs > 0).sum()),
        "prompts_top_1": int(top.sum()),
        "mean_logit_diff": mean,
        "min_logit_diff": diffs.min().item(),
        "mary_probability": first[model.to_single_token(" Mary")].item(),
        "more_right_share": (more_diffs > 0).float().mean().item(),
        "name_mover": f"L{layer}H{head}",
        "name_mover_effect": effects.max().item(),
        "name_mover_ablation_change": ablated.mean().item() - mean,
    }


def _direct_effects(
    model: TransformerBridge, prompts: list[str], answers: list[Answer]
) -> Float[Tensor, "layer head"]:
    """What each head writes at the last token, read as the logit difference; a mean over prompts.

    For a model with an RMSNorm before the unembedding, as Llama has.
    """
    import torch

    wanted = [f"blocks.{layer}.attn.hook_z" for layer in range(model.cfg.n_layers)]
    effects = []
    for prompt, (correct, wrong) in zip(prompts, answers, strict=True):
        _, cache = model.run_with_cache(
            model.to_tokens(prompt), names_filter=[*wanted, "ln_final.hook_scale"]
        )
        pair = [model.to_single_token(name) for name in (correct, wrong)]
        read = model.W_U[:, pair[0]] - model.W_U[:, pair[1]]
        read = read * model.ln_final.weight / cache["ln_final.hook_scale"][0, -1]
        written = [
            torch.einsum("hd,hdm,m->h", cache[name][0, -1], model.blocks[layer].attn.W_O, read)
            for layer, name in enumerate(wanted)
        ]
        effects.append(torch.stack(written))
    return torch.stack(effects).mean(0)
