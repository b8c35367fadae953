"""Nothing of ours follows ``torch.set_default_device``: a meta device stands in for another GPU."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import lens_widgets as lw
from tests.models import fresh
from tests.unit.some_numbers import small_session, some_numbers

PACKAGE = Path(lw.__file__).parent
MAKERS = "tensor as_tensor zeros ones full empty arange linspace eye rand randn randint randperm"


@pytest.fixture
def elsewhere() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


def test_every_number_is_the_same_under_another_default_device(elsewhere: None) -> None:
    torch.set_default_device(None)
    model = fresh("gpt2")
    expected = some_numbers(small_session(model))
    torch.set_default_device("meta")
    got = some_numbers(small_session(model))
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, atol=1e-6, err_msg=name)


def test_a_session_that_was_there_before_keeps_its_numbers(elsewhere: None) -> None:
    torch.set_default_device(None)
    session = small_session(fresh("gpt2"))
    before = session.baseline.tolist()
    torch.set_default_device("meta")
    session.edit_prompt(0, "w9 w8 w7 w6", answers=(20, 21), corrupted="w9 w8 w6 w6")
    session.set_prompts(["w5 w6 w7 w8", "w9 w6 w7"], answers=(20, 21))
    np.testing.assert_allclose(session.baseline.tolist(), before, atol=1e-6)
    session.refresh()
    np.testing.assert_allclose(session.current.tolist(), before, atol=1e-6)


def test_every_tensor_is_made_on_a_device_that_is_named() -> None:
    unnamed = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)[:60]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        # Training the demo models is a script of its own.
        if not path.name.startswith("train")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in {("torch", name) for name in MAKERS.split()}
        and not any(keyword.arg == "device" for keyword in node.keywords)
    ]
    assert unnamed == []
