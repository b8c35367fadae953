"""Array shapes in annotations, checked as the tests call the functions that have them.

``tests/conftest.py`` puts them on the package before it is imported. All other types are
mypy's: at run time they would need names that are imported for it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from beartype import beartype
from jaxtyping import AbstractArray

F = TypeVar("F", bound=Callable[..., Any])


def checked(function: F) -> F:
    """``function``, refusing arrays of other shapes or dtypes than it is annotated with."""
    hints = function.__annotations__
    function.__annotations__ = {
        name: hint if _has_shape(hint) else Any for name, hint in hints.items()
    }
    if not any(map(_has_shape, hints.values())):
        return function
    return beartype(function)


def _has_shape(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(map(_has_shape, get_args(hint)))
