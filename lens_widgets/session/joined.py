"""What was found for some prompts at a time, put together along the prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Joined:
    """Takes results part by part: tensors [prompt, ...], tuples, lists or dicts of them, or objects
    whose class has a ``joined`` of a list of them.

    A tensor is written into the whole as it comes, so that nothing is held twice.
    """

    def __init__(self, n_prompts: int) -> None:
        self._n_prompts = n_prompts
        self._done = 0
        self._whole: Any = None

    def add(self, found: Any, n_prompts: int) -> None:
        """The result of the next ``n_prompts``."""
        rows = slice(self._done, self._done + n_prompts)
        self._whole = self._put(self._whole, found, rows)
        self._done = rows.stop

    @property
    def whole(self) -> Any:
        """All of it, once every part has been added."""
        assert self._done == self._n_prompts, (self._done, self._n_prompts)
        return _assembled(self._whole)

    def _put(self, whole: Any, found: Any, rows: slice) -> Any:
        if isinstance(found, Tensor):
            if whole is None:
                shape = (self._n_prompts, *found.shape[1:])
                whole = torch.empty(shape, dtype=found.dtype, device=found.device)
            whole[rows] = found
            return whole
        if isinstance(found, Mapping):
            known = whole or {}
            return {key: self._put(known.get(key), each, rows) for key, each in found.items()}
        if isinstance(found, tuple | list):
            known = whole or [None] * len(found)
            return type(found)(
                self._put(one, each, rows) for one, each in zip(known, found, strict=True)
            )
        whole = whole or _Objects()
        whole.append(found)
        return whole


class _Objects(list[Any]):
    """Results of parts that are no tensors."""


def _assembled(whole: Any) -> Any:
    if isinstance(whole, _Objects):
        return type(whole[0]).joined(list(whole))
    if isinstance(whole, Mapping):
        return {key: _assembled(each) for key, each in whole.items()}
    if isinstance(whole, tuple | list):
        return type(whole)(_assembled(each) for each in whole)
    return whole


def joined(parts: Iterable[Tensor]) -> Tensor:
    """Small tensors [prompt, ...] of parts as one."""
    return torch.cat(list(parts))
