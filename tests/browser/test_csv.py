"""What "copy CSV" gives is the answer to the question that the view shows, number by number."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from lens_widgets.views.registry import package_views
from tests.unit.page import decoded

from . import answers
from .conftest import Lab
from .test_takeaway import copied

Mount = Callable[..., Lab]
VIEWS = package_views()
SHOWN = {name: vars(view)["shown"] for name, view in VIEWS.items() if vars(view).get("shown")}


@pytest.mark.parametrize("view", sorted(SHOWN))
def test_copied_numbers_are_those_of_the_answer(mount: Mount, view: str) -> None:
    lab = mount(view, interventions=["L1H4"], selection={"layer": 1, "head": 2})
    header, *rows = csv.reader(io.StringIO(copied(lab, "copy CSV")))
    answer = answered(lab, f"{view}/{SHOWN[view]}")
    if header[0] == "":
        assert_is_a_grid_of(answer, rows)
    else:
        assert_is_a_table_of(answer, header, rows)


def answered(lab: Lab, method: str) -> xr.Dataset:
    """What the page was told when it last asked, from the real session behind it."""
    asked = lab.js("return kernel.requests.filter(({ method }) => method === arg);", method)
    told = answers.answer(lab.js("return kernel.described;"), method, asked[-1]["args"])
    assert told["kind"] == "reply", told
    return decoded(told["result"], [base64.b64decode(buffer) for buffer in told["buffers"]])


def assert_is_a_grid_of(answer: xr.Dataset, rows: list[list[str]]) -> None:
    """Names in front, and one variable's numbers."""
    grid = np.array([[number(cell) for cell in row[1:]] for row in rows], dtype=float)
    same = [
        name
        for name, variable in answer.variables.items()
        if variable.shape == grid.shape and variable.dtype.kind in "fiu"
        if np.allclose(variable.values.astype(float), grid, rtol=1e-6, atol=0, equal_nan=True)
    ]
    assert same, "no variable of the answer has these numbers"
    assert np.isfinite(grid).any()


def assert_is_a_table_of(answer: xr.Dataset, header: list[str], rows: list[list[str]]) -> None:
    """A line for each cell along some dimensions, and variables that lie along them."""
    dims = [name for name in header if name in answer.sizes]
    sizes = {dim: answer.sizes[dim] for dim in dims}
    assert len(rows) == np.prod(list(sizes.values()))
    compared = 0
    for column, name in enumerate(header):
        cells = [row[column] for row in rows]
        if name not in answer.variables:
            # Places along a dimension, or names of them.
            assert name in dims or not all(is_number(cell) for cell in cells), name
            continue
        spread = answer[name].variable.set_dims(sizes).transpose(*dims).values.ravel()
        if spread.dtype.kind in "fiu":
            found = np.array([number(cell) for cell in cells])
            np.testing.assert_allclose(found, spread.astype(float), rtol=1e-6, err_msg=name)
            compared += name not in dims and bool(np.isfinite(found).any())
        else:
            assert cells == [str(text) for text in spread], name
    assert compared > 0


def number(cell: str) -> float:
    return float(cell or "nan")


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
