"""WeightCircuitView: what a head's weights alone do to tokens and positions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, ClassVar, Literal

import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Float, Int, Shaped

from lens_widgets.analysis.weights.circuit_choice import (
    CircuitChoice,
    CircuitKind,
    choose_circuit,
)
from lens_widgets.analysis.weights.circuit_script import circuit_script
from lens_widgets.analysis.weights.circuit_window import ends, largest_pool, tokens_once, window
from lens_widgets.analysis.weights.factored import Axis, FactoredCircuit
from lens_widgets.analysis.weights.weight_circuits import copy_counts
from lens_widgets.engine.pooling import pooled
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_between, check_head, check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.plot import labelled_map
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers, Texts
from lens_widgets.wire.messages import Step

SIZE = 48
MAX_SIZE = 128
MAX_TOP = 100
MAX_FOUND = 50
ENDS = ("highest", "lowest")
SIDES = ("rows", "columns")

Of = Literal["prompt", "vocabulary"]


class Tile(Answer):
    """Entries of a circuit that has ``n_rows`` and ``n_columns``, which count what ``axis`` says.

    ``row`` and ``column`` are token ids or positions. From ``pool`` 2 on each entry is the one of
    the largest magnitude among ``pool`` x ``pool``, the first of which are named; ``max_pool`` is
    the coarsest that can be asked for. ``weights``: how the model's were processed.
    """

    row: Int[Numbers, "row"]
    column: Int[Numbers, "column"]
    row_label: Shaped[Texts, "row"]
    column_label: Shaped[Texts, "column"]
    value: Float[Numbers, "row column"]
    circuit: str
    axis: Axis
    n_rows: int
    n_columns: int
    rank: int
    pool: int
    max_pool: int
    weights: str
    units: str
    definition: str


class Row(Answer):
    """The columns with the largest and with the smallest entries of one row, strongest first.

    ``own``: the entry of its own token's (or position's) column, below ``own_rank`` others.
    """

    coords = ("column",)
    end: Shaped[Texts, "end"]
    value: Float[Numbers, "end rank"]
    column: Int[Numbers, "end rank"]
    column_label: Shaped[Texts, "end rank"]
    row: int
    row_label: str
    own: float | None
    own_rank: int
    units: str
    definition: str


class Found(Answer):
    """Tokens whose text as shown contains what was searched for, shortest first."""

    coords = ("token_id",)
    token: Shaped[Texts, "found"]
    token_id: Int[Numbers, "found"]


class Spectrum(Answer):
    """All singular values of a circuit, largest first."""

    singular_value: Float[Numbers, "direction"]
    units: str
    definition: str


class Direction(Answer):
    """Entries of one pair of singular vectors, which have length 1: the tokens at both ends of the
    ``side`` of the rows and of that of the columns."""

    coords = ("token_id",)
    side: Shaped[Texts, "side"]
    end: Shaped[Texts, "end"]
    value: Float[Numbers, "side end rank"]
    token: Shaped[Texts, "side end rank"]
    token_id: Int[Numbers, "side end rank"]
    direction: int
    singular_value: float | None
    units: str
    definition: str


class Copied(Answer):
    """Of the ``done`` rows looked at so far, of ``total``: how many have their own token first
    (``top1``) and among the first five (``top5``) of their columns."""

    done: int
    total: int
    top1: int
    top5: int
    definition: str


class WeightCircuitView(View):
    """A weight circuit of the selected head, or of the selected pair of heads, as a map.

    A pair is ``selection.writer_layer`` and ``writer_head`` with the head that is selected. Weights
    as they are in the model, norms and biases left out: the model is not run.
    """

    view = "weight_circuit"
    shown = "tile"
    of_session: ClassVar[tuple[str, ...]] = ()
    _esm = bundle("weight_circuit.js")
    _css = bundle("style.css")

    circuit: CircuitKind = option(
        default="OV",
        help='``"OV"``, ``"QK"`` or ``"positions"`` of the head; ``"K"``, ``"Q"`` or ``"V"`` of '
        "the pair: what it reads of what the earlier head wrote.",
    )
    circuit_tokens: Of = option(
        default="prompt",
        help="Between the tokens of the selected prompt, or over the vocabulary, by windows.",
    )
    top_k: int = option(default=10, help="How many tokens a list names.", min=1, max=MAX_TOP)

    def chosen(self) -> dict[str, Any]:
        """As for every view, and the circuit of the chosen heads as ``choice``."""
        known = super().chosen()
        return known | {"choice": {name: known[name] for name in CircuitChoice.__annotations__}}

    @question(Tile, first=True)
    @staticmethod
    def tile(
        session: Session,
        choice: CircuitChoice,
        circuit_tokens: Of,
        prompt: int,
        row: int = 0,
        col: int = 0,
        size: int = SIZE,
        pool: int = 1,
    ) -> xr.Dataset:
        """Between the tokens of a prompt, each once; or ``size`` x ``size`` entries from ``row``
        and ``col`` on, with ``pool`` as large as can be looked at."""
        found = _circuit(session, choice)
        rows, columns, pool = _asked(session, found, circuit_tokens, prompt, row, col, size, pool)
        values = found.values(found.indices(rows, 0), found.indices(columns, 1))
        down, across = list(rows[::pool]), list(columns[::pool])
        return Tile.dataset(
            row=down,
            column=across,
            row_label=found.labels(down),
            column_label=found.labels(across),
            value=pooled(values, pool, signed=True),
            axis=found.axis,
            n_rows=found.shape[0],
            n_columns=found.shape[1],
            rank=int(found.left.shape[1]),
            pool=pool,
            max_pool=largest_pool(found, size),
            **found.attrs,
        )

    @question(Row)
    @staticmethod
    def row(
        session: Session,
        choice: CircuitChoice,
        row: int,
        top_k: int,
    ) -> xr.Dataset:
        """The largest and smallest entries of one row."""
        found = _circuit(session, choice)
        check_between("row", row, 0, found.shape[0] - 1)
        k = check_between("top_k", top_k, 1, MAX_TOP)
        values = found.values(found.indices([row], 0), found.indices(slice(None), 1))[0]
        own = values[min(row, len(values) - 1)]
        best, columns = ends(values, k)
        return Row.dataset(
            end=ENDS,
            value=best,
            column=columns,
            column_label=[found.labels(ids) for ids in columns.tolist()],
            row=row,
            row_label=found.labels([row])[0],
            own=own,
            own_rank=int((values > own).sum()),
            units=found.units,
            definition=f"largest and smallest entries of one row: {found.definition}",
        )

    @question(Found)
    @staticmethod
    def find(
        session: Session,
        choice: CircuitChoice,
        text: str,
    ) -> xr.Dataset:
        """Tokens by a part of their text; a space is written as it is or as a middle dot."""
        found = _circuit(session, choice)
        if found.axis != "token":
            raise InputError(f"{found.name} has positions, not tokens.", "")
        ids = found.find(text, MAX_FOUND) if text else []
        return Found.dataset(
            token=found.labels(ids),
            token_id=torch.tensor(ids, dtype=torch.long, device="cpu"),
        )

    @question(Spectrum)
    @staticmethod
    def spectrum(
        session: Session,
        choice: CircuitChoice,
    ) -> xr.Dataset:
        """All singular values, largest first."""
        found = _circuit(session, choice)
        return Spectrum.dataset(
            singular_value=found.svd[1],
            units=found.units,
            definition=f"singular values of {found.name}",
        )

    @question(Direction)
    @staticmethod
    def direction(
        session: Session,
        choice: CircuitChoice,
        direction: int,
        top_k: int,
    ) -> xr.Dataset:
        """The tokens at both ends of one singular direction, on both sides."""
        found = _circuit(session, choice)
        left, sizes, right = found.svd
        check_between("direction", direction, 0, len(sizes) - 1)
        k = min(check_between("top_k", top_k, 1, MAX_TOP), *found.shape)
        both = [ends(vectors[:, direction], k) for vectors in (left, right)]
        ids = torch.stack([at for _, at in both])
        return Direction.dataset(
            side=SIDES,
            end=ENDS,
            value=torch.stack([values for values, _ in both]),
            token=[[found.labels(end) for end in side] for side in ids.tolist()],
            token_id=ids,
            direction=direction,
            singular_value=sizes[direction],
            units="entry of a unit vector",
            definition=f"singular vectors {direction + 1} of {found.name}",
        )

    @question(Copied)
    @staticmethod
    def copy(
        session: Session,
        choice: CircuitChoice,
    ) -> Generator[Step, None, xr.Dataset]:
        """How many tokens a circuit leads back to themselves, rows by rows."""
        found = _circuit(session, choice)
        definition = f"tokens that {found.name} leads back to themselves"
        total = found.shape[0]
        answer = Copied.dataset(done=0, total=total, top1=0, top5=0, definition=definition)
        yield Step(0, total, "copying")
        for done, (top1, top5) in copy_counts(found):
            answer = Copied.dataset(
                done=done, total=total, top1=top1, top5=top5, definition=definition
            )
            yield Step(done, total, "copying", answer)
        return answer

    @question(Code)
    @staticmethod
    def code(
        session: Session,
        choice: CircuitChoice,
        circuit_tokens: Of,
        prompt: int,
        row: int = 0,
        col: int = 0,
        size: int = SIZE,
        pool: int = 1,
    ) -> xr.Dataset:
        """Code for the entries that ``tile`` gives."""
        found = _circuit(session, choice)
        rows, columns, pool = _asked(session, found, circuit_tokens, prompt, row, col, size, pool)
        script = circuit_script(
            session.model, choice["circuit"], *_heads(choice), rows=rows, columns=columns, pool=pool
        )
        return Code.dataset(code=script)

    def figure(self) -> go.Figure:
        """The entries as a heatmap."""
        table = self.data()
        of_tokens = table.attrs["axis"] == "token"
        rows, columns = (
            [
                f"{label} {i}" if of_tokens else str(label)
                for label, i in zip(table[f"{dim}_label"].values, table[dim].values, strict=True)
            ]
            for dim in ("row", "column")
        )
        return labelled_map(
            table["value"].values,
            rows,
            columns,
            table.attrs,
            words=("row %{y}", "column %{x}"),
            signed=of_tokens,
        )


def _circuit(session: Session, choice: CircuitChoice) -> FactoredCircuit:
    check_head(session, choice["layer"], choice["head"])
    return choose_circuit(session.model, choice["circuit"], *_heads(choice))


def _heads(choice: CircuitChoice) -> tuple[str, str | None]:
    """The head that reads, and the earlier one where one is chosen."""
    layer, head = choice["writer_layer"], choice["writer_head"]
    writer = None if layer is None or head is None else f"L{layer}H{head}"
    return f"L{choice['layer']}H{choice['head']}", writer


def _asked(
    session: Session,
    circuit: FactoredCircuit,
    of: Of,
    prompt: int,
    row: int,
    col: int,
    size: int,
    pool: int,
) -> tuple[Sequence[int], Sequence[int], int]:
    """The rows and the columns that are looked at, and the side of the blocks they are shown in."""
    check_between("size", size, 1, MAX_SIZE)
    check_between("pool", pool, 1, largest_pool(circuit, size))
    check_between("row", row, 0, circuit.shape[0] - 1)
    check_between("col", col, 0, circuit.shape[1] - 1)
    if of == "vocabulary" or circuit.axis != "token":
        return *window(circuit, row, col, size, pool), pool
    tokens = tokens_once(session, check_prompt(session, prompt), MAX_SIZE)
    return tokens, tokens, 1
