"""Devices that this machine does not have, pretended: every tensor is on the CPU, and is told apart
by the device that it says it is on.

As on a machine with GPUs, an operation on tensors of two devices fails (but for numbers without
dimensions and indices on the host), and so does reading one of a GPU as an array. A tensor goes to
another device by ``to``, ``cpu`` or ``cuda`` alone, or is made there. What stands here is thus how
torch treats devices, and nothing of how quick or exact a GPU is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

HOST = torch.device("cpu")

_DEVICE = Tensor.device.__get__
_ARRAYS = (Tensor.numpy, Tensor.__array__)
_MOVES = {Tensor.cpu: HOST, Tensor.cuda: torch.device("cuda", 0)}
# Operations that torch itself lets work across devices.
_ACROSS = {"copy_", "_copy_from", "set_"}
_INDEXED = {"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"}


class _Places:
    """Where memory is said to be; a weak reference keeps an address from being used again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[StorageWeakRef, torch.device]] = {}
        self._lock = threading.Lock()

    def of(self, tensor: Tensor) -> torch.device | None:
        known = self._known.get(tensor.untyped_storage()._cdata)
        return None if known is None else known[1]

    def put(self, tensor: Tensor, device: torch.device) -> None:
        storage = tensor.untyped_storage()
        with self._lock:
            self._known[storage._cdata] = StorageWeakRef(storage), device
            if len(self._known) % 4096 == 0:
                gone = [key for key, (weak, _) in self._known.items() if weak.expired()]
                for key in gone:
                    del self._known[key]


class Mixed(RuntimeError):
    """An operation on tensors of two devices."""


class PretendedDevices:
    """Inside of ``on``, and in threads that begin inside, devices are pretended."""

    def __init__(self) -> None:
        self._places = _Places()
        self.moves = 0
        """How often a tensor went from one device to another."""
        self.mixed: list[str] = []
        """What failed, whoever caught it."""

    @contextmanager
    def on(self) -> Iterator[None]:
        """Pretends in this thread, and in those that begin meanwhile."""
        begin = threading.Thread.run

        def run(thread: threading.Thread) -> None:
            with self._here():
                begin(thread)

        with patch.object(threading.Thread, "run", run), self._here():
            yield

    @contextmanager
    def _here(self) -> Iterator[None]:
        with _Operations(self), _Calls(self):
            yield

    def device(self, tensor: Tensor) -> torch.device:
        """Where a tensor says it is."""
        if type(tensor).__name__ == "FakeTensor" or tensor.is_meta:
            return torch.device("meta")
        return self._places.of(tensor) or HOST

    def put(self, tensor: Tensor, device: torch.device) -> None:
        """Says where a new tensor is."""
        self._places.put(tensor, device)

    def moved(self, tensor: Tensor, device: torch.device) -> Tensor:
        """The tensor on another device, as autograd sees it too."""
        if self.device(tensor) == device:
            return tensor
        self.moves += 1
        there: Tensor = _Move.apply(self, tensor, device)
        return there


class _Move(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, devices: PretendedDevices, tensor: Tensor, device: torch.device
    ) -> Tensor:
        ctx.devices, ctx.origin = devices, devices.device(tensor)
        there = tensor.detach().clone()
        devices.put(there, device)
        return there

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        back = grads[0].clone()
        ctx.devices.put(back, ctx.origin)
        return None, back, None


def _as_device(value: Any) -> torch.device | None:
    """A device by whatever names it; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, torch.device)):
        return None
    try:
        found = torch.device("cuda", value) if isinstance(value, int) else torch.device(value)
    except RuntimeError:
        return None
    return torch.device("cuda", 0) if found == torch.device("cuda") else found


class _Calls(TorchFunctionMode):
    """What a caller says of devices."""

    def __init__(self, devices: PretendedDevices) -> None:
        super().__init__()
        self._devices = devices

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == _DEVICE:
            return self._devices.device(args[0])
        if func in _ARRAYS and self._devices.device(args[0]) != HOST:
            raise TypeError("can't convert a tensor of another device to numpy: use cpu() first")
        if func in _MOVES:
            return self._devices.moved(args[0], _MOVES[func])
        if func is Tensor.to:
            return self._to(*args, **kwargs)
        wanted = _as_device(kwargs.get("device"))
        if wanted is None or wanted.type not in ("cuda", "cpu"):
            return func(*args, **kwargs)
        made = func(*args, **{**kwargs, "device": HOST})
        # Of a tensor that is given as it is, there is none to be told apart.
        given = [a for a in args if isinstance(a, Tensor)]
        if isinstance(made, Tensor):
            if any(made is each for each in given) or func is torch.as_tensor:
                return self._devices.moved(made, wanted)
            self._devices.put(made, wanted)
        return made

    def _to(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        wanted = _as_device(kwargs.pop("device", None))
        for value in args:
            if isinstance(value, Tensor):
                wanted, kwargs["dtype"] = self._devices.device(value), value.dtype
            elif isinstance(value, torch.dtype):
                kwargs["dtype"] = value
            else:
                wanted = _as_device(value) or wanted
        kwargs = {key: value for key, value in kwargs.items() if value is not None}
        kwargs.pop("non_blocking", None)
        if wanted is not None and wanted.type == "meta":
            return Tensor.to(tensor, wanted)
        made = Tensor.to(tensor, **{"dtype": tensor.dtype, **kwargs})
        return made if wanted is None else self._devices.moved(made, wanted)


class _Operations(TorchDispatchMode):
    """What torch does with devices, operation by operation, in a backward pass too."""

    def __init__(self, devices: PretendedDevices) -> None:
        super().__init__()
        self._devices = devices

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        asked = tensors
        if name in _INDEXED:
            asked = [args[0]] + ([args[2]] if len(args) > 2 else [])
            asked += [
                i
                for i in tree_leaves(args[1])
                if isinstance(i, Tensor) and self._devices.device(i) != HOST
            ]
        places = {self._devices.device(each) for each in asked if each.dim()}
        places |= {p for each in asked if (p := self._devices.device(each)) != HOST}
        if name not in _ACROSS and len(places) > 1:
            what = f"{func}: tensors on {', '.join(sorted(map(str, places)))}"
            self._devices.mixed.append(what)
            raise Mixed(what)
        made = func(*args, **kwargs)
        here = self._devices.device(tensors[0]) if name in _ACROSS and tensors else None
        where = here or next(iter(places), HOST)
        known = {each.untyped_storage()._cdata for each in tensors if not each.is_meta}

        def put(each: Tensor) -> Tensor:
            if not each.is_meta and each.untyped_storage()._cdata not in known:
                self._devices.put(each, where)
            return each

        tree_map_only(Tensor, put, made)
        return made
