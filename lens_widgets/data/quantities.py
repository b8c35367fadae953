"""A quantity of a batch of prompts, kept apart by prompt: what is stored of each record."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from lens_widgets.errors import InputError, shown
from lens_widgets.session.session import Session

Quantity = Callable[..., Any]

STORED = ("prompt", "corrupted", "answers", "group", "record", "n_tokens", "metric", "state")
"""What is stored of a record besides its quantities, which can have none of these names."""

EXAMPLE = 'For example quantities={"ablation": lw.analysis.ablation_sweep}.'


def check_quantities(quantities: Any) -> dict[str, Quantity]:
    """Functions by name; InputError for anything else."""
    if not isinstance(quantities, Mapping) or not quantities:
        raise InputError(f"quantities={shown(quantities)} is no mapping to functions.", EXAMPLE)
    for name, function in quantities.items():
        if not isinstance(name, str) or not name.isidentifier():
            raise InputError(
                f"quantities has the name {shown(name)}, which is no name of a variable.", EXAMPLE
            )
        if name in STORED:
            raise InputError(
                f"quantities has the name {name!r}, which every record has already.",
                "Choose another name.",
            )
        if not callable(function):
            raise InputError(f"quantities[{name!r}]={shown(function)} is no function.", EXAMPLE)
    return dict(quantities)


def of_each_prompt(name: str, function: Quantity, session: Session) -> xr.DataArray:
    """``function`` of a session with its prompts apart: the first dim is prompt.

    A function that takes ``per_prompt`` is asked for that; one that takes ``prompt`` is called once
    for each; any other must give a dim prompt by itself.
    """
    taken = _parameters(function)
    if "per_prompt" in taken:
        found = function(session, per_prompt=True)
    elif "prompt" in taken:
        n_prompts = session.prompt_set.n_prompts
        each = [_labelled(name, function(session, prompt=i)) for i in range(n_prompts)]
        found = xr.concat(each, "prompt", coords="minimal", compat="override", join="exact")
        # What was said of one prompt is stored with all.
        text = str(each[0].attrs.get("definition", "")).removesuffix(", prompt 0")
        found.attrs = {**each[0].attrs, "definition": text}
    else:
        found = function(session)
    array = _labelled(name, found)
    n_prompts = session.prompt_set.n_prompts
    if "prompt" not in array.dims or array.sizes["prompt"] != n_prompts:
        raise InputError(
            f"quantities[{name!r}] gives the dims {array.dims} for {n_prompts} prompts, without "
            "one value a prompt.",
            "Give a function whose result has a dim prompt, or that takes per_prompt or prompt.",
        )
    array = array.transpose("prompt", ...)
    # Numbers such as the metric before are means over the prompts of this batch alone.
    array.attrs = {k: v for k, v in array.attrs.items() if isinstance(v, (str, bool, int))}
    return array


def _parameters(function: Quantity) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return set()


def _labelled(name: str, found: Any) -> xr.DataArray:
    if isinstance(found, xr.DataArray):
        return found
    if isinstance(found, torch.Tensor) and found.dim() == 1:
        return xr.DataArray(found.detach().float().cpu().numpy(), dims=("prompt",))
    hint = "Give a function that returns one array with labels, as those of lw.analysis do."
    if isinstance(found, xr.Dataset):
        first = next(iter(found.data_vars), "x")
        hint = f"Choose one of its variables: lambda session: f(session)[{str(first)!r}]."
    raise InputError(f"quantities[{name!r}] gives a {type(found).__name__}.", hint)


def check_alone(
    name: str, together: xr.DataArray, alone: xr.DataArray, full_precision: bool
) -> None:
    """InputError when the first prompt's values in a batch are not those that it has alone.

    Then they are means over the batch in disguise, such as ablation by the mean over the session's
    prompts, and would depend on how the records were divided.
    """
    first, single = together.values[0], alone.values[0]
    same = first.shape == single.shape
    if same:
        largest = max(float(np.nanmax(np.abs(x), initial=0.0)) for x in (first, single))
        share = 1e-2 if full_precision else 0.2
        same = bool(np.allclose(first, single, rtol=0, atol=share * largest + 1e-6, equal_nan=True))
    if not same:
        raise InputError(
            f"quantities[{name!r}] of a prompt depends on the prompts beside it.",
            "Measure what each prompt has by itself: kind='mean' takes the mean over all prompts "
            "of a session, and normalize=True divides by one.",
        )


def described(function: Any) -> str:
    """A function in words that are the same in every process; of one without a name of its own,
    with a digest of what it does."""
    if isinstance(function, functools.partial):
        given = [shown(x) for x in function.args]
        given += [f"{key}={shown(value)}" for key, value in sorted(function.keywords.items())]
        return f"{described(function.func)}({', '.join(given)})"
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None or name.startswith("lens_widgets."):
        return name if name != "." else type(function).__qualname__
    return f"{name} {_digest(code)}"


def _digest(code: Any) -> str:
    parts = [code.co_code.hex(), *map(str, code.co_names)]
    parts += [_digest(x) if hasattr(x, "co_code") else repr(x) for x in code.co_consts]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
