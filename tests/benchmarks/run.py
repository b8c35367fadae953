"""Prints how quickly the widgets react, and keeps it in RESULTS.md: make bench

    python -m tests.benchmarks.run [SECTION ...]

A section is a module of this folder with ``measure()``, which gives a table or several. With names,
only those are run and nothing is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import (
    batches,
    bundles,
    busy,
    circuits,
    data,
    engine,
    estimates,
    interactive,
    long_patterns,
    long_prompts,
)
from tests.benchmarks.machine import describe
from tests.benchmarks.table import Table

SECTIONS: dict[str, Callable[[], Table | Sequence[Table]]] = {
    "interactive": interactive.measure,
    "long_prompts": long_prompts.measure,
    "long_patterns": long_patterns.measure,
    "bundles": bundles.measure,
    "engine": engine.measure,
    "busy": busy.measure,
    "estimates": estimates.measure,
    "circuits": circuits.measure,
    "batches": batches.measure,
    "data": data.measure,
}
RESULTS = Path(__file__).parent / "RESULTS.md"


def main(names: list[str]) -> None:
    unknown = set(names) - set(SECTIONS)
    if unknown:
        sys.exit(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    print(describe(), end="\n\n", flush=True)
    tables = []
    for name in names or SECTIONS:
        made = SECTIONS[name]()
        for table in [made] if isinstance(made, Table) else made:
            tables.append(table.markdown())
            print(tables[-1], end="\n\n", flush=True)
    if not names:
        head = f"# How quickly the widgets react\n\nMade by `make bench`.\n\n{describe()}"
        RESULTS.write_text("\n\n".join([head, *tables]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
