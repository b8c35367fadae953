"""How often the growing answer of a sweep is put together: each time costs, nobody sees more."""

from __future__ import annotations

import time

EVERY_S = 0.1


class Pace:
    """``due()`` is true at first, and then at most every ``every_s`` seconds."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._last = -every_s

    def due(self) -> bool:
        """Whether it is time again; asking when it is starts the next wait."""
        now = time.monotonic()
        if now - self._last < self._every_s:
            return False
        self._last = now
        return True
