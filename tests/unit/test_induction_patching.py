"""Patching repeated random tokens: what TransformerLens's demo says of each corrupted half.

Clean is AA, the same random sequence twice, and the metric the mean log probability of A's tokens
in the second half. Which activation repairs the corrupted run tells what an induction head uses.
"""

from __future__ import annotations

from functools import cache

import pytest
import xarray as xr

import lens_widgets as lw
from lens_widgets.analysis.patching.nodes import head_nodes
from lens_widgets.models.demo.train_induction import INDUCTION_HEADS

REPAIRED = 0.2
"""Share of the lost log probability that one of the two induction heads brings back by itself."""


@cache
def _session(corrupted: str) -> lw.Session:
    model = lw.load_demo("induction")
    pairs = lw.prompts.repeated_tokens(model, seq_len=20, batch=4, corrupted=corrupted)
    return lw.Session(model, pairs, metric=pairs.metric)


@cache
def _map(corrupted: str, node: str) -> xr.DataArray:
    """Log probability after patching each head at all positions."""
    return lw.analysis.patch_sweep(_session(corrupted), node)


def _restored(corrupted: str, node: str) -> xr.DataArray:
    values = _map(corrupted, node)
    low, high = values.attrs["corrupted"], values.attrs["clean"]
    return (values - low) / (high - low)


@pytest.mark.parametrize("corrupted", ["AB", "BA", "BB", "BC"])
@pytest.mark.parametrize("node", head_nodes())
def test_what_repairs_the_second_half(corrupted: str, node: str) -> None:
    """AB lacks queries, BB only values; BA and BC lack more than one thing at once."""
    repairs = {
        "AB": ("z", "q", "pattern"),
        "BB": ("z", "v"),
        "BA": ("z",),
        "BC": ("z",),
    }[corrupted]
    restored = _restored(corrupted, node)
    if node in repairs:
        for head in INDUCTION_HEADS:
            assert float(restored[1, head]) > REPAIRED
        others = [head for head in range(8) if head not in INDUCTION_HEADS]
        assert float(restored[1, others].max()) < 0.1
        return
    # BB predicts B with confidence. A patch that confuses it lets go of B without finding A: no
    # better than random tokens, on which nothing can be predicted.
    chance = _session("BC").corrupted_run().metric.mean()
    nothing = max(float(_map(corrupted, node).attrs["corrupted"]), float(chance))
    assert float(_map(corrupted, node).max()) < nothing + 0.1


def test_clean_is_foreseen_and_what_is_corrupted_is_not() -> None:
    for corrupted in ("AB", "BA", "BB", "BC"):
        session = _session(corrupted)
        assert float(session.baseline.mean()) > -1
        assert float(session.corrupted_run().metric.mean()) < -6


def test_the_same_value_repairs_through_the_output() -> None:
    """With AA's pattern already there, a head's output is its value: BB's maps agree."""
    for head in INDUCTION_HEADS:
        z, v = (float(_restored("BB", node)[1, head]) for node in ("z", "v"))
        assert z == pytest.approx(v, abs=0.02)
        assert z > 0.5
