"""A labelled dataset on the wire: dimensions, variables, attributes.

What a question answers is one ``xarray.Dataset``. An ``Answer`` class declares it: which variables
it has, along which dimensions, with which attributes. The declaration gives the TypeScript type,
is what replies are held against before they leave, and builds the dataset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import xarray as xr
from torch import Tensor

from lens_widgets.wire.arrays import WireForm, packed, pooled_to_fit, reference, sent_bytes


class Numbers(np.ndarray[Any, np.dtype[Any]]):
    """In an ``Answer``: ``Float[Numbers, "layer head"]``, or ``Int``, or ``Bool``."""


class Texts(np.ndarray[Any, np.dtype[Any]]):
    """In an ``Answer``: ``Shaped[Texts, "pos"]``, strings along a dimension."""


COUNTED = ("layer", "head", "pos", "query_pos", "key_pos", "prompt", "neuron")
"""Dimensions whose coordinate is the index, unless an answer gives one."""


@dataclass(frozen=True)
class Variable:
    """One declared variable: its dimensions, whether it is text, whether it may be left out."""

    name: str
    dims: tuple[str, ...]
    text: bool
    optional: bool


@dataclass(frozen=True)
class Shape:
    """What an ``Answer`` declares: variables by name, and the types of its attributes."""

    variables: dict[str, Variable]
    attrs: dict[str, Any]


class Answer:
    """Base of the declarations of what questions answer.

    Annotations of the class are the dataset: ``Float[Numbers, "layer head"]`` and
    ``Shaped[Texts, "pos"]`` are variables along these dimensions (``| None``: may be left out),
    anything else is an attribute of that type. ``coords`` names numbers that are coordinates;
    texts along one dimension always are.

    Example::

        class Scores(Answer):
            kind: Shaped[Texts, "kind"]
            current: Float[Numbers, "kind layer head"]
            units: str

        Scores.dataset(kind=["previous"], current=values, units="attention weight")
    """

    coords: ClassVar[tuple[str, ...]] = ()
    _shape: ClassVar[Shape]

    @classmethod
    def dataset(cls, /, wire: dict[str, WireForm] | None = None, **values: Any) -> xr.Dataset:
        """The dataset with these values; TypeError where they do not fit the declaration.

        ``wire`` says which variables travel in one byte a number instead of as float32.
        """
        shape = cls.declaration()
        variables: dict[str, xr.Variable] = {}
        for name, variable in shape.variables.items():
            if values.get(name) is not None:
                variables[name] = xr.Variable(
                    variable.dims, _plain(values.pop(name), variable.text)
                )
            else:
                values.pop(name, None)
        for dim in {dim for variable in variables.values() for dim in variable.dims}:
            if dim in COUNTED and dim not in variables:
                size = next(v.sizes[dim] for v in variables.values() if dim in v.dims)
                variables[dim] = xr.Variable((dim,), np.arange(size))
        attrs = {name: _json(value) for name, value in values.items()}
        coords = {name: v for name, v in variables.items() if cls._is_coord(name, v)}
        data = {name: v for name, v in variables.items() if name not in coords}
        made = xr.Dataset(data, coords, attrs)
        for name, form in (wire or {}).items():
            made[name].encoding["wire"] = form
        check_answer(cls, made)
        return made

    @classmethod
    def declaration(cls) -> Shape:
        """What the class declares, read from its annotations once.

        An answer whose variables are named elsewhere, such as in a table, adds them here.
        """
        known: Shape | None = vars(cls).get("_shape")
        if known is None:
            known = cls._shape = _read(cls)
        return known

    @classmethod
    def _is_coord(cls, name: str, variable: xr.Variable) -> bool:
        text = variable.dtype.kind in "OU"
        return variable.dims == (name,) or name in cls.coords or (text and variable.ndim == 1)


def _read(answer: type[Answer]) -> Shape:
    variables: dict[str, Variable] = {}
    attrs: dict[str, Any] = {}
    for name, hint in get_type_hints(answer, include_extras=True).items():
        if get_origin(hint) is ClassVar:
            continue
        inner, optional = _without_none(hint)
        kind = getattr(inner, "array_type", None)
        if kind in (Numbers, Texts):
            dims = tuple(inner.dim_str.split())
            variables[name] = Variable(name, dims, kind is Texts, optional)
        else:
            attrs[name] = hint
    return Shape(variables, attrs)


def check_answer(answer: type[Answer], dataset: xr.Dataset) -> None:
    """TypeError, naming the variable or attribute, where a dataset is not as declared."""
    shape, who = answer.declaration(), answer.__name__
    for name, variable in shape.variables.items():
        if name not in dataset.variables:
            if variable.optional:
                continue
            raise TypeError(f"{who}.{name} is missing")
        found = dataset.variables[name]
        if found.dims != variable.dims:
            raise TypeError(f"{who}.{name} has dims {found.dims}, not {variable.dims}")
        if (found.dtype.kind in "OU") != variable.text:
            raise TypeError(f"{who}.{name} has dtype {found.dtype}")
    extra = set(map(str, dataset.variables)) - set(shape.variables) - set(COUNTED)
    if extra:
        raise TypeError(f"{who} declares no {', '.join(sorted(extra))}")
    if set(dataset.attrs) != set(shape.attrs):
        raise TypeError(f"{who} has the attributes {set(dataset.attrs)}, not {set(shape.attrs)}")
    for name, hint in shape.attrs.items():
        try:
            msgspec.convert(dataset.attrs[name], hint, strict=True)
        except msgspec.ValidationError as error:
            raise TypeError(f"{who}.{name}: {error}") from error


def encode(dataset: xr.Dataset, limit: int) -> tuple[dict[str, Any], list[bytes]]:
    """The dataset as JSON with references into buffers.

    A variable that does not fit ``limit`` bytes is sent as the largest value of each block of its
    last two dimensions, one byte each; the reference tells the block's sides as ``pool``.
    """
    buffers: list[bytes] = []
    sizes = {name: _size(variable) for name, variable in dataset.variables.items()}
    small = {name for name, size in sizes.items() if size <= limit // 4}
    room = limit - sum(sizes[name] for name in small)
    variables: dict[str, Any] = {}
    for name, variable in dataset.variables.items():
        values: Any
        if variable.dtype.kind in "OU" or _is_counted(variable):
            values = variable.values.tolist()
        else:
            if name in small or sizes[name] <= room:
                found = packed(variable.values, _form(variable))
            else:
                found = pooled_to_fit(variable.values, room)
            if name not in small:
                room -= found.raw.nbytes
            values = reference(found, buffers)
        variables[str(name)] = {"dims": list(variable.dims), "values": values}
    dims = {str(dim): size for dim, size in dataset.sizes.items()}
    return {"dims": dims, "variables": variables, "attrs": _json(dict(dataset.attrs))}, buffers


def _is_counted(variable: xr.Variable) -> bool:
    """Integers that no float32 holds go as JSON: counts of parameters, bytes."""
    whole = variable.dtype.kind in "iu" and variable.size > 0
    return whole and int(np.abs(variable.values).max()) >= 2**24


def _form(variable: xr.Variable) -> WireForm:
    return variable.encoding.get("wire", "exact")


def _size(variable: xr.Variable) -> int:
    """Bytes in a message's buffers."""
    apart = variable.dtype.kind in "OU" or _is_counted(variable)
    return 0 if apart else sent_bytes(variable.values, _form(variable))


def _plain(values: Any, text: bool) -> np.ndarray[Any, np.dtype[Any]]:
    if text:
        # Filled and not converted: numpy would pad texts, and take an empty list for numbers.
        array = np.empty(np.shape(values), dtype=object)
        array[...] = values
        return array
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.is_floating_point() else values).numpy()
    elif isinstance(values, xr.DataArray):
        values = values.values
    return np.asarray(values)


def _json(value: Any) -> Any:
    """Plain JSON values; what JSON has no word for is None."""
    if isinstance(value, (Tensor, np.generic)):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return value


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint):
        rest = [arg for arg in get_args(hint) if arg is not NoneType]
        if len(rest) == 1:
            return rest[0], True
    return hint, False
