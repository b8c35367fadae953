"""Functions that tests hook onto a model under a session to see what runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Hook = TypeVar("Hook", bound=Callable[..., Any])


def spy(hook: Hook) -> Hook:
    """``hook`` as if torch itself had put it there: a session refuses a model that others have
    hooked since it was opened."""
    hook.__module__ = "torch"
    return hook
