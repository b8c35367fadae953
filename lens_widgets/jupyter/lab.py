"""Starts JupyterLab on copies of the example notebooks: what ``lens-widgets demo`` does."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from lens_widgets.errors import InputError

QUICKSTART = "01_quickstart.ipynb"
DEFAULT_FOLDER = "lens_widgets_notebooks"
NO_DELAY = (
    "--ServerApp.kernel_websocket_connection_class=lens_widgets.jupyter.server.NoDelayConnection"
)
"""The flag that lets the server's replies leave at once."""

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries the notebooks inside the package; a checkout has them beside it.
_NOTEBOOKS = (_PACKAGE / "example_notebooks", _PACKAGE.parent / "example_notebooks")
# Threads of torch wait for each other by spinning, at first for milliseconds: beside a busy page
# two cores then need twenty times as long for a sweep of small matrices. This is about 40
# microseconds, and costs nothing when the cores are free.
_SPIN_COUNT = "3000"


def start(
    folder: Path, *, port: int | None = None, browser: bool = True, flags: Sequence[str] = ()
) -> None:
    """Copies the notebooks into ``folder`` and runs JupyterLab there until it is ended.

    Args:
        folder: where the notebooks go; made if it is missing.
        port: the port to listen on; JupyterLab takes the next free one if that is taken.
        browser: whether JupyterLab opens a browser; its URL is printed either way.
        flags: further flags of JupyterLab, such as ``--ip=0.0.0.0``.

    Raises:
        InputError: JupyterLab is not installed, or the folder cannot be written.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError(
            f"JupyterLab is not installed in {sys.prefix}.",
            'Install it with: pip install "lens_widgets[demo]"',
        )
    for name in copy_notebooks(folder):
        print(
            f"{folder / name} is not as it was shipped, so it is kept as it is "
            "(to have it anew, delete or rename it and start again)."
        )
    os.environ.update(environment(os.environ))
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(lab_flags(folder, port, browser, flags))


def copy_notebooks(folder: Path) -> list[str]:
    """Copies the example notebooks; returns the names of those left alone because they differ.

    Raises:
        InputError: the folder is a file, or cannot be written.
    """
    kept = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source in notebooks():
            target, content = folder / source.name, source.read_bytes()
            if not target.exists():
                target.write_bytes(content)
            elif target.read_bytes() != content:
                kept.append(source.name)
    except OSError as error:
        raise InputError(
            f"The notebooks cannot be put into {folder}: {error.strerror}.",
            "Name another folder with --dir.",
        ) from error
    return kept


def notebooks() -> list[Path]:
    """The example notebooks that came with this installation, the quickstart first."""
    for place in _NOTEBOOKS:
        if found := sorted(place.glob("*.ipynb")):
            return found
    raise RuntimeError(f"the example notebooks are missing: expected them in {_NOTEBOOKS[0]}")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """What JupyterLab and its kernels need in their environment, beside what is ``given``.

    The folder ``settings`` beside this file becomes a place where JupyterLab looks for defaults:
    with them, the state of widgets is saved with a notebook. A person's own settings still win and
    stay as they are.
    """
    path = [str(Path(__file__).with_name("settings")), given.get("JUPYTER_CONFIG_PATH", "")]
    return {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, path)),
        "GOMP_SPINCOUNT": given.get("GOMP_SPINCOUNT", _SPIN_COUNT),
    }


def lab_flags(folder: Path, port: int | None, browser: bool, flags: Sequence[str]) -> list[str]:
    """JupyterLab's arguments. Given ``flags`` come last, so that they win."""
    ours = [
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/lab/tree/{QUICKSTART}",
        NO_DELAY,
    ]
    if port is not None:
        ours.append(f"--port={port}")
    if not (browser and _has_display()):
        ours.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        ours.append("--allow-root")
    return [*ours, *flags]


def _has_display() -> bool:
    """Without one, on Linux, JupyterLab would start a browser for the terminal."""
    known = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.platform != "linux" or bool(known)
