"""What MkDocs runs: adds the pages that are made from the package itself.

Everything is made once a process, so that `mkdocs serve` rebuilds a changed page at once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import live
import notebooks
import reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


@cache
def _made() -> dict[str, dict[str, str | bytes]]:
    """Each section's files by their path in the site; its pages in the order of the nav."""
    return {
        "Views": live.pages(),
        "Notebooks": notebooks.pages(),
        "Reference": reference.pages(),
    }


def on_config(config: MkDocsConfig) -> None:
    """Puts the made pages into the navigation."""
    for entry in config.nav or []:
        for section in entry if isinstance(entry, dict) else ():
            if section in _made():
                pages: list[Any] = [path for path in _made()[section] if path.endswith(".md")]
                entry[section] = pages


def on_files(files: Files, config: MkDocsConfig) -> None:
    for made in _made().values():
        for path, content in made.items():
            files.append(File.generated(config, path, content=content))
