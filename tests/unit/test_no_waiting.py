"""A batch of a sweep never waits for its device: nothing that lies there decides what comes next.

On a GPU, reading a number on the host means to wait until all work before it is done. Here the CPU
stands in: whatever is made of the model's weights, prompts and activations counts as lying on the
device, and asking it for a value is noted down. A metric of a user's own is another matter: what it
returns is looked at, variant by variant, so that a wrong one is told at once.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import lens_widgets as lw
from lens_widgets.engine import batch, sweep
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

A = lw.analysis
aten = torch.ops.aten

WAITS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.unique_consecutive.default,
    aten.repeat_interleave.Tensor,
}
"""Operations whose result, or its shape, the host has to know."""

INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
"""These wait where they are given a mask."""

TO_HOST = ("cpu", "tolist", "numpy", "item", "__bool__", "__int__", "__float__", "__array__")


class Device(TorchDispatchMode):
    """Notes what waits for a tensor that comes of ``tensors``."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()
        self.waits: list[str] = []
        # Kept, or their memory would be given to tensors of the host.
        self._kept: list[Tensor] = []
        self._memory: set[int] = set()
        self._take(tensors)

    def has(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._memory

    def note(self, what: str) -> None:
        frames = [f for f in traceback.extract_stack() if "/lens_widgets/" in f.filename]
        where = [f"{f.filename.rsplit('/lens_widgets/')[-1]}:{f.lineno}" for f in frames[-1:]]
        self.waits.append(" in ".join([what, *where]))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there = [tensor for tensor in given if self.has(tensor)]
        masks = func in INDEXING and any(t.dtype == torch.bool for t in given[1:] if self.has(t))
        if masks or (there and func in WAITS):
            self.note(str(func))
        made = func(*args, **(kwargs or {}))
        if there:
            self._take(leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor))
        return made

    def _take(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            if tensor.numel():
                self._kept.append(tensor)
                self._memory.add(tensor.untyped_storage().data_ptr())


@contextmanager
def noted(device: Device) -> Iterator[None]:
    """Inside, methods that bring a tensor's values to the host are noted too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in TO_HOST:
            patch.setattr(Tensor, name, _noting(name, getattr(Tensor, name), device))
        with device:
            yield


def _noting(name: str, method: Callable[..., Any], device: Device) -> Callable[..., Any]:
    def noting(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if device.has(tensor):
            device.note(name)
        return method(tensor, *args, **kwargs)

    return noting


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Of each batch of a sweep, what waited for the device."""
    found: list[list[str]] = []
    run_batch = batch.run_batch

    def noting(model: Any, check: Any, *, setup: batch.SweepSetup, **asked: Any) -> Any:
        reading = setup.reading
        calls = tree_leaves([(c.resid, c.args, c.kwargs) for c in setup.base.calls])
        own = [setup.final, setup.logits, setup.answers, reading.positions, reading.tokens]
        known = [*model.parameters(), *model.buffers(), *calls, *own]
        device = Device(tensor for tensor in known if isinstance(tensor, Tensor))
        with noted(device):
            made = run_batch(model, check, setup=setup, **asked)
        found.append(device.waits)
        return made

    monkeypatch.setattr(sweep, "run_batch", noting)
    return found


def _edges(session: lw.Session) -> Any:
    return A.edge_sweep(session, [("L0H1", "L1H2.q"), ("embed", "L1.mlp"), ("L1H2", "logits")])


SWEEPS: dict[str, Callable[[lw.Session], Any]] = {
    "heads": A.ablation_sweep,
    "resampled heads": lambda session: A.ablation_sweep(session, "resample"),
    "means of MLPs": lambda session: A.ablation_sweep(session, "mean", "mlp"),
    "stream": lambda session: A.patch_sweep(session, "resid_pre"),
    "heads by position": lambda session: A.patch_sweep(session, "z", by_pos=True),
    "patterns": lambda session: A.patch_sweep(session, "pattern"),
    "edges": _edges,
    "circuits": lambda session: A.circuit_curve(session, {("embed", "logits"): 1.0}, [0.1, 0.5]),
}


@pytest.mark.parametrize("model", ["gpt2", "llama"])
@pytest.mark.parametrize("name", SWEEPS)
def test_no_batch_waits_for_its_device(waits: list[list[str]], name: str, model: str) -> None:
    session = lw.Session(tiny(model), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    SWEEPS[name](session)
    assert waits
    assert [one for found in waits for one in found] == []


def test_what_waits_is_noted() -> None:
    weight, host = torch.ones(3), torch.ones(3)
    device = Device([weight])
    with noted(device):
        bool((host > 0).all()), host.nonzero(), host.tolist(), host[host > 0]
        assert device.waits == []
        made = weight * host
        made.nonzero()
        made[made > 0]
        made[:2].cpu()
        float(made.sum())
    assert [wait.split(" in ")[0] for wait in device.waits if "default" not in wait] == [
        "aten.index.Tensor",
        "cpu",
        "__float__",
    ]
    assert any("nonzero" in wait for wait in device.waits)
