"""Runs over data sets: the driver's memory by their size, and their speed beside plain loops."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lens_widgets as lw
from lens_widgets.data.partition import batches
from lens_widgets.models.demo import load_demo
from tests.benchmarks.memory import resident_mb
from tests.benchmarks.table import Table
from tests.unit.data_cases import ioi_rows

SIZES = (1_000, 5_000, 10_000)
LOOPED = 1_000
"""Records of the plain loops, which nobody wants to wait for."""

ENGINES: dict[str, tuple[str, int]] = {
    'engine="local", this process': ("local", 1),
    'engine="ray", two actors': ("ray", 2),
}

NOTES = f"""\
Head ablation (32 heads) of the ioi demo over indirect-object prompts in JSON lines, a thread each
worker, every value stored. MB: the most that the driver held, models and Ray included, each run in
a process of its own. Records a second: from the first batch that is done to the last. The loops
keep values in memory, run {LOOPED:,} of the records in the same batches and with one thread:
prompts of one length, 1,024 tokens at a time."""

Loop = Callable[[Any, Sequence[dict[str, Any]]], Any]


def measure() -> Table:
    """A row for each size of data set and engine, and one for each plain loop."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ioi.jsonl"
        source.write_text("\n".join(map(json.dumps, ioi_rows(max(SIZES)))))
        lines = [line for name in ENGINES for line in _lines(name, source, Path(folder))]
    return Table(
        "Runs over data sets",
        ("what", "records", "MB of the driver", "times", "records a second"),
        (*lines, *_loops()),
        NOTES,
    )


def _lines(name: str, source: Path, folder: Path) -> Iterator[tuple[str, ...]]:
    engine, workers = ENGINES[name]
    first: float | None = None
    for size in SIZES:
        to = folder / f"{engine}{size}"
        arguments = [engine, str(workers), str(size), str(source), str(to)]
        # Not this process: what it has held before is part of its memory.
        printed = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.data", *arguments],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        found = json.loads(printed.splitlines()[-1])
        first = first or found["mb"]
        yield (
            name,
            f"{size:,}",
            f"{found['mb']:,.0f}",
            f"{found['mb'] / first:.2f}",
            f"{found['a_second']:.0f}",
        )


def _one_run(engine: Any, workers: int, size: int, source: Path, folder: Path) -> dict[str, float]:
    """Runs over the first ``size`` records and says what it took."""
    most = 0.0
    steps: list[tuple[float, int]] = []

    def progress(step: lw.data.Progress) -> None:
        nonlocal most
        most = max(most, resident_mb())
        if step.stage == "compute":
            steps[1:] = [(time.perf_counter(), step.done)]

    def records() -> Iterator[Any]:
        with source.open() as lines:
            yield from map(json.loads, islice(lines, size))

    lw.DataRun(
        partial(load_demo, "ioi"),
        lw.Dataset.from_records(records),
        {"ablation": lw.analysis.ablation_sweep},
        path=folder,
        engine=engine,
        workers=workers,
        progress=progress,
    ).run()
    (start, before), (end, done) = steps
    return {"mb": max(most, resident_mb()), "a_second": (done - before) / (end - start)}


# --- what one would do otherwise ----------------------------------------------------------------


def _loops() -> Iterator[tuple[str, ...]]:
    rows = ioi_rows(LOOPED)
    model = load_demo("ioi")
    lengths = np.array([len(model.to_tokens(row["prompt"])[0]) for row in rows])
    parts = [[rows[i] for i in part] for _, part in batches(lengths, None)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, loop in LOOPS.items():
            loop(model, parts[0])
            start = time.perf_counter()
            for part in parts:
                loop(model, part)
            took = time.perf_counter() - start
            yield (name, f"{LOOPED:,}", "", "", f"{LOOPED / took:.0f}")
    finally:
        torch.set_num_threads(threads)


def _sessions(model: Any, rows: Sequence[dict[str, Any]]) -> Any:
    answers = [tuple(row["answers"]) for row in rows]
    session = lw.Session(model, [row["prompt"] for row in rows], answers=answers)
    found = lw.analysis.ablation_sweep(session, per_prompt=True)
    session.close()
    return found


@torch.no_grad()
def _hooked(model: Any, rows: Sequence[dict[str, Any]]) -> torch.Tensor:
    """One forward a head, and one without a hook."""
    tokens = model.to_tokens([row["prompt"] for row in rows])
    correct, wrong = (
        torch.tensor([model.to_single_token(row["answers"][i]) for row in rows]) for i in (0, 1)
    )
    each = torch.arange(len(rows))

    def metric(hooks: list[Any]) -> torch.Tensor:
        last = model.run_with_hooks(tokens, fwd_hooks=hooks)[:, -1]
        return last[each, correct] - last[each, wrong]

    def without(head: int, z: torch.Tensor, hook: Any) -> torch.Tensor:
        changed = z.clone()
        changed[:, :, head] = 0.0
        return changed

    clean = metric([])
    return torch.stack(
        [
            metric([(f"blocks.{layer}.attn.hook_z", partial(without, head))]) - clean
            for layer in range(model.cfg.n_layers)
            for head in range(model.cfg.n_heads)
        ]
    )


LOOPS: dict[str, Loop] = {
    "a loop of sessions": _sessions,
    "TransformerLens: a hooked forward a head": _hooked,
}


def main(engine: str, workers: str, size: str, source: str, folder: str) -> None:
    """What ``measure`` starts in processes of their own."""
    print(json.dumps(_one_run(engine, int(workers), int(size), Path(source), Path(folder))))


if __name__ == "__main__":
    main(*sys.argv[1:])
