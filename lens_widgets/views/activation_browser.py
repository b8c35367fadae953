"""ActivationBrowser: every activation of the current run, and what is in the one that is chosen."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any, ClassVar, Literal

import plotly.graph_objects as go
import traitlets
import xarray as xr
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from typing_extensions import TypedDict

from lens_widgets.analysis.activations.activation_list import Activation as Listed
from lens_widgets.analysis.activations.activation_list import list_activations
from lens_widgets.analysis.activations.activations import Part, cut, read, statistics
from lens_widgets.engine.pooling import pooled
from lens_widgets.errors import InputError
from lens_widgets.interventions.code import reading
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers, Texts
from lens_widgets.wire.messages import MAX_REPLY_BYTES

Show = Literal["baseline", "current", "difference"]
Rows = Literal["pos", "head"]

# Room for the statistics and the words beside the numbers.
MAX_CELLS = (MAX_REPLY_BYTES - 100_000) // 4
PART_ROWS = 400


class UnknownHook(InputError, traitlets.TraitError):
    """Both what a caller is told of, and what makes traitlets keep the value before."""


class ActivationGroup(TypedDict):
    """One kind of activation. ``{layer}`` in names stands for each of ``layers``, which is empty
    outside of blocks. ``short``: what ``cache[...]`` takes beside the layer: one name, or a name
    and a part of the block; empty where there is no short name. ``shape`` on all tokens, padding
    included; -1 and ``n_bytes`` None where it depends on more than their number."""

    name: str
    aliases: list[str]
    layers: list[int]
    short: list[str]
    dims: list[str]
    shape: list[int]
    n_bytes: int | None


class Activations(Answer):
    """Every activation of a run, in the order in which they fire; ``n_bytes`` of all together."""

    groups: list[ActivationGroup]
    n_activations: int
    n_bytes: int
    dtype: str


class AxisCut(TypedDict):
    """Where an axis that is not shown was cut."""

    dim: str
    index: int
    size: int


class Slice(Answer):
    """One prompt's activation without padding: statistics of all of it, and a plane.

    ``values`` [row, column] begin at ``first_row`` and ``first_column`` of a plane of ``n_rows`` x
    ``n_columns``; each is the largest magnitude of ``row_pool`` x ``column_pool`` numbers, NaN for
    what is NaN or masked. ``column_dim`` is empty for a single axis. Statistics are of the ``n``
    numbers that are finite, NaN where there is none: ``std`` with n - 1, ``zeros`` the fraction
    that is zero; ``n_masked`` are attention scores that are masked, not in ``n``.
    """

    run: Shaped[Texts, "run"]
    n: Int[Numbers, "run"]
    mean: Float[Numbers, "run"]
    std: Float[Numbers, "run"]
    min: Float[Numbers, "run"]
    max: Float[Numbers, "run"]
    norm: Float[Numbers, "run"]
    zeros: Float[Numbers, "run"]
    n_nan: Int[Numbers, "run"]
    n_inf: Int[Numbers, "run"]
    n_masked: Int[Numbers, "run"]
    row: Int[Numbers, "row"]
    column: Int[Numbers, "column"]
    values: Float[Numbers, "row column"]
    activation: str
    prompt: int
    show: Show
    dims: list[str]
    shape: list[int]
    dtype: str
    row_dim: str
    column_dim: str
    n_rows: int
    n_columns: int
    first_row: int
    first_column: int
    row_pool: int
    column_pool: int
    cuts: list[AxisCut]
    units: str
    definition: str


class ActivationBrowser(View):
    """All activations with their names, shapes and sizes; statistics and a slice of a chosen one.

    An activation is computed when it is chosen, and only the last one is kept.
    """

    view = "activation_browser"
    shown = "plane"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("activation_browser.js")
    _css = bundle("style.css")

    activation: str = option(
        default="", help='A hook such as "blocks.0.hook_resid_post"; empty for none.'
    )
    show: Show = option(default="current", help="Which run's numbers, or their difference.")
    slice_rows: Rows = option(default="pos", help="Whether the slice has positions or heads down.")
    group_by: Literal["layer", "hook"] = option(
        default="layer", help="Whether the list goes by layer or by hook."
    )

    @traitlets.validate("activation")
    def _known(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name:
            try:
                self._session.run(()).check_name(name)
            except InputError as error:
                raise UnknownHook(error.message, error.hint) from error
        return name

    @question(Activations, first=True)
    @staticmethod
    def listing(session: Session) -> xr.Dataset:
        """Every activation; those that differ in their layer alone are told together."""
        found = list_activations(session)
        groups: dict[tuple[Any, ...], ActivationGroup] = {}
        for item in found:
            group = _group(item)
            known = groups.setdefault(tuple(map(repr, group.values())), group)
            if item.layer is not None:
                known["layers"].append(item.layer)
        return Activations.dataset(
            groups=list(groups.values()),
            n_activations=len(found),
            n_bytes=sum(item.n_bytes or 0 for item in found),
            dtype=session.facts.dtype,
        )

    @question(Slice, first=True)
    @staticmethod
    def plane(
        session: Session,
        activation: str,
        prompt: int,
        show: Show,
        slice_rows: Rows = "pos",
        head: int = 0,
        query_pos: int | None = None,
        row_from: int | None = None,
        column_from: int | None = None,
    ) -> xr.Dataset:
        """Statistics of one activation of one prompt, and a plane as fine as a message allows.

        Axes that are not shown are cut at ``head`` and ``query_pos`` (None: the last). With
        ``row_from`` or ``column_from`` it is the part that begins there, number by number.
        """
        if not activation:
            raise InputError(
                "activation='' chooses none.",
                "Click one, or set it: view.activation = 'blocks.0.hook_resid_post'.",
            )
        check_prompt(session, prompt)
        parts = {
            "baseline": read(session, "baseline", activation, prompt),
            "current": read(session, "current", activation, prompt),
        }
        parts["difference"] = parts["current"].minus(parts["baseline"])
        shown: Part = parts[show]
        sizes = dict(zip(shown.dims, shown.values.shape, strict=True))
        plane = cut(sizes, slice_rows, head, session.facts.n_heads, query_pos)
        whole = plane.of(shown)
        if row_from is None and column_from is None:
            first_row, first_column = 0, 0
            values, row_pool, column_pool = _fitting(whole)
        else:
            first_row, first_column = row_from or 0, column_from or 0
            values, row_pool, column_pool = _from(whole, first_row, first_column), 1, 1
        measured = [asdict(statistics(part)) for part in parts.values()]
        columns: dict[str, Any] = {n: [line[n] for line in measured] for n in measured[0]}
        at = "".join(f", {dim} {index}" for dim, (index, _) in plane.at.items())
        return Slice.dataset(
            run=list(parts),
            **columns,
            row=[first_row + i * row_pool for i in range(values.shape[0])],
            column=[first_column + i * column_pool for i in range(values.shape[1])],
            values=values,
            activation=activation,
            prompt=prompt,
            show=show,
            dims=list(shown.dims),
            shape=list(shown.values.shape),
            dtype=session.facts.dtype,
            row_dim=plane.row_dim,
            column_dim=plane.column_dim,
            n_rows=whole.shape[0],
            n_columns=whole.shape[1],
            first_row=first_row,
            first_column=first_column,
            row_pool=row_pool,
            column_pool=column_pool,
            cuts=[{"dim": d, "index": i, "size": size} for d, (i, size) in plane.at.items()],
            units="activation",
            definition=f"{show} {activation}, prompt {prompt}{at}",
        )

    @question(Code, quick=True)
    @staticmethod
    def code(session: Session, activation: str, show: Show) -> xr.Dataset:
        """Code that reads the activation, all prompts together."""
        session.run(()).check_name(activation)
        active = list(session.interventions.active)
        return Code.dataset(code=reading(activation, active, session, show))

    def opening(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Without a choice nothing of an activation is asked."""
        asked = super().opening()
        return asked if self.activation else {k: v for k, v in asked.items() if "/plane" not in k}

    def figure(self) -> go.Figure:
        """The slice that is shown, as a heatmap."""
        plane = self.data()
        tokens = self._session.str_tokens[plane.attrs["prompt"]]

        def labels(side: str) -> list[str]:
            dim, pool = plane.attrs[f"{side}_dim"], plane.attrs[f"{side}_pool"]
            places = plane[side].values.tolist()
            if dim.endswith("pos") and pool == 1:
                return [f"{tokens[place]} {place}" for place in places]
            return [f"{dim} {place}" if dim else "value" for place in places]

        values = plane["values"].values
        figure = go.Figure(
            go.Heatmap(
                z=values,
                x=labels("column"),
                y=labels("row"),
                colorscale="RdBu",
                zmid=0,
                colorbar={"title": plane.attrs["units"]},
                hovertemplate="%{y}, %{x}: %{z:.6g}<extra></extra>",
            )
        )
        figure.update_yaxes(autorange="reversed", title=plane.attrs["row_dim"])
        figure.update_xaxes(title=plane.attrs["column_dim"])
        return figure.update_layout(title=plane.attrs["definition"])


def _group(item: Listed) -> ActivationGroup:
    def general(name: str) -> str:
        prefix = f"blocks.{item.layer}."
        return f"blocks.{{layer}}.{name.removeprefix(prefix)}" if name.startswith(prefix) else name

    return {
        "name": general(item.name),
        "aliases": [general(name) for name in item.aliases],
        "layers": [],
        "short": [part for part in item.short or () if isinstance(part, str)],
        "dims": list(item.dims),
        "shape": [-1 if length is None else length for length in item.shape],
        "n_bytes": item.n_bytes,
    }


def _from(values: Tensor, row: int, column: int) -> Tensor:
    """As many rows and columns from a corner on as a message holds."""
    for name, at, size in zip(
        ("row_from", "column_from"), (row, column), values.shape, strict=True
    ):
        if not 0 <= at < size:
            raise InputError(f"{name}={at} is out of range.", f"It runs from 0 to {size - 1}.")
    rows = values[row : row + PART_ROWS, column:]
    return rows[:, : MAX_CELLS // len(rows)]


def _fitting(values: Tensor) -> tuple[Tensor, int, int]:
    """Pooled by the largest magnitude, along the longer side first, until it fits a message."""
    rows, columns = values.shape
    row_pool = column_pool = 1
    while (n_rows := math.ceil(rows / row_pool)) * (
        n_columns := math.ceil(columns / column_pool)
    ) > MAX_CELLS:
        if n_columns >= n_rows:
            column_pool += 1
        else:
            row_pool += 1
    return pooled(values, (row_pool, column_pool), signed=True), row_pool, column_pool
