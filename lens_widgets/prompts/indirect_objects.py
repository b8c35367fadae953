"""Indirect objects: prompts whose answer is the name that is not the giver."""

from __future__ import annotations

import random
from functools import cache
from itertools import combinations
from typing import Any

from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError
from lens_widgets.prompts.pairs import Pair, PromptPairs, check_count
from lens_widgets.prompts.words import NAMES, OBJECTS, PLACES

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
    """Random indirect-object prompts, half of them with the giver named first.

    Args:
        n: how many.
        seed: same seed, same prompts.
        held_out: draw name pairs that the ioi model never saw together; else pairs it did.

    Returns:
        ``n`` prompts and their ``(correct, wrong)`` answers.

    Source:
        Wang et al., Interpretability in the Wild (2022): the templates ABBA and BABA.
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


IOI = PromptPairs(
    IOI_PROMPTS,
    IOI_ANSWERS,
    tuple(IOI_PROMPTS[index ^ 1] for index in range(len(IOI_PROMPTS))),
)
"""The eight prompts of TransformerLens's activation patching demo, neighbours as partners."""

_TEMPLATES = tuple(
    f"{start} {{a}} and {{b}} went to the {{place}}, {{giver}} gave {{object}} to"
    for start in ("When", "After")
)


def ioi(
    n: int = 8, seed: int = 0, *, model: TransformerModel | None = None
) -> PromptPairs[tuple[str, ...]]:
    """Indirect-object prompts in neighbouring pairs that differ in the giver alone.

    Each prompt's corrupted partner has the other name as giver, and so the other answer: the names
    of seeds such as "When John and Mary went to the shops, John gave the bag to" swap roles. All
    prompts have the same words at the same places, one token each, so positions can be compared.

    Args:
        n: how many prompts; partners follow each other.
        seed: same seed, same prompts.
        model: names, places and objects are those that are one token in this model's tokenizer.
            Without it, those of the demo models, which are single tokens of GPT-2 as well.

    Returns:
        Prompts with their answers and corrupted partners, for ``lw.Session(model, pairs)``.

    Raises:
        InputError: ``n`` is not a positive whole number or more than there are, the model has no
            tokenizer, or fewer than two names are one token in it.

    Source:
        Wang et al., Interpretability in the Wild (2022).

    Examples:
        >>> pairs = lw.prompts.ioi(4, seed=1, model=model)
        >>> len(pairs), pairs.answers[0][0] == pairs.answers[1][1]
        (4, True)
    """
    check_count("n", n, 1)
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


def _words(model: TransformerModel | None) -> tuple[dict[str, str | int], list[str], list[str]]:
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
