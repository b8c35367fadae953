"""Prints how quickly the widgets react, and keeps it in RESULTS.md: make bench

    python -m tests.benchmarks.run [SECTION ...]

A section is a module of this folder with ``measure()``, which gives a table or several. With names,
only those are run. Each table takes the place of the one with its title.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
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

SECTIONS: dict[str, Callable[[], Table | Iterable[Table]]] = {
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
    for name in names or SECTIONS:
        made = SECTIONS[name]()
        for table in [made] if isinstance(made, Table) else made:
            text = table.markdown()
            print(text, end="\n\n", flush=True)
            _write(text)


def _write(text: str) -> None:
    """Puts a table into the results, in the place of the one with its title."""
    known = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    _, *sections = re.split(r"^(?=## )", known, flags=re.MULTILINE)
    titles = [section.splitlines()[0] for section in sections]
    sections = [section.strip() for section in sections]
    title = text.splitlines()[0]
    if title in titles:
        sections[titles.index(title)] = text.strip()
    else:
        sections.append(text.strip())
    head = f"# How quickly the widgets react\n\nMade by `make bench`.\n\n{describe()}"
    RESULTS.write_text("\n\n".join([head, *sections]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
