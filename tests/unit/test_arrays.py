"""Arrays decode to what they were, within the error their encoding promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lens_widgets.wire.arrays import Packed, exact, integers, reference, signed, weights
from lens_widgets.wire.messages import ArrayRef, checked


def decode(packed: Packed) -> np.ndarray[Any, Any]:
    """As the front end does: value = raw * scale + offset, row-major."""
    buffers: list[bytes] = []
    ref = checked(ArrayRef, reference(packed, buffers), "values")
    raw = np.frombuffer(buffers[ref["buffer"]], dtype=ref["dtype"])
    return (raw.astype(np.float64) * ref["scale"] + ref["offset"]).reshape(ref["shape"])


def _random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_attention_weights_are_off_by_at_most_one_in_510() -> None:
    values = torch.cat([_random(10_000), torch.tensor([0.0, 1.0, 1 / 510, 0.5])])
    got = decode(weights(values))
    assert np.abs(got - values.numpy()).max() <= 1 / 510 + 1e-7
    assert (got[-4], got[-3]) == (0.0, 1.0)


def test_weights_beyond_rounding_are_cut() -> None:
    assert decode(weights(torch.tensor([-1e-7, 1.0000001]))).tolist() == [0.0, 1.0]


def test_signed_values_are_off_by_at_most_one_in_254_of_the_largest() -> None:
    values = (_random(10_000) - 0.5) * 7
    values[0] = 0.0
    got = decode(signed(values))
    assert np.abs(got - values.numpy()).max() <= values.abs().max().item() / 254 + 1e-6
    assert got[0] == 0.0
    assert np.abs(got).max() == pytest.approx(values.abs().max().item())


@pytest.mark.parametrize("values", [torch.zeros(3), torch.zeros(0), torch.full((2,), -1e-30)])
def test_signed_values_of_no_size_survive(values: Tensor) -> None:
    np.testing.assert_allclose(decode(signed(values)), values.numpy(), atol=1e-29)


def test_exact_values_are_exact() -> None:
    values = _random(3, 5, 7) * 1e10 - 3e-7
    values[0, 0, 0], values[0, 0, 1] = float("nan"), float("inf")
    np.testing.assert_array_equal(decode(exact(values)), values.double().numpy())


def test_other_precisions_are_sent_as_float32() -> None:
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        values = _random(4).to(dtype)
        packed = exact(values)
        assert packed.raw.dtype == np.float32
        np.testing.assert_array_equal(decode(packed), values.float().numpy())


def test_integers_are_exact() -> None:
    values = torch.tensor([[0, -1, 50_256], [2**31 - 1, -(2**31), 7]])
    np.testing.assert_array_equal(decode(integers(values)), values.numpy())


def test_views_that_are_not_contiguous_are_sent_row_by_row() -> None:
    values = _random(4, 3).T[::2]
    np.testing.assert_array_equal(decode(exact(values)), values.numpy())


def test_gradients_do_not_get_in_the_way() -> None:
    values = _random(4).requires_grad_()
    for encode in (exact, weights, signed):
        decode(encode(values))


def test_each_array_of_a_result_gets_a_buffer_of_its_own() -> None:
    buffers: list[bytes] = []
    refs = [reference(values, buffers) for values in (exact(_random(2)), weights(_random(3)))]
    assert [ref["buffer"] for ref in refs] == [0, 1]
    assert [len(buffer) for buffer in buffers] == [8, 3]
