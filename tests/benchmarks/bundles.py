"""How large the front end is: each widget carries its bundle, and the page keeps it."""

from __future__ import annotations

import gzip

from tests.benchmarks.table import Table
from tests.browser.pages import STATIC

BUDGET = 60_000


def measure() -> Table:
    """Sizes of the built bundles."""
    rows = []
    for path in sorted([*STATIC.glob("*.js"), *STATIC.glob("*.css")]):
        content = path.read_bytes()
        packed = len(gzip.compress(content, 9, mtime=0))
        rows.append((path.name, f"{len(content):,}", f"{packed:,}", f"{BUDGET:,}"))
    return Table("Bundles", ("file", "bytes", "gzipped", "at most"), tuple(rows))
