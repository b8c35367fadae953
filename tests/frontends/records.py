"""What the suite found, one file each, for the tables in this folder's README."""

from __future__ import annotations

import json
from typing import Any

from tests.browser.pages import ARTIFACTS

RECORDS = ARTIFACTS / "frontends"


def record(kind: str, name: str, **found: Any) -> None:
    """Keeps one row: ``kind`` is ``host`` or ``fault``."""
    folder = RECORDS / kind
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('/', '-')}.json"
    path.write_text(json.dumps({"name": name, **found}), encoding="utf-8")


def records(kind: str) -> list[dict[str, Any]]:
    """All rows of a kind, by name."""
    paths = sorted((RECORDS / kind).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def fault(name: str, tried: str, times: int, left: str = "no hook, memory back") -> None:
    """A row of the table of faults; written when the test has seen that it holds.

    ``left``: what the fault left in the kernel once views and session were closed.
    """
    record("fault", name, tried=tried, times=times, lost="nothing", left=left)
