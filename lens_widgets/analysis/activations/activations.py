"""One activation of one prompt, as a labelled array: read, measured and cut into planes.

A session keeps one activation that was looked at, of its baseline and its current run, and no more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.activations.activation_list import dim_names, layouts
from lens_widgets.analysis.attention.attention_scores import MASK_BELOW
from lens_widgets.analysis.attention.patterns import WHICH, token_texts
from lens_widgets.engine.axes import Layout
from lens_widgets.engine.hooks import hook_kind
from lens_widgets.errors import InputError, check_choice
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Which = Literal["baseline", "current", "difference"]
Rows = Literal["pos", "head"]

POSITIONS = ("pos", "query_pos", "key_pos")
HEADS = ("head", "key_value_head")
_LOOKED_AT = "activation looked at"


@dataclass(frozen=True)
class Part:
    """One prompt's activation without padding, float32; NaN where ``masked``."""

    values: Tensor
    dims: tuple[str, ...]
    masked: Tensor | None = None

    def minus(self, other: Part) -> Part:
        """The change from ``other``; masked where either is."""
        if self.masked is None or other.masked is None:
            return Part(self.values - other.values, self.dims, self.masked)
        return Part(self.values - other.values, self.dims, self.masked | other.masked)


def activation(
    session: Session, name: str, which: Which = "current", prompt: int = 0
) -> xr.DataArray:
    """The activation at a hook, of one prompt without padding.

    Costs one run of the model where the activation is not at hand, and is not kept.

    Args:
        session: whose prompts and interventions.
        name: any hook point's name, as in ``"blocks.0.hook_resid_pre"``.
        which: ``"current"``, under the interventions; ``"baseline"``, without them;
            ``"difference"``, current minus baseline.
        prompt: which prompt, from 0.

    Returns:
        Dims as the activation has them: pos, and head, d_head, d_model, d_mlp, query_pos or
        key_pos. The prompt's axis is left out, and so are axes of length one. In the activation's
        own units; masked attention scores are NaN. ``attrs["activation"]`` is its name.

    Raises:
        InputError: a name that is no hook of the model, or of one that never fires; a prompt out of
            range.

    Source:
        TransformerLens's ``run_with_cache``.

    Examples:
        >>> lw.analysis.activation(session, "blocks.0.attn.hook_q").dims
        ('pos', 'head', 'd_head')
    """
    check_choice("which", which, WHICH)
    n_prompts = session.prompt_set.n_prompts
    if isinstance(prompt, bool) or not isinstance(prompt, int) or not 0 <= prompt < n_prompts:
        raise InputError(
            f"prompt={prompt!r} is not a prompt of this session.",
            f"Prompts run from 0 to {n_prompts - 1}.",
        )
    part = read(session, which, name, prompt)
    texts = [f"{text} {pos}" for pos, text in enumerate(token_texts(session, prompt))]
    return xr.DataArray(
        part.values.cpu().numpy(),
        dims=part.dims,
        coords={
            **{dim: range(size) for dim, size in zip(part.dims, part.values.shape, strict=True)},
            **{dim.replace("pos", "token"): (dim, texts) for dim in POSITIONS if dim in part.dims},
        },
        attrs={
            "units": "activation",
            "metric": session.metric.name,
            "definition": f"{which} {name}, prompt {prompt}",
            "activation": name,
        },
    )


def read(session: Session, which: Which, name: str, prompt: int) -> Part:
    """The same as a tensor on the model's device."""
    if which == "baseline":
        return _read(session, baseline=True, name=name, prompt=prompt)
    current = _read(session, baseline=False, name=name, prompt=prompt)
    if which == "current":
        return current
    return current.minus(_read(session, baseline=True, name=name, prompt=prompt))


def _read(session: Session, *, baseline: bool, name: str, prompt: int) -> Part:
    """From the one activation that is kept, or by one run of the model."""
    clean = session.run(())
    clean.check_name(name)
    point = session.facts.points[name]
    active = () if baseline else session.interventions.active
    of, parts = clean.derived.get(_LOOKED_AT, (None, {}))
    if of != (point, prompt):
        parts = {}
    if active not in parts:
        part = _of_prompt(session, clean if baseline else session.run(), point, prompt)
        # Of what is kept only the baseline stays beside the current run's.
        parts = {key: parts[key] for key in parts if active == () or key == ()} | {active: part}
        # Replaced as a whole: the worker and a cell may look at once.
        clean.derived[_LOOKED_AT] = ((point, prompt), parts)
    found: Part = parts[active]
    return found


def _of_prompt(session: Session, run: Run, point: str, prompt: int) -> Part:
    layout = layouts(session)[point]
    session, prompt, run = session.around(prompt, run)
    whole = run.uncached_activation(point)
    length = int(session.prompt_set.lengths[prompt])
    values, dims = _cut(session, whole, point, layout, prompt, length)
    # A copy, so that the other prompts' numbers are not kept with it.
    values = values.to(torch.float32, copy=True)
    if not hook_kind(point).masked:
        return Part(values, dims)
    masked = values < MASK_BELOW
    return Part(values.masked_fill_(masked, math.nan), dims, masked)


def _cut(
    session: Session, whole: Tensor, point: str, layout: Layout, prompt: int, length: int
) -> tuple[Tensor, tuple[str, ...]]:
    """One prompt's part without padding and without axes of length one."""
    n_prompts, n_pos = session.tokens.shape
    names = list(dim_names(session, point, layout))
    if tuple(whole.shape) != tuple(axis.length(n_prompts, n_pos) for axis in layout.axes):
        # Not as its layout tells: what its axes count is not known.
        return whole, tuple(f"axis_{i}" for i in range(whole.dim()))
    values = whole
    for at, axis in reversed(list(enumerate(layout.axes))):
        if axis.kind == "place":
            names[at] = "pos"
            values = values.unflatten(at, (n_prompts, n_pos)).select(at, prompt)
        if axis.kind in ("place", "pos"):
            values = values.narrow(at, 0, length)
        elif axis.kind == "prompt":
            del names[at]
            values = values.select(at, prompt)
        elif values.shape[at] == 1:
            del names[at]
            values = values.squeeze(at)
    return values, tuple(names)


@dataclass(frozen=True)
class Statistics:
    """Of ``n`` numbers, those that are finite: mean, standard deviation (n - 1), smallest, largest,
    L2 norm and the fraction that is exactly zero. ``n_nan`` and ``n_inf`` are the others,
    ``n_masked`` scores that the attention mask takes out, not counted in ``n``."""

    n: int
    mean: float
    std: float
    min: float
    max: float
    norm: float
    zeros: float
    n_nan: int
    n_inf: int
    n_masked: int


def statistics(part: Part) -> Statistics:
    """NaN where there is no finite number."""
    n_masked = 0 if part.masked is None else int(part.masked.sum())
    values = part.values.flatten()
    n_nan = int(values.isnan().sum()) - n_masked
    n_inf = int(values.isinf().sum())
    finite = values[values.isfinite()]
    if values.device.type != "mps":
        finite = finite.double()
    some = len(finite) > 0
    return Statistics(
        n=len(values) - n_masked,
        mean=float(finite.mean()),
        std=float(finite.std()) if len(finite) > 1 else math.nan,
        min=float(finite.min()) if some else math.nan,
        max=float(finite.max()) if some else math.nan,
        norm=float(finite.norm()) if some else math.nan,
        zeros=float((finite == 0).float().mean()),
        n_nan=n_nan,
        n_inf=n_inf,
        n_masked=n_masked,
    )


@dataclass(frozen=True)
class Cut:
    """A plane of an activation: two of its axes, and where each other one is cut (index, length).

    ``column_dim`` is empty where the activation has one axis only, both are where it has none.
    """

    row_dim: str
    column_dim: str
    at: dict[str, tuple[int, int]]

    def of(self, part: Part) -> Float[Tensor, "row column"]:
        """The plane's numbers."""
        values, dims = part.values, list(part.dims)
        for dim, (index, _) in self.at.items():
            values = values.select(dims.index(dim), index)
            dims.remove(dim)
        if len(dims) < 2:
            return values.reshape(-1, 1)
        return values if dims[0] == self.row_dim else values.T


def cut(sizes: Mapping[str, int], rows: Rows, head: int, n_heads: int, pos: int | None) -> Cut:
    """Positions (of queries) by the last axis, or with ``rows="head"`` heads by the last axis.

    Other axes are cut at ``head`` (of ``n_heads``, which may share keys and values), at ``pos``
    (None: the last) and at 0. InputError for a position that the prompt does not have.
    """
    dims = list(sizes)
    if not dims:
        return Cut("", "", {})
    found = [dim for dim in dims if dim in (HEADS if rows == "head" else POSITIONS)]
    row = (found or [dim for dim in dims if dim in POSITIONS] or dims)[0]
    others = [dim for dim in dims if dim != row]
    at: dict[str, tuple[int, int]] = {}
    for dim in others[:-1]:
        size = sizes[dim]
        index = head * size // n_heads if dim in HEADS else 0
        if dim in POSITIONS:
            index = size - 1 if pos is None else pos
        if not 0 <= index < size:
            raise InputError(f"{dim}={index} is out of range.", f"It runs from 0 to {size - 1}.")
        at[dim] = (index, size)
    return Cut(row, others[-1] if others else "", at)
