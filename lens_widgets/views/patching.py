"""PatchingView: which activations carry the answer from one run into the other."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, ClassVar, Literal

import plotly.graph_objects as go
import torch
import xarray as xr
from plotly.subplots import make_subplots
from torch import Tensor
from typing_extensions import TypedDict

from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.analysis.patching.nodes import block_nodes, head_nodes, node_kind
from lens_widgets.analysis.patching.passes import Method
from lens_widgets.analysis.patching.patch_maps import (
    PatchMap,
    Wanted,
    available_nodes,
    patch_maps,
    shown,
)
from lens_widgets.analysis.patching.patch_script import patch_script
from lens_widgets.analysis.patching.patching import UNITS, Into, both_metrics, normalized
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.pace import Pace
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Shape, Variable
from lens_widgets.wire.messages import Step

Shown = Literal["heads", "blocks"]


class MapInfo(TypedDict):
    """One map: how many cells are exact, the method of the estimates, and their linear (Pearson)
    and rank correlation (Spearman) with the exact cells. ``heads``: how many of the columns are
    heads of this activation; keys and values have fewer under grouped-query attention, and NaN in
    the rest."""

    node: str
    title: str
    heads: int
    n_exact: int
    method: Method | None
    linear_correlation: float | None
    rank_correlation: float | None


class Maps(Answer):
    """The metric after patching each cell, a variable a node: exact where ``*_exact``, an estimate
    elsewhere; ``*_sem`` of means over prompts, NaN for one. ``unpatched`` is what a cell without an
    effect has, ``full`` what one has that carries everything: the zero and the end of colours.
    ``tokens_of``: the prompt whose tokens name the positions; ``missing``: activations that this
    model cannot be patched at."""

    along: ClassVar[tuple[str, ...]] = ()
    maps: list[MapInfo]
    tokens_of: int
    missing: list[str]
    metric: str
    clean: float
    corrupted: float
    unpatched: float
    full: float
    units: str
    definition: str

    @classmethod
    def nodes(cls) -> tuple[str, ...]:
        """The nodes there are now: the table of activations may have got new rows."""
        return head_nodes() if "head" in cls.along else block_nodes()

    @classmethod
    def declaration(cls) -> Shape:
        """With three variables a node, each of which a model may lack."""
        names = [f"{node}{part}" for node in cls.nodes() for part in ("", "_sem", "_exact")]
        variables = {name: Variable(name, cls.along, False, True) for name in names}
        return Shape(variables, super().declaration().attrs)


class HeadMaps(Maps):
    """Maps of heads, all positions at once."""

    along = ("layer", "head")


class HeadPosMaps(Maps):
    """Maps of heads by position."""

    along = ("layer", "head", "pos")


class BlockMaps(Maps):
    """Maps of blocks by position."""

    along = ("layer", "pos")


class PatchingView(View):
    """Activation patching maps side by side; a click keeps a patch as an intervention.

    Maps are of heads (outputs z, queries, keys, values, patterns) or of blocks (residual stream,
    attention and MLP outputs by position). The session needs corrupted prompts.
    """

    view = "patching"
    shown = "heads"
    """Until its options choose other maps."""
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("patching.js")
    _css = bundle("style.css")

    patch_maps: Shown = option(
        default="heads", help="Maps of ``'heads'``, or of ``'blocks'`` by position."
    )
    by_pos: bool = option(default=False, help="Whether heads are patched position by position.")
    patch_into: Into = option(
        default="corrupted", help="The run that is patched, with activations of the other one."
    )
    normalize: bool = option(
        default=True, help="Whether 0 is the run that is patched and 1 the metric of the other one."
    )

    estimate: Wanted = option(
        default="best",
        help="How cells are estimated before they are exact: ``'gradient'``, ``'integrated'`` or "
        "``'relp'``, or ``'best'``, of these the one that agrees best with the exact cells so far.",
    )

    @question(HeadMaps)
    @staticmethod
    def heads(
        session: Session,
        patch_into: Into,
        normalize: bool,
        estimate: Wanted,
        prompt: int | None,
    ) -> Generator[Step, None, xr.Dataset]:
        """Heads at all positions at once: estimates, then exact values, the largest first."""
        return _streamed(session, HeadMaps, patch_into, normalize, estimate, prompt)

    @question(HeadPosMaps)
    @staticmethod
    def heads_by_pos(
        session: Session,
        patch_into: Into,
        normalize: bool,
        estimate: Wanted,
        prompt: int | None,
    ) -> Generator[Step, None, xr.Dataset]:
        """Heads position by position: estimates, then exact values, the largest first."""
        return _streamed(session, HeadPosMaps, patch_into, normalize, estimate, prompt)

    @question(BlockMaps)
    @staticmethod
    def blocks(
        session: Session,
        patch_into: Into,
        normalize: bool,
        estimate: Wanted,
        prompt: int | None,
    ) -> Generator[Step, None, xr.Dataset]:
        """Blocks by position: estimates, then exact values, the largest first."""
        return _streamed(session, BlockMaps, patch_into, normalize, estimate, prompt)

    @question(Code)
    @staticmethod
    def code(
        session: Session, patch_maps: Shown, by_pos: bool, patch_into: Into, normalize: bool
    ) -> xr.Dataset:
        """Code for the maps, as means over prompts."""
        wanted = block_nodes() if patch_maps == "blocks" else head_nodes()
        nodes = available_nodes(session, wanted)
        return Code.dataset(code=patch_script(session, nodes, by_pos, patch_into, normalize))

    def _asked(self) -> str:
        if self.patch_maps == "blocks":
            return "blocks"
        return "heads_by_pos" if self.by_pos else "heads"

    def opening(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """What the page asks first depends on which maps are chosen."""
        method = f"patching/{self._asked()}"
        asked = self.arguments(vars(PatchingView)[self._asked()])
        mean = self.session.settings.prompt_scope == "mean"
        named = _tokens_of(self.session, None if mean else self.session.selection.prompt)
        return super().opening() | {
            "patching/tokens": ("session/tokens", {"prompt": named}),
            method: (method, asked),
        }

    def data(self) -> xr.Dataset:
        """The exact maps, each under its activation's name; units and definition in ``attrs``."""
        return self.ask(self._asked())

    def figure(self) -> go.Figure:
        """The exact maps side by side; heads by position as rows L0H0, L0H1, ..."""
        table = self.data()
        infos = table.attrs["maps"]
        titles = [one["node"] for one in infos]
        figure = make_subplots(1, len(infos), subplot_titles=titles, horizontal_spacing=0.03)
        texts = token_texts(self.session, table.attrs["tokens_of"])
        tokens = [f"{text} {i}" for i, text in enumerate(texts)]
        for number, info in enumerate(infos, start=1):
            one = table[info["node"]]
            one = one.isel(head=slice(info["heads"])) if "head" in one.dims else one
            rows = [f"L{layer}" for layer in one["layer"].values]
            if one.ndim == 3:
                rows = [f"{row}H{head}" for row in rows for head in one["head"].values]
            heatmap = go.Heatmap(
                z=one.values.reshape(len(rows), -1),
                x=tokens if "pos" in one.dims else [f"H{h}" for h in one["head"].values],
                y=rows,
                coloraxis="coloraxis",
                hovertemplate="%{y} %{x}: %{z:.4f}<extra></extra>",
            )
            figure.add_trace(heatmap, row=1, col=number)
        ends = table.attrs["clean"], table.attrs["corrupted"]
        rises = ends[0] <= ends[1]
        span = abs(table.attrs["full"] - table.attrs["unpatched"]) or 1.0
        figure.update_layout(
            title=table.attrs["definition"],
            coloraxis={
                # As on the page: the unpatched run has no colour, the other run the fullest.
                "colorscale": "RdBu",
                "reversescale": table.attrs["units"] == UNITS["clean"] and not rises,
                "cmid": table.attrs["unpatched"],
                "cmin": table.attrs["unpatched"] - span,
                "cmax": table.attrs["unpatched"] + span,
                "colorbar": {"title": table.attrs["units"]},
            },
        )
        figure.update_yaxes(autorange="reversed")
        return figure


def _streamed(
    session: Session,
    answer: type[Maps],
    into: Into,
    normalize: bool,
    estimate: Wanted,
    prompt: int | None,
) -> Generator[Step, None, xr.Dataset]:
    chosen = None if prompt is None else check_prompt(session, prompt)
    wanted = answer.nodes()
    nodes = available_nodes(session, wanted)
    maps: list[PatchMap] = []

    def known() -> xr.Dataset:
        clean, corrupted = both_metrics(session)
        of = slice(None) if chosen is None else chosen
        other = "clean" if into == "corrupted" else "corrupted"
        metrics = {"clean": float(clean[of].mean()), "corrupted": float(corrupted[of].mean())}
        ends = f"; 0 is the {into} run, 1 the {other} one." if normalize else "."
        return answer.dataset(
            **_variables(session, maps, chosen, into, normalize),
            maps=[_info(one) for one in maps],
            tokens_of=_tokens_of(session, chosen),
            missing=[node_kind(node).title for node in wanted if node not in nodes],
            metric=session.metric.label,
            clean=metrics["clean"],
            corrupted=metrics["corrupted"],
            unpatched=_scaled(session, metrics[into], into, normalize),
            full=_scaled(session, metrics[other], into, normalize),
            units=UNITS[into] if normalize else session.metric.units,
            definition=f"{session.metric.label} of the {into} run after one activation of the "
            f"{other} run is put in its place{ends}",
        )

    # Said before the first answer, which may take a while: nobody waits for a cell.
    yield Step(0, 0, "estimating")
    pace = Pace()
    steps = patch_maps(session, nodes, "pos" in answer.along, into, estimate)
    for done, total, maps in steps:  # noqa: B007
        if pace.due():
            yield Step(done, total, "exact patching", known())
    return known()


def _scaled(session: Session, metric: float, into: Into, normalize: bool) -> float:
    """A metric as the maps show it: one prompt's own runs are seldom quite 0 and 1."""
    values = torch.tensor([metric], device="cpu")
    return float(normalized(session, values, into) if normalize else values)


def _tokens_of(session: Session, prompt: int | None) -> int:
    """The prompt whose tokens name the positions: of means over prompts the longest."""
    return int(session.prompt_set.lengths.argmax()) if prompt is None else prompt


def _info(one: PatchMap) -> MapInfo:
    grid, agreement = one.grid, one.agreement
    return {
        "node": grid.node,
        "title": node_kind(grid.node).title,
        "heads": grid.shape[1] if "head" in grid.dims else 0,
        "n_exact": len(one.finished),
        "method": one.method,
        "linear_correlation": agreement.linear,
        "rank_correlation": agreement.rank,
    }


def _variables(
    session: Session, maps: list[PatchMap], prompt: int | None, into: Into, normalize: bool
) -> dict[str, Any]:
    """Values, errors and exactness by name; positions that a shown prompt lacks are cut off."""
    widest = max((one.grid.shape[1] for one in maps), default=0)
    found: dict[str, Tensor] = {}
    for one in maps:
        now, node = shown(session, one, prompt, into, normalize), one.grid.node
        parts = {node: now.values, f"{node}_sem": now.sem, f"{node}_exact": one.known}
        for name, values in parts.items():
            if prompt is not None and "pos" in one.grid.dims:
                values = values[..., : int(session.prompt_set.lengths[prompt])]
            if values.shape[1] < widest and "head" in one.grid.dims:
                fill = False if values.dtype == torch.bool else float("nan")
                more = (values.shape[0], widest - values.shape[1], *values.shape[2:])
                values = torch.cat([values, values.new_full(more, fill)], dim=1)
            found[name] = values
    return found
