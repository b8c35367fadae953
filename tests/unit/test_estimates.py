"""Maps choose the estimates that agree best with what they know exactly, and say so."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lens_widgets as lw
from lens_widgets.analysis.patching import patch_maps as maps_module
from lens_widgets.analysis.patching.patch_maps import patch_maps
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit.cases import ANSWERS

TEXTS = ["w5 w6 w7 w8 w9", "w11 w12 w13 w14 w15"]
OTHERS = ["w5 w6 w17 w8 w9", "w21 w12 w23 w14 w15"]


def _session(name: str) -> lw.Session:
    return lw.Session(tiny(name), TEXTS, answers=ANSWERS, corrupted=OTHERS)


def test_maps_take_the_method_that_agrees_best_with_their_exact_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maps_module, "MANY_LEFT", 0)
    session = _session("gpt2")
    nodes = ["resid_pre", "attn_out", "mlp_out"]
    steps = list(patch_maps(session, nodes, True, "corrupted"))
    assert len(steps) == steps[-1][1] + 2
    maps = steps[-1][2]
    for one in maps:
        exact = lw.analysis.patch_sweep(session, one.grid.node).values.ravel()
        found = {}
        for method in ("gradient", "integrated", "relp"):
            estimate = lw.analysis.estimate_sweep(session, one.grid.node, method=method)
            found[method] = np.corrcoef(estimate.values.ravel(), exact)[0, 1]
            assert estimate.attrs["linear_correlation"] == pytest.approx(found[method], abs=1e-6)
            assert estimate.attrs["n_exact"] == exact.size
        assert one.method == max(found, key=lambda name: found[name])
        assert one.agreement.linear == pytest.approx(found[one.method], abs=1e-6)
    told = lw.PatchingView(session, patch_maps="blocks").data().attrs["maps"]
    assert [info["method"] for info in told] == [one.method for one in maps]
    chosen = lw.PatchingView(session, estimate="gradient", patch_maps="blocks").data()
    assert {info["method"] for info in chosen.attrs["maps"]} == {"gradient"}


def test_integrated_gradients_are_tried_where_many_cells_are_left() -> None:
    *_, (_, _, (one,)) = patch_maps(_session("gpt2"), ["z"], False, "corrupted")
    assert set(one.estimates) == {"relp", "gradient"}


def test_maps_of_a_model_that_relp_does_not_fit_begin_with_gradients() -> None:
    _, _, (one,) = next(patch_maps(_session("mixtral"), ["z"], False, "corrupted"))
    assert one.method == "gradient"
    with pytest.raises(InputError, match="the MLP of layer 0 does not report"):
        next(patch_maps(_session("mixtral"), ["z"], False, "corrupted", "relp"))


def test_rounding_orders_nothing() -> None:
    """Cells that nothing reaches are ties, whatever rounding has left in them."""
    exact = xr.DataArray([0.0, 0.0, 0.0, 0.0, 0.5, -0.2, 0.9])
    estimate = xr.DataArray([0.0, 0.0, 0.0, 0.0, 0.4, -0.3, 0.2])
    noise = xr.DataArray([3e-8, -2e-8, 1e-7, -5e-8, 0.0, 0.0, 0.0])
    # Ranks about their mean: four times -0.5, then 2, -3, 3 and 3, -3, 2.
    expected = 22 / 23
    for added in (0 * noise, noise, noise[::-1]):
        found = lw.analysis.rank_correlation(estimate + added, exact + noise)
        assert found == pytest.approx(expected)
    assert np.isnan(lw.analysis.rank_correlation(0 * exact, exact))
