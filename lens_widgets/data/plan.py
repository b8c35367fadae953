"""What a run is, as its folder says it: whoever goes on with it must mean the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lens_widgets.data.records import Record
from lens_widgets.data.store import writing
from lens_widgets.data.tasks import Wanted
from lens_widgets.errors import InputError, shown

FILE = "run.json"
VERSION = 1
_ANSWERS = ("logit_diff", "log_prob", "prob")


def wanted_of(metric: Any, record: Record) -> Wanted:
    """What every record must have: what the metric reads, and what the first record has."""
    answers = metric is None or metric in _ANSWERS or bool(record.correct)
    return Wanted(
        answers=answers,
        wrong=metric == "logit_diff" or bool(record.wrong),
        corrupted=record.corrupted is not None,
    )


def read_plan(path: Path) -> dict[str, Any] | None:
    """The plan in a folder; None where there is none.

    Raises:
        InputError: it cannot be read, or another version wrote it.
    """
    file = path / FILE
    if not file.exists():
        return None
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
        version = plan["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"path={str(path)!r} has a {FILE} that cannot be read: {error}.",
            "Give another path, or delete this folder.",
        ) from error
    if version != VERSION:
        raise InputError(
            f"path={str(path)!r} was written in version {shown(version)} of its format; this is "
            f"{VERSION}.",
            "Give another path.",
        )
    return dict(plan)


def write_plan(path: Path, plan: dict[str, Any]) -> None:
    """Puts the plan into its folder, whole or not at all."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        beside = path / f".{FILE}"
        beside.write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")
        os.replace(beside, path / FILE)


def check_same(path: Path, stored: dict[str, Any], given: dict[str, Any]) -> None:
    """InputError where ``given`` says otherwise than what is ``stored``."""
    for name, value in given.items():
        if stored.get(name) != value:
            raise InputError(
                f"path={str(path)!r} holds a run with {name}={shown(stored.get(name))}, and "
                f"{name}={shown(value)} is asked for.",
                "Give another path, or the same arguments as then.",
            )
