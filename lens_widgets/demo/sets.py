"""Prompt sets for a model's tokenizer: indirect objects with the giver swapped, repeated tokens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from lens_widgets.demo.prompts import IOI_ANSWERS, IOI_PROMPTS, random_sequences, with_article
from lens_widgets.demo.vocabulary import NAMES, OBJECTS, PLACES
from lens_widgets.errors import InputError, check_choice
from lens_widgets.prompt_pairs import Pair, PromptPairs

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

IOI = PromptPairs(
    IOI_PROMPTS,
    IOI_ANSWERS,
    tuple(IOI_PROMPTS[index ^ 1] for index in range(len(IOI_PROMPTS))),
)
"""The eight prompts of TransformerLens's activation patching demo, neighbours as partners."""

HALVES = tuple(map("".join, product("ABC", repeat=2)))

_TEMPLATES = tuple(
    f"{start} {{a}} and {{b}} went to the {{place}}, {{giver}} gave {{object}} to"
    for start in ("When", "After")
)


def ioi(n: int = 8, seed: int = 0, *, model: Any = None) -> PromptPairs:
    """Indirect-object prompts in neighbouring pairs that differ in the giver alone.

    Each prompt's corrupted partner has the other name as giver, and so the other answer: the names
    of seeds such as "When John and Mary went to the shops, John gave the bag to" swap roles. All
    prompts have the same words at the same places, one token each, so positions can be compared.
    Source: Wang et al., Interpretability in the Wild (2022).

    Args:
        n: how many prompts; partners follow each other.
        seed: same seed, same prompts.
        model: names, places and objects are those that are one token in this model's tokenizer.
            Without it, those of the demo models, which are single tokens of GPT-2 as well.

    Raises:
        InputError: ``n`` is not a positive whole number or more than there are, the model has no
            tokenizer, or fewer than two names are one token in it.
    """
    _check_count("n", n, 1)
    names, places, objects = _words(model)
    supply = len(_TEMPLATES) * len(names) * (len(names) - 1) * len(places) * len(objects)
    if n > supply:
        raise InputError(f"n={n}: there are only {supply} such prompts.", "Ask for fewer.")
    rng = random.Random(seed)
    prompts: dict[str, tuple[str, Pair]] = {}
    while len(prompts) < n:
        a, b = rng.sample(sorted(names), 2)
        text = rng.choice(_TEMPLATES).format(
            a=a,
            b=b,
            place=rng.choice(places),
            object=with_article(rng.choice(objects), rng),
            giver="{giver}",
        )
        both = [text.format(giver=giver) for giver in (a, b)]
        prompts.setdefault(both[0], (both[1], (names[b], names[a])))
        prompts.setdefault(both[1], (both[0], (names[a], names[b])))
    chosen = list(prompts.items())[:n]
    return PromptPairs(
        tuple(text for text, _ in chosen),
        tuple(answer for _, (_, answer) in chosen),
        tuple(partner for _, (partner, _) in chosen),
    )


def repeated_tokens(
    model: Any,
    seq_len: int = 50,
    batch: int = 1,
    seed: int = 0,
    *,
    halves: str = "AA",
    corrupted: str | None = None,
) -> PromptPairs:
    """``<bos>`` and two halves of random tokens, told by letters: "AA" repeats the first.

    A, B and C are three sequences drawn from the seed, the same whichever halves are asked for.
    ``metric`` of what is returned is :class:`SecondHalfLogProb` of A, as in TransformerLens's
    activation patching demo: how well the second half of A is predicted, higher is better.

    Args:
        model: gives the vocabulary, BOS and device; special tokens are not drawn.
        seq_len: tokens in one half, at least 2.
        batch: rows.
        seed: same seed, same tokens, on every device.
        halves: two letters of A, B and C: "AA", "AB", "BA", "BB", "BC", ...
        corrupted: the halves of the corrupted prompts; None for no corrupted prompts.

    Returns:
        Token ids [batch, 1 + 2 * seq_len] on the model's device as prompts and corrupted.

    Raises:
        InputError: halves of other letters, too few or too many tokens, or no tokenizer.
    """
    import torch

    _check_count("seq_len", seq_len, 2)
    _check_count("batch", batch, 1)
    check_choice("halves", halves, HALVES)
    if corrupted is not None:
        check_choice("corrupted", corrupted, HALVES)
    if 1 + 2 * seq_len > model.cfg.n_ctx:
        raise InputError(
            f"seq_len={seq_len} makes prompts of {1 + 2 * seq_len} tokens; the model's context is "
            f"{model.cfg.n_ctx}.",
            f"At most {(model.cfg.n_ctx - 1) // 2} fit.",
        )
    first, parts = random_sequences(model, seq_len, batch, seed, len("ABC"))
    letters = dict(zip("ABC", parts, strict=True))

    def tokens(pair: str) -> Int[Tensor, "batch pos"]:
        return torch.cat([first, letters[pair[0]], letters[pair[1]]], dim=1)

    return PromptPairs(
        tokens(halves),
        None,
        None if corrupted is None else tokens(corrupted),
        SecondHalfLogProb(letters["A"]),
    )


@dataclass(frozen=True, eq=False)
class SecondHalfLogProb:
    """Mean log probability, in nats, of A's tokens in the second half: the loss with its sign
    turned, so that higher is better and 0 is perfect.

    A metric for :class:`lens_widgets.Session` on prompts made of ``<bos>`` and two halves. The
    first token of a half cannot be foreseen and is left out.
    """

    sequence: Int[Tensor, "prompt seq_len"]
    units: ClassVar[str] = "nats"

    @property
    def __name__(self) -> str:
        return "second_half_log_prob"

    def __call__(self, logits: Float[Tensor, "prompt pos d_vocab"]) -> Float[Tensor, "prompt"]:
        """One value per prompt from the logits at every position."""
        wanted = self.sequence[:, 1:].to(logits.device)
        log_probs = logits[:, -self.sequence.shape[1] : -1].float().log_softmax(dim=-1)
        return log_probs.gather(-1, wanted[..., None])[..., 0].mean(dim=-1)


def _words(model: Any) -> tuple[dict[str, str | int], list[str], list[str]]:
    """Names with the answer that stands for each, places and objects."""
    if model is None:
        return {name: f" {name}" for name in NAMES}, list(PLACES), list(OBJECTS)
    if model.tokenizer is None:
        raise InputError(
            "model: this model has no tokenizer, so it has no names.",
            "Boot the model with tokenizer=..., or leave model out.",
        )
    tokenizer = model.tokenizer
    names: dict[str, str | int] = {}
    for name in NAMES:
        token = _single_token(tokenizer, name)
        if token is not None:
            # Answers are given as text where the text by itself is that token.
            texts = (text for text in (f" {name}", name) if _ids(tokenizer, text) == [token])
            names[name] = next(texts, token)
    places = [word for word in PLACES if _single_token(tokenizer, word) is not None]
    objects = [word for word in OBJECTS if _single_token(tokenizer, word) is not None]
    for kind, found, wanted in (
        ("names", names, 2),
        ("places", places, 1),
        ("objects", objects, 1),
    ):
        if len(found) < wanted:
            raise InputError(
                f"model: {len(found)} of the known {kind} are one token in this model's tokenizer; "
                f"{wanted} are needed.",
                "Write prompts for this tokenizer yourself and pass them to lw.Session.",
            )
    return names, places, objects


def _single_token(tokenizer: Any, word: str) -> int | None:
    """The id of ``word`` inside a sentence when it is one token there, else None."""
    before, after = (_ids(tokenizer, text) for text in ("went with", f"went with {word}"))
    if len(after) != len(before) + 1 or after[:-1] != before:
        return None
    return after[-1] if tokenizer.decode([after[-1]]).strip() == word else None


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _check_count(argument: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(
            f"{argument}={value!r} is not a whole number of at least {least}.",
            f"For example {argument}={max(least, 8)}.",
        )
