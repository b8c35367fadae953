"""CompositionView: which heads read what which earlier heads wrote, by their weights."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, ClassVar

import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Float, Int

from lens_widgets.analysis.weights.circuit_script import composition_script
from lens_widgets.analysis.weights.composition import (
    SEEDS,
    Kind,
    composition_blocks,
    describe,
    random_baseline,
)
from lens_widgets.analysis.weights.head_weights import weighted_layers
from lens_widgets.engine.probe import ModelFacts, weight_processing
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_between
from lens_widgets.views.options import option
from lens_widgets.views.pace import Pace
from lens_widgets.views.plot import labelled_map
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers
from lens_widgets.wire.messages import Step

MAX_PAIRS = 100
GROWS_FROM = 4096
"""Rows by heads from which a map is worth showing while it grows: a small one comes at once."""


class Composition(Answer):
    """Scores of source heads with destination heads, NaN where the destination is not later.

    ``random`` and ``random_spread``: mean and standard deviation of the scores of ``random_seeds``
    pairs of Gaussian matrices of the same shapes. ``weights``: how the model's were processed.
    """

    coords = ("src_layer", "src_head", "dst_layer", "dst_head")
    score: Float[Numbers, "src_layer src_head dst_layer dst_head"]
    src_layer: Int[Numbers, "src_layer"]
    src_head: Int[Numbers, "src_head"]
    dst_layer: Int[Numbers, "dst_layer"]
    dst_head: Int[Numbers, "dst_head"]
    random: float
    random_spread: float
    random_seeds: int
    weights: str
    units: str
    definition: str


class LayerPairs(Answer):
    """The largest score of any two heads of two layers, NaN where the destination is not later; and
    the pairs of heads with the largest scores of all, largest first, fewer than asked for where
    there are fewer. The rest as of ``Composition``."""

    coords = (
        "src_layer",
        "dst_layer",
        "writer_layer",
        "writer_head",
        "reader_layer",
        "reader_head",
    )
    largest: Float[Numbers, "src_layer dst_layer"]
    src_layer: Int[Numbers, "src_layer"]
    dst_layer: Int[Numbers, "dst_layer"]
    score: Float[Numbers, "pair"]
    writer_layer: Int[Numbers, "pair"]
    writer_head: Int[Numbers, "pair"]
    reader_layer: Int[Numbers, "pair"]
    reader_head: Int[Numbers, "pair"]
    random: float
    random_spread: float
    random_seeds: int
    weights: str
    units: str
    definition: str


class CompositionView(View):
    """Composition scores of every pair of heads. Click a pair to select both heads everywhere.

    A ``WeightCircuitView`` of the same session shows the circuit of the pair that is clicked. Only
    weights are read: the model is not run.
    """

    view = "composition"
    shown = "scores"
    of_session: ClassVar[tuple[str, ...]] = ()
    _esm = bundle("composition.js")
    _css = bundle("style.css")

    composition: Kind = option(
        default="K",
        help='Whether the later head\'s keys (``"K"``), queries (``"Q"``) or values (``"V"``) read '
        "what the earlier one wrote.",
    )
    subtract_random: bool = option(
        default=True, help="Whether the score of random matrices is subtracted."
    )

    @question(Composition, first=True)
    @staticmethod
    def scores(
        session: Session,
        composition: Kind,
        subtract_random: bool,
        dst_from: int = 1,
        dst_layers: int | None = None,
    ) -> Generator[Step, None, xr.Dataset]:
        """Scores of all pairs, layer by layer; with ``dst_layers`` only into so many layers from
        ``dst_from`` on, for pages that show a large model part by part."""
        facts = _facts(session)
        most = facts.n_layers - check_between("dst_from", dst_from, 1, facts.n_layers - 1)
        count = most if dst_layers is None else check_between("dst_layers", dst_layers, 1, most)
        sources, heads = facts.n_layers - 1, facts.n_heads
        layers = range(dst_from, dst_from + count)
        baseline, said = _baseline(session, composition, subtract_random)
        scores = torch.full((sources, heads, count, heads), float("nan"), device="cpu")

        def known() -> xr.Dataset:
            return Composition.dataset(
                score=scores - baseline,
                src_layer=range(sources),
                src_head=range(heads),
                dst_layer=layers,
                dst_head=range(heads),
                **said,
            )

        total, label = sum(layers), f"{composition}-composition"
        growing, pace = sources * heads * heads > GROWS_FROM, Pace()
        yield Step(0, total, label)
        blocks = composition_blocks(session.model, composition, layers)
        for done, (src, dst, block) in enumerate(blocks, 1):
            scores[src, :, dst - dst_from] = block.cpu()
            yield Step(done, total, label, known() if growing and pace.due() else None)
        return known()

    @question(LayerPairs)
    @staticmethod
    def layers(
        session: Session, composition: Kind, subtract_random: bool, k: int = 12
    ) -> Generator[Step, None, xr.Dataset]:
        """The largest score between any two layers, and the k pairs of heads with the largest of
        all: what is shown first of a model whose pairs are too many for one map."""
        facts = _facts(session)
        check_between("k", k, 1, MAX_PAIRS)
        baseline, said = _baseline(session, composition, subtract_random)
        sources = facts.n_layers - 1
        largest = torch.full((sources, sources), float("nan"), device="cpu")
        pairs: list[tuple[float, int, int, int, int]] = []
        pace = Pace()

        def known() -> xr.Dataset:
            names = ("score", "writer_layer", "writer_head", "reader_layer", "reader_head")
            columns = list(zip(*pairs, strict=True)) or [()] * len(names)
            listed: dict[str, Any] = {
                name: torch.tensor(column, device="cpu")
                for name, column in zip(names, columns, strict=True)
            }
            return LayerPairs.dataset(
                largest=largest.clone(),
                src_layer=range(sources),
                dst_layer=range(1, facts.n_layers),
                **listed,
                **said,
            )

        total, label = sum(range(facts.n_layers)), f"{composition}-composition"
        yield Step(0, total, label)
        blocks = composition_blocks(session.model, composition, range(1, facts.n_layers))
        for done, (src, dst, block) in enumerate(blocks, 1):
            # A head of zeros has no score with any other.
            top = block.nan_to_num(nan=-math.inf).flatten().topk(min(k, block.numel()))
            found = zip(top.values.tolist(), top.indices.tolist(), strict=True)
            scored = [
                (value - baseline, src, index // block.shape[1], dst, index % block.shape[1])
                for value, index in found
                if value > -math.inf
            ]
            if scored:
                largest[src, dst - 1] = scored[0][0]
            pairs += scored
            pairs = sorted(pairs, reverse=True)[:k]
            yield Step(done, total, label, known() if pace.due() else None)
        return known()

    @question(Code)
    @staticmethod
    def code(session: Session, composition: Kind, subtract_random: bool) -> xr.Dataset:
        """Code for the scores of all pairs."""
        layers = weighted_layers(session.model, f"composition={composition!r}", least=2)
        all_of_them = len(layers) == session.facts.n_layers
        text = composition_script(composition, subtract_random, None if all_of_them else layers)
        return Code.dataset(code=text)

    def figure(self) -> go.Figure:
        """All pairs as one heatmap, sources down and destinations across."""
        table = self.data()
        rows, columns = (
            [
                f"L{layer}H{head}"
                for layer in table[f"{end}_layer"].values
                for head in table[f"{end}_head"].values
            ]
            for end in ("src", "dst")
        )
        return labelled_map(
            table["score"].values.reshape(len(rows), len(columns)),
            rows,
            columns,
            table.attrs,
            words=("writes: %{y}", "reads: %{x}"),
            signed=self.subtract_random,
        )


def _facts(session: Session) -> ModelFacts:
    """Those of a model in which a head can read what another wrote."""
    if session.facts.n_layers < 2:
        raise InputError(
            "This model has one layer, so no head reads what another wrote.",
            "Composition needs two layers or more.",
        )
    return session.facts


def _baseline(session: Session, composition: Kind, subtract: bool) -> tuple[float, dict[str, Any]]:
    """What is subtracted, and what every answer says of it."""
    mean, spread = random_baseline(session.model)
    units, definition = describe(composition, subtract)
    said = {
        "random": mean,
        "random_spread": spread,
        "random_seeds": SEEDS,
        "weights": weight_processing(session.model),
        "units": units,
        "definition": definition,
    }
    return (mean if subtract else 0.0), said
