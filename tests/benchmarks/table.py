"""What a benchmark gives back, and how it is written down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """One section of the results. ``notes`` say what exactly was measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: str = ""

    def markdown(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]

        def line(cells: Sequence[str]) -> str:
            first, *rest = zip(cells, widths, strict=True)
            padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
            return f"| {' | '.join(padded)} |"

        dashes = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
        parts = [f"## {self.title}", self.notes]
        parts.append("\n".join([line(self.columns), line(dashes), *map(line, self.rows)]))
        return "\n\n".join(part for part in parts if part)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of all are not above."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
