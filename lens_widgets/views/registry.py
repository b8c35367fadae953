"""Every method that a page can ask for, by name; a view's class statement puts its own here."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from lens_widgets.views.question import Question

METHODS: dict[str, Question] = {}
"""``view/question`` and what answers it. One table for all views: an explorer shows several."""

VIEWS: dict[str, type] = {}
"""The views by the name that the page knows them under."""


def register(view: str, questions: dict[str, Question]) -> None:
    """Makes the questions of one view known under its name."""
    for name, found in questions.items():
        METHODS[f"{view}/{name}"] = found


def package_views() -> dict[str, type]:
    """The package's own views by name, every file of this room imported: class statements register
    them."""
    room = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        import_module(f"{room}.{module.name}")
    return {name: view for name, view in VIEWS.items() if view.__module__.startswith(room)}
