"""DataView: a stored number of every prompt of a data set, as a histogram and as a table."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from lens_widgets.analysis.stored.cells import cells_of
from lens_widgets.analysis.stored.examples import SortBy, chosen_rows, histogram
from lens_widgets.data.store import DONE, FOLDER
from lens_widgets.errors import InputError
from lens_widgets.prompts.answers import make_answers
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_between, check_prompt
from lens_widgets.views.data_answers import AxisInfo, Bars, Means, QuantityInfo, Rows, Store
from lens_widgets.views.data_store import (
    RUN,
    answer_of,
    answer_text,
    find_cell,
    opened,
)
from lens_widgets.views.options import option
from lens_widgets.views.question import command, question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.messages import MAX_REPLY_BYTES, Step

MAX_ROWS = 200
"""Rows of the table in one answer."""

MAX_MAP = 4096
"""Cells of a map of means; of more only the strongest are told."""

STRONGEST = 12

ALL = 2**53 - 1


class DataView(View):
    """What each prompt of a data set is like: a stored effect as a histogram by group, and a table.

    Follows the selected head. Click a bar to see its prompts, a row to open its prompt in the
    session: every other view follows. Values come from the store; the model is not run for them.
    ``lw.DataRun`` writes stores. ``view.rows(count=None)`` has all records that pass, in order.
    """

    view = "data"
    shown = "rows"
    _esm = bundle("data.js")
    _css = bundle("style.css")
    of_session: ClassVar[tuple[str, ...]] = ("metric",)

    path: str | None = option(
        default=None,
        help="Where the results are stored: the folder of ``lw.DataRun(..., path=...)``, or the "
        "run itself.",
    )
    quantity: str | None = option(
        default=None,
        help="Which stored quantity; None: the first.",
        pattern=r"[\w .:+-]{1,200}",
        form="the name of a stored quantity",
    )
    cell: str | None = option(
        default=None,
        help='One cell of it, as in ``"L1H4"``; None: the selected head where the quantity has '
        "heads, else the cell of the largest mean magnitude.",
        pattern=r"[\w .:,+-]{0,300}",
        form="a cell's name, as in 'L1H4'",
    )
    sort_by: SortBy = option(
        default="value", help="What the table is sorted by; equal ones stay in their order."
    )
    descending: bool = option(default=True, help="Whether the largest is first.")
    groups: list[str] = option(default=[], help="The groups in the table; empty: all.")
    find: str = option(default="", help="Only prompts with this text in them.")
    at_least: float | None = option(default=None, help="Only records of this value or more.")
    below: float | None = option(default=None, help="Only records of lower values.")

    def _checked(self, option: str, value: Any) -> Any:
        if option == "path" and value is not None and not isinstance(value, str):
            # A run knows where it writes.
            value = getattr(value, "path", value)
            value = os.fspath(value) if isinstance(value, os.PathLike) else value
        return super()._checked(option, value)

    def _takes(self, name: str, value: Any) -> bool:
        # Which files are read is not a page's to say.
        return name != "path" and super()._takes(name, value)

    @question(Store, first=True)
    @staticmethod
    def store(session: Session, path: str) -> xr.Dataset:
        """What is stored at a path."""
        stored = opened(path)
        listed: list[QuantityInfo] = []
        for name in stored.quantities:
            cells = cells_of(stored.found[name])
            axes: list[AxisInfo] = [
                {
                    "dim": axis.dim,
                    "size": axis.size,
                    "prefix": axis.prefix,
                    "texts": None if axis.texts is None else list(axis.texts),
                }
                for axis in cells.axes
            ]
            listed.append({"name": name, "axes": axes, "between": cells.between})
        return Store.dataset(
            quantities=listed, n_records=stored.n_records, expected=stored.expected
        )

    @question(Means, first=True)
    @staticmethod
    def means(
        session: Session, path: str, quantity: str | None
    ) -> Generator[Step, None, xr.Dataset]:
        """Means over all records, of every cell of a quantity."""
        stored = opened(path)
        values = stored.quantity(quantity)
        cells = cells_of(values)
        for found in stored.means(values):
            yield Step(found.done, found.total, f"means of {cells.count} cells")
        flat = found.mean.reshape(-1, cells.axes[-1].size if cells.axes else 1)
        # Magnitudes rank the cells, so that those come first that matter in both directions.
        order = np.argsort(-np.nan_to_num(found.size.ravel(), nan=-1.0), kind="stable")
        top = [np.unravel_index(at, found.size.shape) for at in order[:STRONGEST]]
        small = cells.count <= MAX_MAP
        return Means.dataset(
            row=cells.rows if small else [],
            column=cells.columns if small else [],
            mean=flat.astype(np.float32) if small else None,
            strongest=[cells.name(tuple(map(int, at))) for at in top],
            strongest_mean=np.array([found.mean[at] for at in top], dtype=np.float32),
            **_told(values),
        )

    @question(Bars, first=True)
    @staticmethod
    def bars(
        session: Session,
        path: str,
        quantity: str | None,
        cell: str | None,
        layer: int,
        head: int,
    ) -> xr.Dataset:
        """How the values of one cell lie over all records, by group."""
        stored = opened(path)
        found = stored.quantity(quantity)
        cells, at, _ = find_cell(stored, found, cell, layer, head)
        counted = histogram(stored.values(found, at), stored.group)
        n_all, mean_all, sem_all = counted.overall
        return Bars.dataset(
            edge=counted.edge,
            group=list(counted.group),
            count=counted.count,
            n=counted.n,
            mean=counted.mean.astype(np.float32),
            sem=counted.sem.astype(np.float32),
            n_all=n_all,
            mean_all=mean_all,
            sem_all=sem_all,
            n_missing=counted.n_missing,
            cell=cells.name(at),
            **_told(found),
        )

    @question(Rows, first=True)
    @staticmethod
    def rows(
        session: Session,
        path: str,
        quantity: str | None,
        cell: str | None,
        layer: int,
        head: int,
        sort_by: SortBy,
        descending: bool,
        groups: list[str],
        find: str,
        at_least: float | None,
        below: float | None,
        prompt: int,
        first: int = 0,
        count: int | None = 20,
    ) -> xr.Dataset:
        """``count`` of the records that pass (None: all), sorted, from the one numbered ``first``
        on."""
        check_between("first", first, 0, ALL)
        check_prompt(session, prompt)
        stored = opened(path)
        found = stored.quantity(quantity)
        cells, at, followed = find_cell(stored, found, cell, layer, head)
        values = stored.values(found, at)
        passed = chosen_rows(
            record=stored.record,
            group=stored.group,
            value=values,
            sort_by=sort_by,
            descending=descending,
            groups=groups,
            matching=stored.matching(find),
            at_least=at_least,
            below=below,
        )
        end = None if count is None else first + check_between("count", count, 1, MAX_ROWS)
        window = passed[first:end]
        texts = {name: stored.texts(name, window) for name in ("prompt", "corrupted", "answers")}
        now = session.prompt_set.texts[prompt]
        is_open = [int(text == now) for text in texts["prompt"]]
        if count is not None:
            # A reply holds so much; the whole text is in the store, and opens.
            room = MAX_REPLY_BYTES // (16 * count)
            for name in ("prompt", "corrupted"):
                texts[name] = [
                    t if len(t) <= 2 * room else f"{t[:room]} … {t[-room:]}" for t in texts[name]
                ]
        return Rows.dataset(
            record=stored.record[window],
            group=[str(stored.group[row]) for row in window],
            prompt=texts["prompt"],
            corrupted=texts["corrupted"],
            answers=[answer_text(session, text) for text in texts["answers"]],
            value=values[window],
            open=np.array(is_open, dtype=np.int64),
            first=first,
            n_found=len(passed),
            n_records=stored.n_records,
            cell=cells.name(at),
            followed=followed,
            **_told(found),
        )

    @question(Code, quick=True)
    @staticmethod
    def code(
        session: Session,
        path: str,
        quantity: str | None,
        cell: str | None,
        layer: int,
        head: int,
        descending: bool,
    ) -> xr.Dataset:
        """Code that reads one cell of every record and prints the top examples."""
        stored = opened(path)
        found = stored.quantity(quantity)
        cells, at, _ = find_cell(stored, found, cell, layer, head)
        chosen = ", ".join(f"{axis.dim}={i}" for axis, i in zip(cells.axes, at, strict=True))
        order = f"[::{-1 if descending else 1}]"
        return Code.dataset(
            code=f"""\
import xarray as xr

stored = xr.open_zarr({f"{path}/{FOLDER}"!r}, chunks=None, consolidated=False)
stored = stored.isel(record=stored["state"].values == {DONE}).set_coords("group")
values = stored[{str(found.name)!r}]{f".isel({chosen})" if chosen else ""}.load()
print(values.groupby("group").mean().to_series())
for index in values.argsort().values{order}[:25]:
    print(f"{{values[index].item():+.4f}}", stored["prompt"][index].item())
"""
        )

    @command(writes=True)
    @staticmethod
    def open_record(session: Session, path: str, record: int) -> None:
        """Puts a record's prompt, answers and corrupted prompt in the place of the session's
        prompts; all or nothing, and undo takes it back."""
        stored = opened(path)
        at = np.flatnonzero(stored.record == record)
        if not len(at):
            raise InputError(f"record={record} is not stored.", "Choose a row of the table.")
        text, corrupted, said = (
            stored.texts(name, at[:1])[0] for name in ("prompt", "corrupted", "answers")
        )
        answers = answer_of(said)
        if answers is not None:
            # They were counted as they are written: a space in front is not asked about.
            made = make_answers(session.model, [answers], 1)
            answers = list(zip(made.correct, made.wrong, strict=True))
        before = session.prompt_set
        session.set_prompts([text], answers=answers, corrupted=[corrupted] if corrupted else None)
        session.interventions.note_edit(f"the opening of record {record}", before)

    def data(self) -> xr.Dataset:
        """The first rows of the table; ``view.rows(count=None)`` has all that pass."""
        self._check_path()
        return super().data()

    def figure(self) -> go.Figure:
        """The histogram, the groups' bars on top of each other."""
        self._check_path()
        found = self.ask("bars")
        edges, attrs = found["edge"].values, found.attrs
        figure = go.Figure(
            [
                go.Bar(
                    x=edges[:-1],
                    y=counts,
                    offset=0,
                    width=np.diff(edges),
                    name=name or "all",
                    customdata=np.stack([edges[:-1], edges[1:]], axis=1),
                    hovertemplate="%{customdata[0]:.4g} to %{customdata[1]:.4g}: %{y}",
                )
                for name, counts in zip(found["group"].values, found["count"].values, strict=True)
            ]
        )
        mean = f"mean {attrs['mean_all']:.4g}"
        if attrs["sem_all"] is not None:
            mean += f" ± {attrs['sem_all']:.2g}"
        figure.update_layout(
            barmode="stack",
            title=f"{_title(attrs)}; {mean}, n = {attrs['n_all']}",
            xaxis_title=attrs["units"],
            yaxis_title="prompts",
        )
        return figure

    def _check_path(self) -> None:
        if self.path is None:
            raise InputError(
                "path is None: no results are chosen.", f"Give path=; {RUN} writes results."
            )


def _told(found: xr.DataArray) -> dict[str, Any]:
    return {
        "quantity": str(found.name),
        "units": str(found.attrs.get("units", "")),
        "definition": str(found.attrs.get("definition", "")),
    }


def _title(attrs: dict[str, Any]) -> str:
    return f"{attrs['quantity']} of {attrs['cell']}" if attrs["cell"] else str(attrs["quantity"])
