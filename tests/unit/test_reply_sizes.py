"""Large models and long prompts fit a message; what is left out stays visible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.attention.patterns import attention_patterns
from lens_widgets.wire.messages import MAX_REPLY_BYTES
from tests.unit.cases import attention_only
from tests.unit.page import Page


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


@pytest.mark.parametrize("which", ["current", "difference"])
def test_thumbnails_of_a_thousand_heads_fit_by_pooling(wide: lw.Session, which: Any) -> None:
    page = Page(wide)
    result = page.ask("patterns", prompt=0, which=which)
    pool = result["pool"]
    assert pool > 1
    assert page.size(result) <= MAX_REPLY_BYTES
    # No coarser than needed: one step finer would not fit.
    assert 32 * 32 * (-(-64 // (pool - 1))) ** 2 > MAX_REPLY_BYTES
    expected = _pooled(attention_patterns(wide, which).values, pool)
    tolerance = np.abs(expected).max() / 254 if which == "difference" else 1 / 510
    got = page.array(result, "patterns")
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=tolerance + 1e-6)


@pytest.mark.parametrize("which", ["current", "difference"])
def test_a_long_pattern_is_quantised_and_its_lines_are_exact(long: lw.Session, which: Any) -> None:
    page = Page(long)
    head = {"prompt": 0, "which": which, "layer": 0, "head": 1}
    result = page.ask("pattern", **head)
    assert not result["exact"]
    assert result["pool"] == 1
    assert page.size(result) <= MAX_REPLY_BYTES
    expected = attention_patterns(long, which).values[0, 1]
    tolerance = np.abs(expected).max() / 254 if which == "difference" else 1 / 510
    np.testing.assert_allclose(page.array(result, "pattern"), expected, atol=tolerance + 1e-6)
    lines = page.ask("pattern_lines", query_pos=400, key_pos=7, **head)
    np.testing.assert_allclose(page.array(lines, "row"), expected[400], atol=1e-7)
    np.testing.assert_allclose(page.array(lines, "column"), expected[:, 7], atol=1e-7)


def test_a_pattern_too_long_even_for_bytes_is_pooled() -> None:
    session = attention_only(1, 2, 1100)
    page = Page(session)
    result = page.ask("pattern", prompt=0, which="current", layer=0, head=1)
    assert (result["exact"], result["pool"]) == (False, 2)
    assert page.size(result) <= MAX_REPLY_BYTES
    expected = _pooled(attention_patterns(session).values[0, 1], 2)
    np.testing.assert_allclose(page.array(result, "pattern"), expected, atol=1 / 510 + 1e-6)


def test_all_other_replies_of_a_large_session_fit(wide: lw.Session, long: lw.Session) -> None:
    for session in (wide, long):
        page = Page(session)
        for method, args in (
            ("token_stats", {"prompt": 0}),
            ("ablation/predictions", {"prompt": 0}),
            ("attribution", {"by": "head", "scope": "mean", "prompt": 0}),
            ("ablation/grid", {"ablation_kind": None, "prompt": None}),
        ):
            result = page.ask(method, **args)
            assert page.size(result) + len(repr(result)) <= MAX_REPLY_BYTES
