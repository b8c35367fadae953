"""The lanes of ``python tasks.py test``: pytests that run beside each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.test_tasks import ROOT, loaded
from tests.unit.waiting import LIMIT_S, wait_until

# What a program of these tests can do beside printing.
HEAD = """
import os, sys, time
from pathlib import Path

def say(text):
    print(text, flush=True)

def touch(name):
    Path(sys.argv[1], name).touch()

def wait_for(name):
    while not Path(sys.argv[1], name).exists():
        time.sleep(0.01)
"""
BEGIN = "say('===== test session starts =====')"


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    # Who starts the tests may have chosen a number.
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return loaded()


def program(folder: Path, *lines: str) -> tuple[str, ...]:
    """A command that runs these lines of Python after ``HEAD``."""
    return (sys.executable, "-c", HEAD + "\n".join(lines), str(folder))


def test_lanes_run_at_the_same_time_on_one_thread_each(tasks: ModuleType, tmp_path: Path) -> None:
    """Each of these two would wait for the other for ever if it came after it."""
    threads = "sys.exit(10 + int(os.environ['OMP_NUM_THREADS']))"
    ends = tasks.side_by_side(
        {
            "one": program(tmp_path, "touch('one')", "wait_for('two')", threads),
            "two": program(tmp_path, "touch('two')", "wait_for('one')"),
        }
    )
    assert ends == {"one": 11, "two": 0}


def test_a_single_core_runs_them_in_turn(
    tasks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    begun: list[subprocess.Popen[bytes]] = []

    def popen(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        assert all(other.poll() is not None for other in begun)
        begun.append(subprocess.Popen(*args, **options))
        return begun[-1]

    monkeypatch.setattr(tasks, "subprocess", SimpleNamespace(Popen=popen, STDOUT=subprocess.STDOUT))
    ends = tasks.side_by_side({name: program(tmp_path, "say(1)") for name in ("one", "two")})
    assert ends == {"one": 0, "two": 0}
    assert len(begun) == 2


def test_lines_name_their_lane_and_a_report_comes_whole(
    tasks: ModuleType, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    one = program(
        tmp_path,
        *(BEGIN, "say('one.py ...')", "say('===== FAILURES =====')", "say('one failed')"),
        *("touch('reports')", "wait_for('meanwhile')", "say('===== 1 failed =====')"),
    )
    two = program(
        tmp_path,
        *(BEGIN, "wait_for('reports')", "say('two.py \\N{SNOWMAN}')", "touch('meanwhile')"),
        "sys.stdout.write('no end of line')",
    )
    tasks.side_by_side({"one": one, "two": two})
    said = capfdbinary.readouterr().out.decode().replace("\r\n", "\n")
    report = "===== FAILURES =====\none failed\n===== 1 failed =====\n"
    lines = said.replace(report, "")
    assert lines != said
    assert sorted(lines.splitlines()) == [
        "one     | ===== test session starts =====",
        "one     | one.py ...",
        "two     | ===== test session starts =====",
        "two     | no end of line",
        "two     | two.py \N{SNOWMAN}",
    ]


def test_last_words_without_an_end_of_line_are_shown(
    tasks: ModuleType, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    words = ("sys.stdout.write('last ')", "sys.stdout.flush()")
    lane = tasks.Lane(
        "one", program(tmp_path, *words, "touch('said')", "wait_for('end')"), tmp_path
    )
    wait_until((tmp_path / "said").exists)
    assert lane.goes_on()
    (tmp_path / "end").touch()
    lane.process.wait(LIMIT_S)
    assert not lane.goes_on()
    assert capfdbinary.readouterr().out == b"one     | last "


def test_each_test_is_in_one_lane(tasks: ModuleType) -> None:
    """What one lane leaves out of a folder is what another runs."""
    taken = {
        name: {path for path in paths if not path.startswith("--")}
        for name, paths in tasks.LANES.items()
    }
    left_out = {
        name: {path.removeprefix("--ignore=") for path in paths if path.startswith("--")}
        for name, paths in tasks.LANES.items()
    }
    assert taken["screens"] == {"tests"}
    assert left_out["screens"] == taken["unit"]
    assert left_out["unit"] == taken["models"]
    assert left_out["models"] == set()
    assert all((ROOT / path).exists() for path in taken["unit"] | taken["models"])


def test_what_a_test_left_running_keeps_no_lane_waiting(tasks: ModuleType, tmp_path: Path) -> None:
    left = program(tmp_path, "wait_for('end')")
    try:
        leaves = program(tmp_path, "import subprocess", f"subprocess.Popen({left!r})")
        assert tasks.side_by_side({"one": leaves}) == {"one": 0}
    finally:
        (tmp_path / "end").touch()


@pytest.mark.skipif(
    os.name == "nt", reason="there Control-C is sent to a console, not to a program"
)
def test_control_c_ends_both_lanes(tmp_path: Path) -> None:
    lane = [
        "try:",
        "    touch(name)",
        "    wait_for('ever')",
        "except KeyboardInterrupt:",
        "    sys.exit(2)",
    ]
    names = ("one", "two")
    commands = {name: program(tmp_path, f"name = {name!r}", *lane) for name in names}
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
os.cpu_count = lambda: 2
import tasks

tasks.TASKS["test"] = lambda _: sys.exit(str(tasks.side_by_side({commands!r})))
tasks.main(["test"])
"""
    running = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, start_new_session=True
    )
    wait_until(lambda: all((tmp_path / name).exists() for name in names))
    # As a terminal does it: to all programs in its foreground.
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=LIMIT_S)
    assert said.decode().strip() == str(dict.fromkeys(names, 2))
