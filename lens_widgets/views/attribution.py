"""AttributionTable: who moves the logits, before and after."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from typing_extensions import TypedDict

from lens_widgets.analysis.attribution.attribution import read_where
from lens_widgets.analysis.attribution.attribution_script import attribution_script
from lens_widgets.analysis.attribution.compared import By, check_read, compared, parts_of
from lens_widgets.analysis.attribution.decomposition import decompose, decompose_heads
from lens_widgets.analysis.attribution.neuron_effects import neuron_activations_read, neuron_effects
from lens_widgets.analysis.attribution.readout import definition_of
from lens_widgets.analysis.attribution.sources import source_effects
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_head, check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.plot import signed_bars, signed_map
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers, Texts

MAX_K = 200


class EffectNumbers(TypedDict):
    """One effect in logits; standard errors are None for one prompt."""

    baseline: float | None
    current: float | None
    baseline_sem: float | None
    current_sem: float | None
    change_sem: float | None


class Rows(Answer):
    """Direct effects of the model's parts, in its order, which sum to ``total``; standard errors
    over prompts are NaN for one prompt, and layer and head where a part has none. ``n_read``: of
    how many prompts logits are read."""

    coords = ("layer", "head", "ablatable")
    component: Shaped[Texts, "component"]
    layer: Float[Numbers, "component"]
    head: Float[Numbers, "component"]
    ablatable: Bool[Numbers, "component"]
    baseline: Float[Numbers, "component"]
    current: Float[Numbers, "component"]
    baseline_sem: Float[Numbers, "component"]
    current_sem: Float[Numbers, "component"]
    change_sem: Float[Numbers, "component"]
    total: EffectNumbers
    n_read: int
    units: str
    definition: str


class Sources(Answer):
    """A head's direct effect on one prompt, by the token whose value carried it; ``rest`` is what
    no token carried, of what interventions put in."""

    baseline: Float[Numbers, "key_pos"]
    current: Float[Numbers, "key_pos"]
    baseline_total: float | None
    current_total: float | None
    rest: float | None
    units: str
    definition: str


class Neurons(Answer):
    """The neurons of an MLP with the largest direct effects; with ``others`` and the output
    ``bias`` they sum to ``total``."""

    neuron: Int[Numbers, "neuron"]
    activation: Float[Numbers, "neuron"]
    baseline: Float[Numbers, "neuron"]
    current: Float[Numbers, "neuron"]
    baseline_sem: Float[Numbers, "neuron"]
    current_sem: Float[Numbers, "neuron"]
    change_sem: Float[Numbers, "neuron"]
    others: EffectNumbers
    bias: EffectNumbers
    total: EffectNumbers
    layer: int
    n_neurons: int
    units: str
    definition: str


class AttributionTable(View):
    """Direct effects by head, layer or component, summing to the metric's logits.

    Switches in the rows ablate as ``session.settings.ablation_kind`` says; a head's row opens into
    the tokens whose values carried its effect, an MLP's into its neurons.
    """

    view = "attribution"
    shown = "rows"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("attribution.js")
    _css = bundle("style.css")

    by: Literal["head", "layer", "component"] = option(
        default="head", help="How finely effects are split."
    )
    read_at: Literal["metric", "selected"] = option(
        default="metric",
        help="Read the logits where the metric does, or at the selected query position.",
    )

    def chosen(self) -> dict[str, Any]:
        """As of every view, with ``pos``: where logits are read, None for as the metric does."""
        known = super().chosen()
        pos = known["query_pos"] if self.read_at == "selected" else None
        return {**known, "pos": pos}

    @question(Rows, first=True)
    @staticmethod
    def rows(session: Session, by: By, prompt: int | None, pos: int | None) -> xr.Dataset:
        """All parts before and after, of one prompt or the mean."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        where = read_where(pos)
        split = decompose_heads if by == "head" else decompose
        runs = [split(session, run, where) for run in (session.run(()), session.run())]
        now = runs[1]
        check_read(now.total, chosen, pos)
        both = [parts_of(session, parts, by) for parts in runs]
        columns = [
            torch.stack([*(effects for _, _, effects in parts), whole.total], dim=1)
            for parts, whole in zip(both, runs, strict=True)
        ]
        numbers: dict[str, Any] = compared(columns[0], columns[1], chosen)
        parts = [part for _, part, _ in both[1]]
        return Rows.dataset(
            component=[name for name, _, _ in both[1]],
            layer=[_number(None if part is None else part.layer) for part in parts],
            head=[_number(None if part is None else part.head) for part in parts],
            ablatable=[part is not None for part in parts],
            **{name: values[:-1] for name, values in numbers.items()},
            total=_at(numbers, -1),
            n_read=1 if chosen is not None else int((~now.total.isnan()).sum()),
            units="logits",
            definition=f"Direct effect on the {definition_of(now.readout.target, where)}.",
        )

    @question(Sources)
    @staticmethod
    def sources(
        session: Session, prompt: int, layer: int, head: int, pos: int | None
    ) -> xr.Dataset:
        """Which token's value carried a head's effect on one prompt, before and after."""
        check_head(session, layer, head)
        length = int(session.prompt_set.lengths[check_prompt(session, prompt)])
        where = read_where(pos)
        runs = (session.run(()), session.run())
        before, after = (
            source_effects(session, layer, head, run, where)[prompt, :length] for run in runs
        )
        totals = [decompose(session, run, where).heads[prompt, layer, head] for run in runs]
        target = decompose(session, where=where).readout.target
        return Sources.dataset(
            baseline=before,
            current=after,
            baseline_total=totals[0],
            current_total=totals[1],
            rest=totals[1] - after.nansum(),
            units="logits",
            definition=f"Direct effect of L{layer}H{head} on the {definition_of(target, where)}, "
            "by the token whose value carried it.",
        )

    @question(Neurons)
    @staticmethod
    def neurons(
        session: Session, layer: int, prompt: int | None, pos: int | None, k: int = 12
    ) -> xr.Dataset:
        """The k neurons of an MLP with the largest effects, what the others add, and the bias."""
        if not 1 <= k <= MAX_K:
            raise InputError(f"k={k} is out of range.", f"It runs from 1 to {MAX_K}.")
        where, runs = read_where(pos), (session.run(()), session.run())
        both = [neuron_effects(session, run, where, layer) for run in runs]
        chosen = None if prompt is None else check_prompt(session, prompt)
        mlps = [decompose(session, run, where).mlp[:, layer] for run in runs]
        check_read(mlps[1], chosen, pos)
        size = torch.maximum(*(_of(values, chosen).abs() for values in both))
        top = size.topk(min(k, len(size))).indices
        columns = [
            torch.cat([values[:, top], *_sums(values, top, mlp)], dim=1)
            for values, mlp in zip(both, mlps, strict=True)
        ]
        numbers: dict[str, Any] = compared(columns[0], columns[1], chosen)
        target = decompose(session, where=where).readout.target
        return Neurons.dataset(
            neuron=top,
            activation=_of(neuron_activations_read(session, runs[1], where, layer), chosen)[top],
            **{name: values[:-3] for name, values in numbers.items()},
            others=_at(numbers, -3),
            bias=_at(numbers, -2),
            total=_at(numbers, -1),
            layer=layer,
            n_neurons=int(both[0].shape[1]),
            units="logits",
            definition=f"Direct effect on the {definition_of(target, where)}: activation times "
            "what the neuron writes.",
        )

    @question(Code)
    @staticmethod
    def code(session: Session, by: By, prompt: int | None, pos: int | None) -> xr.Dataset:
        """Code for the current effects."""
        return Code.dataset(code=attribution_script(session, by, prompt=prompt, pos=pos))

    def figure(self) -> go.Figure:
        """The heads as a heatmap; layers or components as bars."""
        table = self.ask("rows")
        attrs, values = table.attrs, table["current"].values
        heads = ~np.isnan(table["head"].values)
        if self.by != "head" or not heads.any():
            names = [str(name) for name in table["component"].values]
            return signed_bars(values, names, attrs["units"], attrs["definition"])
        facts = self.session.facts
        grid = np.full((facts.n_layers, facts.n_heads), np.nan)
        places = (table[dim].values[heads].astype(int) for dim in ("layer", "head"))
        grid[tuple(places)] = values[heads]
        rows = [f"L{layer}" for layer in range(facts.n_layers)]
        columns = [f"H{head}" for head in range(facts.n_heads)]
        return signed_map(grid, rows, columns, attrs["units"], attrs["definition"])


def _number(value: int | None) -> float:
    return float("nan") if value is None else float(value)


def _at(numbers: dict[str, Float[Tensor, "n"]], index: int) -> dict[str, Tensor]:
    return {name: values[index] for name, values in numbers.items()}


def _of(values: Float[Tensor, "prompt n"], prompt: int | None) -> Float[Tensor, "n"]:
    return values.nanmean(dim=0) if prompt is None else values[prompt]


def _sums(
    values: Float[Tensor, "prompt neuron"], top: Int[Tensor, "k"], mlp: Float[Tensor, "prompt"]
) -> list[Tensor]:
    """What the neurons besides ``top`` add, what the MLP adds besides its neurons, and the MLP."""
    neurons = values.sum(dim=1)
    others = neurons - values[:, top].sum(dim=1)
    return [sums[:, None] for sums in (others, mlp - neurons, mlp)]
