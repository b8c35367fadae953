"""The records of a data set that could not be used, counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lens_widgets.data.journal import Journal
from lens_widgets.data.records import Unusable


class SetAside:
    """Records that could not be used, read from the run's folder one after the other.

    Iterating gives each one's index ``record``, its ``reason`` and a ``message`` about it; ``len``
    is how many there are.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def counts(self) -> dict[str, int]:
        """How many records there are of each reason, the most frequent first."""
        return dict(Counter(one.reason for one in self).most_common())

    def __iter__(self) -> Iterator[Unusable]:
        for line in self._journal.lines():
            for record, reason, message in line.get("aside", ()):
                yield Unusable(record, reason, message)

    def __len__(self) -> int:
        return sum(len(line.get("aside", ())) for line in self._journal.lines())

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {reason}" for reason, count in self.counts.items())
        return f"{len(self)} records set aside" + (f": {counts}" if counts else "")
