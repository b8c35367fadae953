"""Records that the tests of data runs share: prompts of several lengths, in groups."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import lens_widgets as lw
from lens_widgets.models.demo import load_demo


@cache
def make_ioi() -> Any:
    """The demo model; made once in a process, however many runs there are."""
    return load_demo("ioi")


def ioi_rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Indirect-object prompts of 13 to 19 tokens in two groups."""
    prompts, answers = lw.prompts.ioi_prompts(n, seed)
    return [
        {"prompt": text, "answers": list(pair), "group": "ABBA" if i % 3 else "BABA"}
        for i, (text, pair) in enumerate(zip(prompts, answers, strict=True))
    ]


def ioi_run(path: Path, rows: Any, **options: Any) -> lw.DataRun:
    """A run over such rows that ablates heads."""
    options = {"quantities": {"ablation": lw.analysis.ablation_sweep}, **options}
    return lw.DataRun(make_ioi, lw.Dataset.from_records(rows), path=path, **options)
