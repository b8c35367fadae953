"""The shapes in annotations are checked while tests run, and only they cost time."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch
from jaxtyping import AbstractArray, TypeCheckError

from lens_widgets.engine.forward import unembed_tokens
from tests.conftest import LAYERS
from tests.models import tiny
from tests.shapes import check_shapes

Function = Callable[..., Any]


def functions() -> Iterator[Function]:
    """Every function and method that is written in one of the layers."""
    for layer in LAYERS:
        package = importlib.import_module(f"lens_widgets.{layer}")
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            classes = [c for c in vars(module).values() if inspect.isclass(c)]
            for holder in (module, *(c for c in classes if c.__module__ == module.__name__)):
                for value in vars(holder).values():
                    if inspect.isfunction(value) and value.__module__ == module.__name__:
                        yield value


def has_shape(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(map(has_shape, get_args(hint)))


def is_annotated(function: Function) -> bool:
    """Whether one of its annotations has a shape, as far as their names are known at run time."""
    known = vars(inspect.getmodule(function))
    for text in function.__annotations__.values():
        try:
            (hint,) = get_type_hints(type("", (), {"__annotations__": {"_": text}}), known).values()
        except (NameError, TypeError):
            # Imported for mypy alone, or written for it.
            continue
        if has_shape(hint):
            return True
    return False


def is_checked(function: Any) -> bool:
    """Whether jaxtyping put something around it, below or above other decorators."""
    while "jaxtyping" not in function.__code__.co_filename:
        if not hasattr(function, "__wrapped__"):
            return False
        function = function.__wrapped__
    return True


def test_what_has_a_shape_is_checked_and_nothing_else_is() -> None:
    found = {f"{f.__module__}.{f.__qualname__}": f for f in functions()}
    annotated = {name for name, function in found.items() if is_annotated(function)}
    assert {name for name, function in found.items() if is_checked(function)} == annotated
    assert len(found) > 2 * len(annotated) > 400


def test_an_array_of_another_shape_is_refused() -> None:
    tokens = torch.zeros(3, 2, dtype=torch.long)
    with pytest.raises(TypeCheckError, match="d_model"):
        unembed_tokens(tiny("gpt2"), torch.ones(3, 4), torch.ones(3, 2, 5), tokens)


OUTSIDE = """
from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

def made():
    def square(x: Float[Tensor, "n n"]) -> Tensor:
        return x

    def any_shape(x: Tensor) -> Tensor:
        return x

    return square, any_shape
"""


def test_a_function_inside_another_is_checked_whenever_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside_of_the_package.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path)
    with check_shapes(["outside_of_the_package"]):
        module = importlib.import_module("outside_of_the_package")
    for _ in range(2):
        square, any_shape = module.made()
        with pytest.raises(TypeCheckError):
            square(torch.ones(2, 3))
        assert not is_checked(any_shape)
