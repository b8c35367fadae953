"""A named place in each of several prompts, which may lie elsewhere in every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lens_widgets.errors import InputError


@dataclass(frozen=True)
class Span:
    """``places``: its positions by prompt, each tuple in order and without repeats. Given as the
    ``positions`` of an intervention it acts there, on prompts of any lengths."""

    name: str
    places: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        return self.name

    def shifted(self, by: int) -> Span | None:
        """The same tokens where each prompt has ``by`` more in front; None where none are left."""
        places = tuple(tuple(p + by for p in row if p + by >= 0) for row in self.places)
        return Span(self.name, places) if any(places) else None

    def edited(self, row: int, before: Sequence[int], after: Sequence[int]) -> Span:
        """The same tokens after prompt ``row`` was edited, given its token ids before and after.

        What stands before or behind all that changed keeps its tokens, and so does a name in whose
        place as many tokens came ("Anna" for "Mary"). Where the change has another length, nobody
        knows which of the new tokens are meant: a span in it is nowhere in that prompt.
        """
        start = _alike(before, after)
        end = _alike(before[start:][::-1], after[start:][::-1])
        longer = len(after) - len(before)
        moved = [
            place if place < start else place + longer if place >= len(before) - end else None
            for place in self.places[row]
        ]
        if longer == 0:
            moved = list(self.places[row])
        kept = tuple(place for place in moved if place is not None)
        places = kept if len(kept) == len(moved) else ()
        return replace(self, places=(*self.places[:row], places, *self.places[row + 1 :]))

    def of_prompts(self, rows: slice) -> Span:
        """The same in some of the prompts."""
        return Span(self.name, self.places[rows])

    def saved(self) -> tuple[Any, ...]:
        """As tuples of text and numbers, for a file."""
        return ("span", self.name, self.places)

    @classmethod
    def from_saved(cls, saved: Any) -> Span | None:
        """The span that was ``saved``; None for what is none."""
        if not isinstance(saved, tuple) or len(saved) != 3 or saved[0] != "span":
            return None
        _, name, rows = saved
        if (
            not isinstance(name, str)
            or not isinstance(rows, tuple)
            or not all(
                isinstance(row, tuple) and all(type(p) is int and p >= 0 for p in row)
                for row in rows
            )
        ):
            raise InputError(f"positions={saved!r} is no span.", "Make one with lw.Spans.")
        return cls(name, rows)


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
