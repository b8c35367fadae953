"""Traits under a lock, whose observers are called once that lock is released."""

from __future__ import annotations

from typing import Any

import traitlets

from lens_widgets.engine.locks import StateLock


class Observed(traitlets.HasTraits):
    """State that is changed under a lock, so that all of it belongs together.

    ``_lock`` is set before the base class is begun. Without it observers are called at once, as
    traitlets does.
    """

    _lock: StateLock

    def notify_change(self, change: Any) -> None:
        tell = super().notify_change
        lock: StateLock | None = getattr(self, "_lock", None)
        if lock is None:
            tell(change)
        else:
            lock.when_released(lambda: tell(change))
