"""Writes what the suite found into the README of this folder: python -m tests.frontends.table"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.frontends.records import records

README = Path(__file__).with_name("README.md")


def hosts(rows: list[dict[str, Any]]) -> str:
    """One line a front end: which widgets did what."""
    lines = ["| front end | widgets |", "| --- | --- |"]
    for row in rows:
        by_outcome: dict[str, list[str]] = defaultdict(list)
        for widget, outcome in row["widgets"].items():
            by_outcome[outcome].append(widget)
        said = [
            f"{'all' if len(by_outcome) == 1 else ', '.join(names)}: {outcome}"
            for outcome, names in by_outcome.items()
        ]
        lines.append(f"| {row['name']} | {'; '.join(said)} |")
    return "\n".join(lines)


def faults(rows: list[dict[str, Any]]) -> str:
    """One line a fault."""
    lines = [
        "| fault | what was tried | times | lost | left in the kernel |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r['name']} | {r['tried']} | {r['times']:,} | {r['lost']} | {r['left']} |" for r in rows
    ]
    return "\n".join(lines)


def with_table(text: str, name: str, table: str) -> str:
    """``text`` with ``table`` between the markers of ``name``."""
    begin, end = f"<!-- {name}: written by the suite -->", f"<!-- end of {name} -->"
    found = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n\n{table}\n\n{end}",
        text,
        flags=re.DOTALL,
    )
    assert found[1] == 1, f"the README has no place for {name}"
    return found[0]


def main() -> None:
    found = {"hosts": records("host"), "faults": records("fault")}
    if not all(found.values()):
        sys.exit("Nothing was found yet: run pytest -m 'slow or not slow' tests/frontends first.")
    text = README.read_text(encoding="utf-8")
    text = with_table(text, "front ends", hosts(found["hosts"]))
    text = with_table(text, "faults", faults(found["faults"]))
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
