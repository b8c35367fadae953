"""Ten thousand prompts with two actors of Ray: memory stays, and deaths change no bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import lens_widgets as lw
from tests.unit.data_cases import ioi_rows, make_ioi

N, FEW, COMPARED = 10_000, 1_000, 200

_RUN = """
import itertools, json, os, signal, sys
from functools import partial
import psutil
import lens_widgets as lw

source, folder = sys.argv[1:3]
count, kill_actor_at, kill_driver_at = map(int, sys.argv[3:])
rss, killed = [], []

def records():
    with open(source) as lines:
        yield from map(json.loads, itertools.islice(lines, count))

def progress(step):
    rss.append(psutil.Process().memory_info().rss)
    if step.stage == "compute" and step.done > kill_actor_at > 0 and not killed:
        children = psutil.Process().children(recursive=True)
        actors = [child for child in children if "Host" in " ".join(child.cmdline())]
        killed.append(actors[0].kill())
    if step.stage == "compute" and step.done > kill_driver_at > 0:
        os.kill(os.getpid(), signal.SIGKILL)

lw.DataRun(
    partial(lw.load_demo, "ioi"),
    lw.Dataset.from_records(records),
    {"ablation": lw.analysis.ablation_sweep},
    path=folder, engine="ray", workers=2, progress=progress,
).run()
print(json.dumps({"rss": max(rss), "killed": len(killed)}))
"""


def _run(source: Path, folder: Path, count: int, actor_at: int = 0, driver_at: int = 0) -> Any:
    arguments = [str(source), str(folder), *map(str, (count, actor_at, driver_at))]
    ended = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    if driver_at:
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        return None
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_prompts(tmp_path: Path) -> None:
    rows = ioi_rows(N)
    source = tmp_path / "ioi.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))

    few = _run(source, tmp_path / "few", FEW)
    whole = _run(source, tmp_path / "whole", N)
    assert whole["rss"] < 1.05 * few["rss"]

    _run(source, tmp_path / "killed", N, actor_at=3_000, driver_at=6_000)
    again = _run(source, tmp_path / "killed", N, actor_at=8_000)
    assert again["killed"] == 1
    undisturbed, killed = (lw.DataRun.open(tmp_path / name) for name in ("whole", "killed"))
    stored = undisturbed.per_prompt.load()
    xr.testing.assert_identical(killed.per_prompt.load(), stored)
    xr.testing.assert_identical(killed.summary(), undisturbed.summary())

    answers = [tuple(row["answers"]) for row in rows[:COMPARED]]
    session = lw.Session(make_ioi(), [row["prompt"] for row in rows[:COMPARED]], answers=answers)
    expected = lw.analysis.ablation_sweep(session, per_prompt=True)
    np.testing.assert_allclose(stored["ablation"][:COMPARED], expected, atol=1e-4)
