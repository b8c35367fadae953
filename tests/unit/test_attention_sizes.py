"""Patterns of large models and long prompts fit a message; what is left out stays visible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.attention.patterns import attention_patterns
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.unit.cases import attention_only
from tests.unit.page import Page

SHOWN = {"prompt": 0, "show": "current", "attention_mode": "pattern"}
HEAD = {**SHOWN, "layer": 0, "head": 1, "head_average": "none"}


def ref(page: Page, variable: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
    """How a variable travelled; the message as a whole must fit."""
    message = page.answer(page.send(method, **args))
    buffers = page.buffers[message["id"]]
    assert sum(map(len, buffers)) <= MAX_REPLY_BYTES
    found: dict[str, Any] = message["result"]["variables"][variable]["values"]
    return found


def part(rows: tuple[int, int], columns: tuple[int, int], args: dict[str, Any]) -> dict[str, Any]:
    """Of a head's pattern these queries and keys."""
    queries = {"query_start": rows[0], "query_stop": rows[1]}
    return {**args, **queries, "key_start": columns[0], "key_stop": columns[1]}


def _pooled(values: np.ndarray[Any, Any], pool: int) -> np.ndarray[Any, Any]:
    """The value of largest magnitude in each block of ``pool`` x ``pool`` cells."""
    side = -(-values.shape[-1] // pool)
    blocks = np.zeros((*values.shape[:-2], side, side))
    for query in range(side):
        for key in range(side):
            block = values[..., query * pool : (query + 1) * pool, key * pool : (key + 1) * pool]
            high, low = block.max(axis=(-2, -1)), block.min(axis=(-2, -1))
            blocks[..., query, key] = np.where(high >= -low, high, low)
    return blocks


@pytest.mark.parametrize("show", ["current", "difference"])
def test_thumbnails_of_a_thousand_heads_fit_by_pooling(wide: lw.Session, show: Any) -> None:
    args = {**SHOWN, "show": show}
    sent = ref(Page(wide), "patterns", "attention/patterns", args)
    assert "pool" not in sent, "blocks were made once, by the model's run"
    found = Page(wide).dataset("attention/patterns", **args)
    pool = found.attrs["pool"]
    assert pool > 1
    # No coarser than needed: one step finer would not fit.
    assert 32 * 32 * (-(-64 // (pool - 1))) ** 2 > MAX_REPLY_BYTES
    expected = _pooled(attention_patterns(wide, show).values, pool)
    tolerance = np.abs(expected).max() / 254 if show == "difference" else 1 / 510
    np.testing.assert_allclose(found["patterns"], expected, atol=tolerance + 1e-6)


@pytest.mark.parametrize("show", ["current", "difference"])
def test_a_long_pattern_is_rounded_and_its_parts_are_exact(long: lw.Session, show: Any) -> None:
    page, args = Page(long), {**HEAD, "show": show}
    sent = ref(page, "pattern", "attention/pattern", args)
    assert sent["dtype"] == ("int8" if show == "difference" else "uint8")
    assert "pool" not in sent
    expected = attention_patterns(long, show).values[0, 1]
    tolerance = np.abs(expected).max() / 254 if show == "difference" else 1 / 510
    found = page.dataset("attention/pattern", **args)
    np.testing.assert_allclose(found["pattern"], expected, atol=tolerance + 1e-6)
    n = len(expected)
    for rows, columns in (((400, 401), (0, n)), ((0, n), (7, 8)), ((n - 499, n), (1, 500))):
        args_of_part = part(rows, columns, args)
        assert ref(page, "pattern", "attention/pattern_part", args_of_part)["dtype"] == "float32"
        cells = page.dataset("attention/pattern_part", **args_of_part)["pattern"]
        np.testing.assert_allclose(
            cells, expected[slice(*rows), slice(*columns)], atol=1e-7, rtol=1e-7
        )
    error = page.error("attention/pattern_part", **part((0, 500), (0, 500), args))
    assert error["message"] == "500 x 500 cells do not fit a message."
    assert "1,000,000 bytes" in error["hint"]
    long.selection.update(layer=0, head=1)
    exact = lw.AttentionView(long, show=show).data()["pattern"]
    np.testing.assert_allclose(exact, expected, atol=1e-7)


def test_a_pattern_too_long_even_for_bytes_is_pooled() -> None:
    session = attention_only(1, 2, 1100)
    page = Page(session)
    assert ref(page, "pattern", "attention/pattern", HEAD)["pool"] == [2, 2]
    expected = _pooled(attention_patterns(session).values[0, 1], 2)
    found = page.dataset("attention/pattern", **HEAD)["pattern"].values[::2, ::2]
    np.testing.assert_allclose(found, expected, atol=1 / 510 + 1e-6)


@pytest.mark.parametrize("mode", ["value", "scores"])
@pytest.mark.parametrize("show", ["current", "difference"])
@pytest.mark.parametrize("name", ["wide", "long"])
def test_all_modes_of_a_large_session_fit(
    mode: str, show: str, name: str, request: pytest.FixtureRequest
) -> None:
    page = Page(request.getfixturevalue(name))
    args = {"prompt": 0, "show": show, "attention_mode": mode}
    ref(page, "patterns", "attention/patterns", args)
    for average in ("none", "all"):
        ref(page, "pattern", "attention/pattern", {**HEAD, **args, "head_average": average})


def test_pooled_scores_are_absent_only_where_every_cell_is(wide: lw.Session) -> None:
    found = Page(wide).dataset("attention/patterns", **{**SHOWN, "attention_mode": "scores"})
    pool = found.attrs["pool"]
    assert pool > 1
    absent = np.isnan(found["patterns"].values)
    side = absent.shape[-1]
    for query in range(side):
        for key in range(side):
            # The block's lower left corner is the last to be masked.
            last = min((query + 1) * pool, 64) - 1
            assert bool(absent[0, 0, query, key]) is (key * pool > last)
