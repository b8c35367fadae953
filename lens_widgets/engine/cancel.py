"""How a run is told to stop: a token that is checked between blocks and between parts."""

from __future__ import annotations

import threading


class Cancelled(Exception):
    """The work was stopped, by the user or because nobody waits for it any more."""


class Superseded(Cancelled):
    """A newer request of the same slot took this one's place."""


class Interrupted(Cancelled):
    """The kernel was interrupted while no cell ran."""


class SteppedAside(Cancelled):
    """Somebody asked for something else: this goes on in the next rest."""


class CancelToken:
    """A flag one thread sets and the running one checks. Set once, it stays set."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason: type[Cancelled] = Cancelled

    def cancel(self, reason: type[Cancelled] = Cancelled) -> None:
        """Asks the work to stop. The first reason to end it is the one that is raised."""
        if not self._event.is_set() or self._reason is SteppedAside:
            self._reason = reason
            self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    @property
    def stepped_aside(self) -> bool:
        """Whether it was asked to stop for now only."""
        return self._event.is_set() and self._reason is SteppedAside

    def check(self) -> None:
        """Raises the reason once ``cancel`` was called."""
        if self._event.is_set():
            raise self._reason()
