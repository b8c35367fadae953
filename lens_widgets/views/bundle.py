"""The built front end."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parents[1] / "static"

unbuilt_is_fine = False
"""True while the types are written that a bundle is built with."""


@cache
def bundle(name: str) -> str:
    """The text of a built front-end file; FileNotFoundError says how to build it.

    Of a path anywidget would watch the file for every view, and so keep each view, its session and
    its model until the kernel ends.
    """
    path = STATIC / name
    if not path.is_file() and unbuilt_is_fine:
        return ""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: build the front end with `make js`.")
    # A text of one line could be taken for a path.
    return f"{path.read_text(encoding='utf-8').rstrip()}\n"


def built(path: Path) -> str:
    """The bundle of a view outside of the package; until it is built, one that says so."""
    if path.is_file():
        return f"{path.read_text(encoding='utf-8').rstrip()}\n"
    missing = json.dumps(f"{path.name} is not built: node scripts/build_view.mjs makes it.")
    return f"export default {{ render({{ el }}) {{ el.textContent = {missing}; }} }};\n"
