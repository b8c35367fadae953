"""The matrices that a model computes with: names, shapes and counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from lens_widgets.analysis.weights.head_weights import model_of
from lens_widgets.engine.model import TransformerModel, weights_of
from lens_widgets.engine.placement import is_plain
from lens_widgets.engine.transformer_lens_private import plain_name

_LAYER = re.compile(r"(?<=^blocks\.)\d+(?=\.)")

_HEADS = ("head", "d_model", "d_head")
_FIELD: dict[str, tuple[str, tuple[str, ...]]] = {
    "embed.weight": ("W_E", ("d_vocab", "d_model")),
    "pos_embed.weight": ("W_pos", ("pos", "d_model")),
    "unembed.weight": ("W_U", ("d_model", "d_vocab")),
    "unembed.bias": ("b_U", ("d_vocab",)),
    "attn.q.weight": ("attn.W_Q", _HEADS),
    "attn.k.weight": ("attn.W_K", _HEADS),
    "attn.v.weight": ("attn.W_V", _HEADS),
    "attn.o.weight": ("attn.W_O", ("head", "d_head", "d_model")),
    "attn.q.bias": ("attn.b_Q", ("head", "d_head")),
    "attn.k.bias": ("attn.b_K", ("head", "d_head")),
    "attn.v.bias": ("attn.b_V", ("head", "d_head")),
    "attn.o.bias": ("attn.b_O", ("d_model",)),
    "mlp.in.weight": ("mlp.W_in", ("d_model", "d_mlp")),
    "mlp.gate.weight": ("mlp.W_gate", ("d_model", "d_mlp")),
    "mlp.out.weight": ("mlp.W_out", ("d_mlp", "d_model")),
    "mlp.in.bias": ("mlp.b_in", ("d_mlp",)),
    "mlp.gate.bias": ("mlp.b_gate", ("d_mlp",)),
    "mlp.out.bias": ("mlp.b_out", ("d_model",)),
}
"""TransformerLens's attribute of a bridge's parameter, and the axes it has there."""


@dataclass(frozen=True)
class Matrix:
    """One parameter, in every layer that has it in the same shape.

    ``name``: what the field calls it, else its place in the model. ``shape``: of one layer's, as
    TransformerLens lays it out, with ``axes`` where those have names. ``layers``: empty outside of
    blocks. ``shared``: what else is the same parameter. ``code``: reads the first of them.
    """

    name: str
    group: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    layers: tuple[int, ...]
    shared: tuple[str, ...]
    bytes_each: int
    code: str

    @property
    def count(self) -> int:
        return prod(self.shape) * max(1, len(self.layers))

    @property
    def bytes(self) -> int:
        return self.bytes_each * max(1, len(self.layers))


@dataclass(frozen=True)
class Parameters:
    """``copy_bytes``: of the joint query-key-value matrices that TransformerLens keeps beside the
    three parts it computes with, where those are copies; ``buffer_bytes``: of tensors that are not
    parameters."""

    matrices: tuple[Matrix, ...]
    copy_bytes: int
    buffer_bytes: int

    @property
    def count(self) -> int:
        return sum(matrix.count for matrix in self.matrices)

    @property
    def bytes(self) -> int:
        return sum(matrix.bytes for matrix in self.matrices)


def parameters(source: Any) -> Parameters:
    """Every parameter that the model of a session, or a model, computes with, counted once.

    Tied matrices are one parameter. Zero biases that TransformerLens makes up are not listed.
    """
    model = model_of(source)
    known: dict[tuple[Any, ...], list[str]] = {}
    for name, value in model.state_dict().items():
        known.setdefault(_place(value), []).append(name)
    found: dict[tuple[Any, ...], list[_Found]] = {}
    # The bridge's own named_parameters has Hugging Face's names; torch's has the bridge's.
    listed = list(torch.nn.Module.named_parameters(model))
    split = _split(value for _, value in listed)
    joint: list[Tensor] = []
    for path, value in listed:
        names = known.get(_place(value), [])
        plain = plain_name(path)
        if id(value) in split or (not names and ".qkv." in plain):
            joint.append(value)
            continue
        name = names[0] if names else plain
        match = _LAYER.search(name)
        layer = int(match.group()) if match else None
        kind = name[match.end() + 1 :] if match else name
        one = _Found(layer, value, tuple(names), path)
        found.setdefault((kind, tuple(value.shape), value.dtype, layer is None), []).append(one)
    used = {_memory(one.value) for each in found.values() for one in each}
    return Parameters(
        matrices=tuple(_matrix(model, key[0], each) for key, each in found.items()),
        copy_bytes=sum(_bytes(v) for v in joint if _memory(v) not in used),
        buffer_bytes=sum({b.data_ptr(): _bytes(b) for b in model.buffers()}.values()),
    )


def _split(values: Iterable[Tensor]) -> set[int]:
    """Which parameters are made of others, by ``id``: joint matrices that TransformerLens computes
    with part by part, as of gated MLPs, each part a view of their memory."""
    sharing: dict[int, dict[tuple[Any, ...], Tensor]] = {}
    for value in values:
        sharing.setdefault(_memory(value), {})[_place(value)] = value
    return {
        id(whole)
        for group in sharing.values()
        for whole in group.values()
        if whole.numel() == sum(part.numel() for part in group.values() if _within(part, whole))
    }


def _within(part: Tensor, whole: Tensor) -> bool:
    """Whether one parameter's memory is a part of another's."""
    first = part.storage_offset() - whole.storage_offset()
    last = sum((n - 1) * step for n, step in zip(part.shape, part.stride(), strict=True))
    return part.numel() < whole.numel() and first >= 0 and first + last < whole.numel()


def parameter_counts(source: Any) -> xr.Dataset:
    """How many parameters each matrix of a model has, and the memory that they take.

    Args:
        source: a session or a model.

    Returns:
        Dim matrix: ``count`` (parameters, over all layers; they sum to ``attrs["total"]``, the
        model's), ``megabytes`` (millions of bytes), ``shape`` of one layer's, and ``layers``, how
        many have it. Tied matrices are counted once.

    Raises:
        InputError: what is neither session nor model.

    Source:
        Names as in TransformerLens: W_E, W_Q, W_K, W_V, W_O, W_in, W_out, W_U and their biases.

    Examples:
        >>> counts = lw.analysis.parameter_counts(model)
        >>> int(counts["count"].sum()) == counts.attrs["total"]
        True
    """
    found = parameters(source)
    rows = found.matrices
    names = [unique_name(matrix, rows) for matrix in rows]
    return xr.Dataset(
        {
            "count": ("matrix", [matrix.count for matrix in rows], {"units": "parameters"}),
            "megabytes": ("matrix", [matrix.bytes / 1e6 for matrix in rows], {"units": "MB"}),
            "shape": ("matrix", [" x ".join(map(str, matrix.shape)) for matrix in rows]),
            "layers": ("matrix", [layers_text(matrix.layers) for matrix in rows]),
        },
        coords={"matrix": names, "group": ("matrix", [matrix.group for matrix in rows])},
        attrs={
            "units": "parameters",
            "definition": "parameters of each matrix, over all layers; tied ones counted once",
            "total": found.count,
        },
    )


def layers_text(layers: tuple[int, ...]) -> str:
    """``"0-11"``, ``"0, 2, 4"``, or empty outside of blocks."""
    if len(layers) > 1 and layers == tuple(range(layers[0], layers[-1] + 1)):
        return f"{layers[0]}-{layers[-1]}"
    return ", ".join(map(str, layers))


def unique_name(matrix: Matrix, rows: tuple[Matrix, ...]) -> str:
    """The matrix's name, with its layers where several matrices share the name."""
    alone = sum(other.name == matrix.name for other in rows) == 1
    return matrix.name if alone else f"{matrix.name}, layers {layers_text(matrix.layers)}"


@dataclass(frozen=True)
class _Found:
    """A parameter of one layer: its names in the state dict, and torch's path to it."""

    layer: int | None
    value: Tensor
    names: tuple[str, ...]
    path: str


def _place(value: Tensor) -> tuple[Any, ...]:
    """The same for tied parameters only: parts of a joint matrix can begin where it begins."""
    return _memory(value), value.storage_offset(), tuple(value.shape), value.stride()


def _memory(value: Tensor) -> int:
    """The same for parameters that share memory; those without any share none."""
    storage = value.untyped_storage()
    return storage._cdata if value.is_meta or not is_plain(value) else storage.data_ptr()


def _bytes(value: Tensor) -> int:
    return value.numel() * value.element_size()


def _matrix(model: TransformerModel, kind: str, each: list[_Found]) -> Matrix:
    one = each[0]
    name, shape = kind, _shape(model, one)
    axes: tuple[str, ...] = ()
    code = f'dict(torch.nn.Module.named_parameters(model))["{one.path}"]'
    if one.names:
        code = f'model.state_dict()["{one.names[0]}"]'
    attribute, known_axes = _FIELD.get(kind, ("", ()))
    field = _attribute(model, one.layer, attribute)
    if field is not None and field.numel() == one.value.numel():
        name, shape = attribute.rpartition(".")[2], tuple(field.shape)
        axes = known_axes if len(known_axes) == len(shape) else ()
        owner = "model" if one.layer is None else f"model.blocks[{one.layer}]"
        code = f"{owner}.{attribute}"
    return Matrix(
        name=name,
        group=_group(kind, one.layer),
        shape=shape,
        axes=axes,
        layers=tuple(found.layer for found in each if found.layer is not None),
        shared=tuple(_FIELD.get(other, (other,))[0] for other in one.names[1:]),
        bytes_each=_bytes(one.value),
        code=code,
    )


def _shape(model: TransformerModel, one: _Found) -> tuple[int, ...]:
    """What a parameter stands for: those in 4 bits are packed, and have another shape."""
    if isinstance(model, nn.Module) and not is_plain(one.value) and not one.value.is_meta:
        owner, _, name = one.path.rpartition(".")
        module: Any = nn.Module.get_submodule(model, owner)
        if name == "weight" and hasattr(module, "in_features"):
            return module.out_features, module.in_features
    return tuple(one.value.shape)


def _attribute(model: TransformerModel, layer: int | None, path: str) -> Tensor | None:
    """What TransformerLens lays out by heads; None where a model has it not, or not so."""
    if not path:
        return None
    owner: Any = model if layer is None else model.blocks[layer]
    return weights_of(owner, path)


def _group(kind: str, layer: int | None) -> str:
    part = kind.split(".")[0]
    if part in ("attn", "mlp") and layer is not None:
        return {"attn": "attention", "mlp": "MLPs"}[part]
    if part in ("embed", "pos_embed", "unembed"):
        return "unembedding" if part == "unembed" else "embedding"
    return "norms" if part.startswith(("ln", "embed_ln")) else "other"
