"""Training text of the ioi model: small stories whose sentences have a reason to end as they do."""

from __future__ import annotations

import random

from lens_widgets.prompts.indirect_objects import IOI_TEMPLATES, held_out_pairs, with_article
from lens_widgets.prompts.words import MALE_NAMES, NAMES, OBJECTS, PLACES

PRONOUN_SHARE = 0.05
"""How often the receiver is "him", "her" or "the teacher": names stay likely, never certain."""

_ONE_NAME = (
    "{a} went to the {place}.",
    "Today {a} was at the {place} and {pronoun} was {mood}.",
    "{a} found {object} at the {place}. {Pronoun} kept the {noun}.",
    "{a} lost {object}, but then {pronoun} found it at the {place}.",
    "One {time} {a} walked to the {place} and bought {object}.",
    "{a} made {object} for {possessive} friend. {Pronoun} was very {mood}.",
    "{a} liked the {place} because it was a good place.",
    "At the {place} {a} saw {object}. Then {pronoun} went home.",
)
_TWO_NAMES = (
    "{a} and {b} went to the {place} together.",
    "{a} met {b} at the {place}. They talked and laughed.",
    "{a} and {b} were {mood}, so they went home.",
    "{b} asked {a} for {object}, but {a} had lost it.",
    "One {time} {a} called {b} and {b} came to the {place}.",
)
_THREE_NAMES = (
    "When {a} and {b} went to the {place}, {c} gave {object} to them.",
    "After {a} and {b} went to the {place}, {c} gave {object} to them.",
    "{a} and {b} waited at the {place}. Then {c} brought {object} to them.",
)
_AFTER_GIVING = (
    "{receiver} thanked {giver}.",
    "{receiver} was very {mood}.",
    "Then {giver} said goodbye to {receiver}.",
    "{receiver} smiled at {giver}.",
    "{giver} and {receiver} went home.",
    "Later {receiver} lost the {noun}.",
)
_MOODS = ("happy", "glad", "tired", "late", "early", "good")
_TIMES = ("morning", "evening", "afternoon", "night", "day", "week")


class StoryTeller:
    """Endless seeded stories in which no held-out pair of names meets.

    Args:
        seed: same seed, same stories.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._hidden = held_out_pairs()

    def story(self, n_sentences: int) -> str:
        """About ``n_sentences`` sentences about the same two to seven people."""
        people = self._people(self._rng.randint(2, 7))
        return " ".join(self._sentence(people) for _ in range(n_sentences))

    def _people(self, n: int) -> list[str]:
        chosen: list[str] = []
        for name in self._rng.sample(NAMES, len(NAMES)):
            if all(frozenset((name, other)) not in self._hidden for other in chosen):
                chosen.append(name)
            if len(chosen) == n:
                break
        return chosen

    def _sentence(self, people: list[str]) -> str:
        draw = self._rng.random()
        if draw < 0.62:
            return self._giving(people)
        if draw < 0.70 and len(people) >= 3:
            return self._fill(self._rng.choice(_THREE_NAMES), people)
        if draw < 0.82:
            return self._fill(self._rng.choice(_TWO_NAMES), people)
        return self._fill(self._rng.choice(_ONE_NAME), people)

    def _giving(self, people: list[str]) -> str:
        rng = self._rng
        a, b = rng.sample(people, 2)
        giver, receiver = rng.sample((a, b), 2)
        noun = rng.choice(OBJECTS)
        words = {
            "a": a,
            "b": b,
            "giver": giver,
            "receiver": receiver,
            "place": rng.choice(PLACES),
            "object": with_article(noun, rng),
            "noun": noun,
            "mood": rng.choice(_MOODS),
        }
        end = receiver
        if rng.random() < PRONOUN_SHARE:
            end = rng.choice(("him" if receiver in MALE_NAMES else "her", "the teacher"))
        text = f"{rng.choice(IOI_TEMPLATES).format(**words)} {end}."
        if rng.random() < 0.4:
            text += f" {rng.choice(_AFTER_GIVING).format(**words)}"
        return text

    def _fill(self, template: str, people: list[str]) -> str:
        rng = self._rng
        names = dict(zip("abc", rng.sample(people, min(3, len(people))), strict=False))
        male = names["a"] in MALE_NAMES
        noun = rng.choice(OBJECTS)
        return template.format(
            **names,
            noun=noun,
            object=with_article(noun, rng),
            place=rng.choice(PLACES),
            mood=rng.choice(_MOODS),
            time=rng.choice(_TIMES),
            pronoun="he" if male else "she",
            Pronoun="He" if male else "She",
            possessive="his" if male else "her",
        )
