"""Prompts the demo models are measured and shown on."""

from __future__ import annotations

import random
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

from lens_widgets.demo.vocabulary import NAMES, OBJECTS, PLACES
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

Answer = tuple[str, str]
"""The (correct, wrong) next token, each with its leading space."""

IOI_PROMPTS: tuple[str, ...] = (
    "When John and Mary went to the shops, John gave the bag to",
    "When John and Mary went to the shops, Mary gave the bag to",
    "When Tom and James went to the park, James gave the ball to",
    "When Tom and James went to the park, Tom gave the ball to",
    "When Dan and Sid went to the shops, Sid gave an apple to",
    "When Dan and Sid went to the shops, Dan gave an apple to",
    "After Martin and Amy went to the park, Amy gave a drink to",
    "After Martin and Amy went to the park, Martin gave a drink to",
)
"""The eight prompts of TransformerLens's activation patching demo; neighbours swap the giver."""

IOI_ANSWERS: tuple[Answer, ...] = (
    (" Mary", " John"),
    (" John", " Mary"),
    (" Tom", " James"),
    (" James", " Tom"),
    (" Dan", " Sid"),
    (" Sid", " Dan"),
    (" Martin", " Amy"),
    (" Amy", " Martin"),
)

IOI_TEMPLATES: tuple[str, ...] = (
    "When {a} and {b} went to the {place}, {giver} gave {object} to",
    "After {a} and {b} went to the {place}, {giver} gave {object} to",
    "Then, {a} and {b} went to the {place}. {giver} gave {object} to",
    "{a} and {b} went to the {place}. {giver} gave {object} to",
    "{a} and {b} were at the {place} when {giver} gave {object} to",
    "When {a} and {b} were at the {place}, {giver} handed {object} to",
    "While {a} and {b} worked at the {place}, {giver} passed {object} to",
    "Later {a} and {b} met at the {place}, and {giver} offered {object} to",
    "Yesterday {a} and {b} had a good day at the {place}. {giver} gave {object} to",
    "The friends {a} and {b} found {object} at the {place}, and {giver} gave it to",
)
"""Indirect object identification: the token after each is the name that is not the giver."""

HELD_OUT_SEED = 7
HELD_OUT_SHARE = 0.2


def with_article(noun: str, rng: random.Random) -> str:
    """The noun behind "the", "a" or "an"."""
    if rng.random() < 0.5:
        return f"the {noun}"
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


@cache
def held_out_pairs() -> frozenset[frozenset[str]]:
    """Name pairs that share no training text: a fifth of all, those of IOI_PROMPTS among them."""
    pairs = [frozenset(pair) for pair in combinations(NAMES, 2)]
    chosen = random.Random(HELD_OUT_SEED).sample(pairs, int(HELD_OUT_SHARE * len(pairs)))
    shown = (frozenset(name.strip() for name in answer) for answer in IOI_ANSWERS)
    return frozenset((*chosen, *shown))


def ioi_prompts(n: int, seed: int = 0, held_out: bool = True) -> tuple[list[str], list[Answer]]:
    """Random indirect-object prompts from :data:`IOI_TEMPLATES`, half of them ABBA.

    Args:
        n: how many.
        seed: same seed, same prompts.
        held_out: draw name pairs that the ioi model never saw together; else pairs it did.

    Returns:
        ``n`` prompts and their ``(correct, wrong)`` answers.
    """
    rng = random.Random(seed)
    hidden = held_out_pairs()
    pairs = [p for p in combinations(NAMES, 2) if (frozenset(p) in hidden) == held_out]
    prompts, answers = [], []
    for _ in range(n):
        a, b = rng.sample(rng.choice(pairs), 2)
        giver, receiver = rng.sample((a, b), 2)
        prompts.append(
            rng.choice(IOI_TEMPLATES).format(
                a=a,
                b=b,
                giver=giver,
                place=rng.choice(PLACES),
                object=with_article(rng.choice(OBJECTS), rng),
            )
        )
        answers.append((f" {receiver}", f" {giver}"))
    return prompts, answers


def repeated_tokens(
    model: Any, seq_len: int = 50, batch: int = 1, seed: int = 0
) -> Int[Tensor, "batch pos"]:
    """``<bos>`` and ``seq_len`` random tokens, twice: what induction heads are found with.

    Special tokens are not drawn. Any TransformerLens model with a tokenizer will do.

    Args:
        model: gives the vocabulary, BOS and device.
        seq_len: tokens in one half.
        batch: rows.
        seed: same seed, same tokens, on every device.

    Returns:
        Token ids ``[batch, 1 + 2 * seq_len]`` on the model's device.
    """
    import torch

    first, (half,) = random_sequences(model, seq_len, batch, seed, 1)
    return torch.cat([first, half, half], dim=1)


def random_sequences(
    model: Any, seq_len: int, batch: int, seed: int, count: int
) -> tuple[Int[Tensor, "batch 1"], list[Int[Tensor, "batch seq_len"]]]:
    """A column of ``<bos>`` and ``count`` sequences of ordinary tokens, on the model's device.

    The first ones stay the same whatever ``count`` is. InputError without a tokenizer, or with one
    that knows no token to begin with.
    """
    import torch

    tokenizer = model.tokenizer
    if tokenizer is None:
        raise InputError(
            "model: this model has no tokenizer, so its BOS token is not known.",
            "Pass token ids of your own to lw.Session.",
        )
    begin = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    if begin is None:
        raise InputError(
            "model: this model's tokenizer has neither a BOS nor an EOS token to begin with.",
            "Pass token ids of your own to lw.Session.",
        )
    special = set(tokenizer.all_special_ids)
    ordinary = torch.tensor([i for i in range(model.cfg.d_vocab) if i not in special])
    generator = torch.Generator().manual_seed(seed)
    drawn = [
        ordinary[torch.randint(len(ordinary), (batch, seq_len), generator=generator)]
        for _ in range(count)
    ]
    device = next(iter(model.parameters())).device
    first = torch.full((batch, 1), begin)
    return first.to(device), [sequence.to(device) for sequence in drawn]
