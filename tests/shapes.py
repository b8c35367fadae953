"""Array shapes in annotations, checked as the tests call the functions that have them.

``tests/conftest.py`` puts them on the package before it is imported. All other types are
mypy's: at run time they would need names that are imported for it alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar, get_args

import jaxtyping
from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook

F = TypeVar("F", bound=Callable[..., Any])

_jaxtyped: Callable[..., Any] = jaxtyping.jaxtyped
_without_shapes: set[tuple[str, int]] = set()


def check_shapes(packages: Sequence[str]) -> AbstractContextManager[Any]:
    """From now on, modules of these packages are imported with their shapes checked; to the end of
    the block, where it begins one.

    jaxtyping's hook decorates every function, and what it puts around one takes longer than many of
    them do: a third of the time of the unit tests, for functions without a shape.
    """
    vars(jaxtyping)["jaxtyped"] = _where_shapes_are
    hook: AbstractContextManager[Any] = install_import_hook(packages, "tests.shapes.checked")
    return hook


def _where_shapes_are(*, typechecker: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """``jaxtyping.jaxtyped``, leaving alone what has no shape among its annotations."""

    def decorated(target: Any) -> Any:
        # A function inside another one is made, and comes here, at each call of that.
        code = getattr(target, "__code__", None)
        where = ("", 0) if code is None else (code.co_filename, code.co_firstlineno)
        if where in _without_shapes:
            return target
        found: list[bool] = []

        def noted(function: Any) -> Any:
            checking = typechecker(function)
            found.append(checking is not function)
            return checking

        made = vars(target).get("__init__") if inspect.isclass(target) else None
        wrapped = _jaxtyped(target, typechecker=noted)
        if any(found):
            return wrapped
        if made is not None and vars(target)["__init__"] is not made:
            # That of a dataclass is put in its place.
            target.__init__ = made
        if code is not None:
            _without_shapes.add(where)
        return target

    return decorated


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
