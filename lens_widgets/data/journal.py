"""What a run has done, a line for each step: written after the step, read when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A file of JSON lines that only grows. A line that was cut off never happened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines that were written whole, in their order."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)

    def mend(self) -> None:
        """Takes off a last line that was cut off, so that the next one can follow."""
        if not self.path.exists():
            return
        whole = 0
        with self.path.open("rb+") as file:
            for line in file:
                if line.endswith(b"\n"):
                    whole += len(line)
            file.truncate(whole)

    def add(self, line: dict[str, Any]) -> None:
        """Writes one step down."""
        with self.path.open("ab") as file:
            file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
