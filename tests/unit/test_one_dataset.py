"""A view's numbers exist once: what is asked, sent, given and drawn is the same dataset.

Runs over every view that is registered; a new one needs no line here, unless its questions take
arguments that nothing in a view fills in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import xarray as xr
from jaxtyping import Float

import lens_widgets as lw
from lens_widgets.views.question import questions_of
from lens_widgets.views.registry import package_views
from lens_widgets.wire.dataset import Answer, Numbers, encode
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.models import tiny
from tests.unit.asking import OPTIONS, arguments
from tests.unit.cases import ANSWERS
from tests.unit.page import Page, decoded

TEXTS = ["w5 w6 w7 w5 w6 w7", "w11 w12 w13 w14"]
CORRUPTED = ["w15 w6 w17 w15 w6 w17", "w11 w22 w13 w24"]

VIEWS = package_views()
SHOWN = {name: vars(view)["shown"] for name, view in VIEWS.items() if vars(view).get("shown")}
QUESTIONS = sorted(
    (name, question.name)
    for name in SHOWN
    for question in questions_of(VIEWS[name]).values()
    if question.answer_type is not None
)


@pytest.fixture
def busy() -> lw.Session:
    """A session in which everything is chosen and the two runs differ."""
    session = lw.Session(tiny("gpt2"), TEXTS, answers=ANSWERS, corrupted=CORRUPTED)
    session.interventions.add(lw.Ablate("L0H1"))
    session.selection.update(
        layer=1, head=2, query_pos=3, key_pos=1, writer_layer=0, writer_head=1, stripe="induction"
    )
    return session


def opened(name: str, session: lw.Session) -> Any:
    return VIEWS[name](session, **OPTIONS.get(name, {}))


def assert_as_sent(reply: dict[str, Any], buffers: list[bytes], expected: xr.Dataset) -> None:
    """Every variable and attribute of a reply is that of the answer, as exact as its form is."""
    found = decoded(reply, buffers)
    assert set(reply["variables"]) == set(map(str, expected.variables))
    assert reply["attrs"] == json.loads(json.dumps(expected.attrs))
    for name, variable in expected.variables.items():
        values, sent = variable.values, found[name]
        assert sent.dims == variable.dims, name
        reference = reply["variables"][name]["values"]
        if isinstance(reference, list):
            assert reference == values.tolist(), name
            continue
        sides = reference.get("pool", (1, 1))
        truth = blocks(values, *sides)
        largest = np.nanmax(np.abs(truth), initial=0.0)
        signed = bool((truth < 0).any() or np.isnan(truth).any())
        form = "signed" if signed else "positive"
        if sides == (1, 1):
            form = variable.encoding.get("wire", "exact")
        if values.dtype.kind != "f" or form == "exact":
            assert reference["dtype"] in ("float32", "int32", "uint8")
            # What is computed twice may differ in the last bits of a float32.
            error = 1e-6 * largest if values.dtype.kind == "f" else 0
            np.testing.assert_allclose(
                sent.values, truth.astype(np.float32), rtol=0, atol=error, err_msg=str(name)
            )
            continue
        error = {"unit": 1 / 510, "positive": largest / 510, "signed": largest / 254}[form]
        np.testing.assert_allclose(
            sent.values, truth, rtol=0, atol=error * 1.001 + 1e-7, err_msg=str(name)
        )


def blocks(values: Any, rows: int, columns: int) -> Any:
    """Each number replaced by the one of the largest magnitude in its block."""
    if (rows, columns) == (1, 1):
        return values
    made = np.array(values)
    for row in range(0, made.shape[-2], rows):
        for column in range(0, made.shape[-1], columns):
            block = values[..., row : row + rows, column : column + columns]
            flat = block.reshape(*block.shape[:-2], -1)
            at = np.abs(flat).argmax(axis=-1)
            largest = np.take_along_axis(flat, at[..., None], axis=-1)
            made[..., row : row + rows, column : column + columns] = largest[..., None]
    return made


@pytest.mark.parametrize(("name", "question"), QUESTIONS)
def test_a_reply_is_the_answer(name: str, question: str, busy: lw.Session) -> None:
    view, asked = opened(name, busy), questions_of(VIEWS[name])[question]
    args = arguments(view, asked)
    page = Page(busy)
    identity = page.send(f"{name}/{question}", **msgspec.to_builtins(args))
    message = page.answer(identity)
    assert message["kind"] == "reply", message
    expected = asked.answer(busy, args)
    assert expected.variables or expected.attrs
    assert_as_sent(message["result"], page.buffers[identity], expected)


class Plane(Answer):
    plane: Float[Numbers, "row column"]
    line: Float[Numbers, "row"]


@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_what_was_pooled_to_fit_is_compared_by_blocks(lowest: float) -> None:
    generator = torch.Generator().manual_seed(0)
    plane = lowest + torch.rand(1_501, 2_003, generator=generator) * (1 - lowest)
    answer = Plane.dataset(plane=plane, line=torch.arange(1_501.0))
    reply, buffers = encode(answer, MAX_REPLY_BYTES)
    assert reply["variables"]["plane"]["values"]["pool"] != [1, 1]
    assert_as_sent(reply, buffers, answer)
    with pytest.raises(AssertionError, match="plane"):
        assert_as_sent(reply, buffers, answer.assign(plane=answer["plane"] * 0.9))


@pytest.mark.parametrize("name", SHOWN)
def test_data_is_the_answer_to_the_question_that_is_shown(name: str, busy: lw.Session) -> None:
    view = opened(name, busy)
    given, asked = view.data(), view.ask(SHOWN[name])
    names = set(given.variables) - set(asked.variables)
    # Beside it stand only the names of what is along a dimension.
    assert all(given[extra].dtype.kind in "OU" and given[extra].ndim == 1 for extra in names)
    xr.testing.assert_identical(given.drop_vars(names), asked)
    assert {"units", "definition"} & set(given.attrs), "numbers say what they are"


@pytest.mark.parametrize("name", SHOWN)
def test_a_figure_draws_no_number_that_is_not_in_an_answer(name: str, busy: lw.Session) -> None:
    """In the data, or in the answer to another question with which the view opens."""
    view = opened(name, busy)
    data = view.data()
    known = np.sort(np.concatenate([*numbers_of(data), *numbers_beside(view), [0.0]]))
    places = {float(i) for size in data.sizes.values() for i in range(size)}
    drawn = 0
    for trace in view.figure().data:
        for field, values in drawn_by(trace):
            drawn += len(values)
            at = np.searchsorted(known, values).clip(1, len(known) - 1)
            near = np.minimum(np.abs(known[at] - values), np.abs(known[at - 1] - values))
            strange = values[near > 1e-6 * np.abs(values) + 1e-12]
            if field in ("x", "y"):
                strange = [value for value in strange if value not in places]
            assert len(strange) == 0, f"{trace.type}.{field} draws {list(strange)[:5]}"
    assert drawn > 0


def numbers_beside(view: Any) -> Iterator[Any]:
    for question in questions_of(type(view)).values():
        if question.first and question.name != type(view).shown:
            yield from numbers_of(view.ask(question.name))


def numbers_of(data: xr.Dataset) -> Iterator[Any]:
    for variable in data.variables.values():
        if variable.dtype.kind in "fiub":
            flat = variable.values.astype(np.float64).ravel()
            yield flat[np.isfinite(flat)]
    yield np.array([v for v in data.attrs.values() if isinstance(v, (int, float))], dtype=float)


def drawn_by(trace: Any) -> Iterator[tuple[str, Any]]:
    """The finite numbers of a trace, by field; a treemap's sums are those of what is in them."""
    values = {field: finite(getattr(trace, field, None)) for field in ("x", "y", "z", "values")}
    for field in ("error_x", "error_y"):
        values[field] = finite(getattr(getattr(trace, field, None), "array", None))
    if trace.type in ("treemap", "sunburst"):
        parents, total = list(trace.parents), list(map(float, trace.values))
        within = {
            name: sum(size for size, parent in zip(total, parents, strict=True) if parent == name)
            for name in parents
        }
        for name, size in zip(trace.ids, total, strict=True):
            assert name not in within or size == within[name]
        leaves = [size for name, size in zip(trace.ids, total, strict=True) if name not in within]
        values["values"] = np.array(leaves)
    for field, found in values.items():
        if found is not None and len(found):
            yield field, found


def finite(values: Any) -> Any:
    """What is a number among the values; None for words."""
    if values is None:
        return None
    flat = np.array(values, dtype=object).ravel()
    if any(isinstance(value, str) for value in flat):
        return None
    numbers = np.array([np.nan if value is None else value for value in flat], dtype=np.float64)
    return numbers[np.isfinite(numbers)]
