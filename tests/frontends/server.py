"""Starts servers of their own: free port, empty home, own process group."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lens_widgets.jupyter import lab
from lens_widgets.models.demo.converted import cache_folder
from tests.browser.pages import ROOT
from tests.frontends.kernel import wait_until

SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}
START_TIMEOUT_S = 60


@contextmanager
def run_server(home: Path, *flags: str, application: str = "jupyterlab") -> Iterator[str]:
    """The URL of a JupyterLab that keeps everything it writes in ``home``.

    ``application`` can be another Jupyter server with the same flags, such as ``notebook``.
    """
    make_home(home)
    for name, values in SETTINGS.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port = free_port()
    command = [
        *(sys.executable, "-m", application, "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", "--ServerApp.password=", "--expose-app-in-browser"),
        "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={home / 'notebooks'}",
        *flags,
    ]
    with serve(command, home, f"http://127.0.0.1:{port}/", "api/status") as url:
        yield url


def make_home(home: Path) -> None:
    """Empty folders for everything a Jupyter server or kernel keeps.

    The converted SmolLM2 is the one of all tests: converting it takes half a minute.
    """
    for name in ("config", "data", "runtime", "settings", "workspaces", "ipython", "notebooks"):
        (home / name).mkdir()
    converted = cache_folder().parent
    converted.mkdir(parents=True, exist_ok=True)
    (home / "data" / converted.name).symlink_to(converted, target_is_directory=True)


@contextmanager
def serve(
    command: Sequence[str],
    home: Path,
    url: str,
    path: str = "",
    env: dict[str, str] | None = None,
) -> Iterator[str]:
    """A server in a process group of its own, once it answers at ``path`` of ``url``.

    It has the environment of :func:`environment`, with ``env`` over it.
    """
    log = home / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=home,
            env={**environment(home), **(env or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:

        def answers() -> bool:
            assert server.poll() is None, f"{command} ended:\n{log.read_text()}"
            try:
                with urllib.request.urlopen(f"{url}{path}", timeout=5):
                    return True
            except OSError:
                return False

        wait_until(answers, f"{' '.join(command[:3])} answers at {url}", START_TIMEOUT_S)
        yield url
    finally:
        _end(server)


def environment(home: Path) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        # As the demo starts it: with these a notebook keeps the state of its widgets.
        **lab.environment(os.environ),
        "PYTHONPATH": os.pathsep.join(paths),
        "HF_HUB_OFFLINE": "1",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "data"),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ends the server and the kernels it started, and nothing else."""
    if os.name == "nt":
        server.terminate()
        server.wait(timeout=30)
        return
    for kind in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, kind)
            server.wait(timeout=20)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        return
