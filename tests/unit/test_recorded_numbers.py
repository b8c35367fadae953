"""The numbers of both demos are those that were recorded."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

import lens_widgets as lw
from tests.unit.recorded_numbers import CONDITIONS, DEMOS, collect, quantities, recorded

OF_LARGEST = 1e-6
NOISE = 2e-6
"""Results are float32 whatever the model is; sums that cancel lose this much."""

OF_LARGEST_FLOAT32 = 2e-5
"""Two processors differ by 1.6e-5 where the model itself runs in float32."""


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("name", DEMOS)
def test_numbers_are_the_recorded_ones(name: str, condition: str) -> None:
    assert not differences(name, condition, torch.float64, OF_LARGEST, NOISE)


@pytest.mark.parametrize("name", DEMOS)
def test_models_as_they_are_shipped_have_these_numbers_in_float32(name: str) -> None:
    assert not differences(name, "edited", torch.float32, OF_LARGEST_FLOAT32, OF_LARGEST_FLOAT32)


def differences(
    name: str, condition: str, dtype: torch.dtype, of_largest: float, absolute: float
) -> dict[str, float]:
    """How far each quantity is off that is further off than allowed."""
    expected = {k: v for k, v in recorded().items() if k.startswith(f"{name}, {condition}: ")}
    found = collect(name, condition, dtype)
    assert found.keys() == expected.keys()
    wrong = {}
    for key, values in found.items():
        assert values.shape == expected[key].shape, key
        allowed = absolute + of_largest * np.nanmax(np.abs(expected[key]), initial=0.0)
        if not np.isclose(values, expected[key], rtol=0, atol=allowed, equal_nan=True).all():
            wrong[key] = float(np.nanmax(np.abs(values - expected[key])))
    return wrong


def test_every_public_function_is_recorded() -> None:
    source = inspect.getsource(quantities)
    generated = {f"{name}_circuit" for name in ("ov", "qk", "pos")}
    generated |= {f"{name}_composition_circuit" for name in "kqv"}
    # These came after the recording: their own tests compare them with plain modules.
    generated |= {"copying_scores"}
    generated |= {
        name
        for name in lw.analysis.__all__
        if ".circuits." in getattr(lw.analysis, name).__module__
    }
    missing = [
        name for name in lw.analysis.__all__ if name not in generated and f"a.{name}" not in source
    ]
    assert not missing
