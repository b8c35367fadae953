"""Errors a user can act on: each names the argument, what came, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class InputError(ValueError):
    """A bad argument. ``hint`` says what to do; ``str`` is the message followed by the hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class KeywordError(InputError, TypeError):
    """An unknown keyword argument."""


class UnusableError(InputError):
    """A prompt or an answer that this model cannot use. ``reason`` is the same for all of a kind,
    so that a data set's can be counted."""

    def __init__(self, message: str, hint: str = "", *, reason: str = "not usable") -> None:
        super().__init__(message, hint)
        self.reason = reason


class ModelChangedError(InputError):
    """The model is no longer what a session's numbers were made of; ``session.refresh()`` computes
    them with the model as it is."""


class TrainingModeError(InputError):
    """The model was put into training mode under a session."""


class ClosedError(RuntimeError):
    """The session was closed."""

    def __init__(self) -> None:
        self.message = "This session is closed."
        self.hint = "Make a new lw.Session(model, prompts)."
        super().__init__(f"{self.message} {self.hint}")


def shown(value: object, limit: int = 80) -> str:
    """``repr(value)`` for a message: cut short, and of what has none, its type."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        # Nested beyond reason, or an integer of thousands of digits.
        text = f"<{type(value).__name__}>"
    return text if len(text) <= limit else f"{text[:limit]}…"


def near(name: object, known: Iterable[str]) -> str:
    """``Did you mean 'x'?`` for the closest known name, or an empty string."""
    candidates = list(known)
    match = difflib.get_close_matches(str(name), candidates, n=1, cutoff=0.6) or [
        c for c in candidates if c.lower() == str(name).lower()
    ]
    return f"Did you mean {match[0]!r}?" if match else ""


def listed(names: Iterable[str]) -> str:
    """Names for a sentence: ``'a', 'b' or 'c'``."""
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def first_few(names: Iterable[str], between: str = ", ", limit: int = 3) -> str:
    """The first names of what may be many, and how many more there are."""
    every = list(names)
    more = [f"and {len(every) - limit} more"] if len(every) > limit else []
    return between.join(every[:limit] + more)


def check_choice(argument: str, value: object, known: Collection[str]) -> str:
    """``value`` when it is one of ``known``; InputError naming ``argument`` otherwise."""
    if isinstance(value, str) and value in known:
        return value
    hint = f"{near(value, known)} It takes {listed(known)}.".strip()
    raise InputError(f"{argument}={value!r} is not known.", hint)


def check_keywords(owner: str, unknown: Iterable[str], known: Collection[str]) -> None:
    """KeywordError for the first unknown keyword of a call to ``owner``."""
    for name in unknown:
        hint = f"{near(name, known)} It takes {listed(known)}.".strip()
        raise KeywordError(f"{owner} has no argument {name!r}.", hint)
