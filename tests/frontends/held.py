"""What a kernel holds in tensors, and how everything a notebook made of ours is let go."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection
from typing import Any

import ipywidgets
import torch

from lens_widgets.session import Session


def let_go(shell: Any) -> None:
    """Closes all sessions and views, and forgets them as a person would who starts afresh."""
    for session in [value for value in shell.user_ns.values() if isinstance(value, Session)]:
        session.close()
    ipywidgets.Widget.close_all()
    # IPython's own memory: what cells put out, and the frames of the last exception.
    shell.displayhook.flush()
    shell.InteractiveTB.tb = None
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        setattr(sys, name, None)
    for names in (shell.user_ns, shell.user_ns_hidden):
        for name in [name for name, value in names.items() if _is_ours(value)]:
            del names[name]


def memories() -> dict[int, torch.Tensor]:
    """A tensor of each piece of memory that tensors hold, by its address."""
    gc.collect()
    return {
        item.untyped_storage().data_ptr(): item
        for item in gc.get_objects()
        if issubclass(type(item), torch.Tensor) and item.device.type != "meta"
    }


def largest_held(before: Collection[int], count: int = 5) -> list[str]:
    """The largest tensors whose memory is none of ``before``, and what refers to each, three steps
    up: for whoever has to find out why they are still there."""
    found = {at: tensor for at, tensor in memories().items() if at not in before}
    largest = sorted(found.values(), key=lambda tensor: -tensor.untyped_storage().nbytes())[:count]
    known = {id(found), id(largest)}
    return [f"{tuple(each.shape)}: {' <- '.join(_chain(each, known))}" for each in largest]


def _chain(thing: Any, known: set[int], steps: int = 3) -> list[str]:
    """Types of what refers to ``thing``, the first of each step; of a frame, where it stands."""
    names: list[str] = []
    for _ in range(steps):
        frame = sys._getframe()
        holders = [
            each
            for each in gc.get_referrers(thing)
            if id(each) not in known
            and each is not frame
            and type(each).__name__ != "list_iterator"
        ]
        if not holders:
            break
        thing = holders[0]
        known = known | {id(holders)}
        named = getattr(getattr(thing, "f_code", None), "co_qualname", None)
        names.append(str(named or f"{type(thing).__module__}.{type(thing).__name__}"))
    return names


def _is_ours(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(item, (Session, ipywidgets.Widget)) for item in values)
