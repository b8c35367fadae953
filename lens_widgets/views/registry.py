"""Every method that a page can ask for, by name; a view's class statement puts its own here."""

from __future__ import annotations

from lens_widgets.views.question import Question
from lens_widgets.wire.dispatch import Answerable

METHODS: dict[str, Answerable] = {}
"""``view/question`` and what answers it. One table for all views: an explorer shows several."""

VIEWS: dict[str, type] = {}
"""The views by the name that the page knows them under."""


def register(view: str, questions: dict[str, Question]) -> None:
    """Makes the questions of one view known under its name."""
    for name, found in questions.items():
        METHODS[f"{view}/{name}"] = found
