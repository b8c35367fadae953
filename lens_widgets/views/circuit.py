"""CircuitView: which edges carry the answer, how few of them do, and what each is worth."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

import numpy as np
import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Float, Int, Shaped

from lens_widgets.analysis.circuits.circuit import Circuit
from lens_widgets.analysis.circuits.curve import MIB, circuit_curve, curve_circuits
from lens_widgets.analysis.circuits.edge_scores import EdgeMethod
from lens_widgets.analysis.circuits.edges import edge_effects
from lens_widgets.analysis.circuits.evaluate import Kind, circuit_metrics, metrics_of
from lens_widgets.analysis.patching.agreement import agreement
from lens_widgets.errors import InputError
from lens_widgets.interventions.cut import Cut
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.circuit_choice import (
    circuit_of_size,
    cut_to,
    every_estimate,
    first_share,
    heads_per_group,
    kept_scores,
    n_chosen,
    node_of,
    same,
    sampled,
    scores_by_position,
    strongest,
    uncut,
)
from lens_widgets.views.options import option
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers, Texts
from lens_widgets.wire.messages import Step

N_RANDOM = 4
"""Random circuits of each size."""

OF_A_NODE = 8
"""Edges into and out of a node that are listed."""


class Edges(Answer):
    """The edges of a circuit, strongest first, at most so many as can be drawn.

    ``n_chosen`` highest edges of ``n_all``; ``n_edges`` of them lead from the embedding to the
    logits and are the circuit. ``stability``: the share of resamples of the prompts in which an
    edge's score has its sign; NaN for one prompt.
    """

    writer: Shaped[Texts, "edge"]
    reader: Shaped[Texts, "edge"]
    score: Float[Numbers, "edge"]
    stability: Float[Numbers, "edge"]
    n_edges: int
    n_chosen: int
    n_all: int
    n_nodes: int
    heads_per_group: int
    share: float
    stops: list[float]
    metric: str
    units: str
    definition: str


class Curve(Answer):
    """How much of the metric's difference circuits of growing size keep, measured.

    ``random_low`` and ``random_high``: of circuits of as many random edges. Faithfulness is 1 where
    the circuit does what the whole model does, 0 where it does no more than no circuit.
    """

    coords = ("share", "n_edges")
    share: Float[Numbers, "size"]
    n_edges: Int[Numbers, "size"]
    faithfulness: Float[Numbers, "size"]
    sem: Float[Numbers, "size"]
    random_low: Float[Numbers, "size"]
    random_high: Float[Numbers, "size"]
    cpr: float | None
    cmd: float | None
    whole: float
    empty: float
    metric: str
    units: str
    definition: str


class OneEdge(Answer):
    """What one edge does: ``change`` of the metric, in its units, when it is cut beside all that is
    in force."""

    change: float
    current: float
    cut: bool
    units: str
    definition: str


class EdgePlaces(Answer):
    """An estimate of where along the prompts an edge acts, named by the tokens of ``tokens_of``."""

    score: Float[Numbers, "pos"]
    tokens_of: int
    units: str
    definition: str


class Agreements(Answer):
    """How well each estimate agrees with what ``n_exact`` edges do exactly when one reader alone
    reads the clean run's share: the strongest by each method, and some of all others. NaN for a
    method that this model has no rules for."""

    method: Shaped[Texts, "method"]
    linear: Float[Numbers, "method"]
    rank: Float[Numbers, "method"]
    n_exact: int
    units: str
    definition: str


class NodeEdges(Answer):
    """What a node reads most from and what reads it most, by the size of the score."""

    writer: Shaped[Texts, "edge"]
    reader: Shaped[Texts, "edge"]
    score: Float[Numbers, "edge"]
    units: str
    definition: str


class Group(Answer):
    """What several nodes do together: ``change`` of the metric when all that they give is cut."""

    change: float
    apart: float
    units: str
    definition: str


class CircuitView(View):
    """The circuit behind the answer: estimated edge by edge, cut to size, and measured.

    Nodes stand where the model has them, layers upwards. Slide the size along the measured curve;
    click an edge for its exact effect, cut it, and every other view follows. The session needs
    corrupted prompts.
    """

    view = "circuit"
    shown = "edges"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("circuit.js")
    _css = bundle("style.css")

    edge_method: EdgeMethod = option(
        default="eap-ig",
        help="How edges are estimated: ``'eap'`` at one point, ``'eap-ig'`` by integrated "
        "gradients, ``'relp'`` by relevance.",
    )
    cut_kind: Kind = option(
        default="resample",
        help="What takes the place of a cut edge: the corrupted run's value, the mean, or zero.",
    )
    circuit_share: float | None = option(
        default=None,
        help="The circuit's size as a share of all edges, before pruning; None: the first size of "
        "some 25 edges.",
        min=0.0,
        max=1.0,
    )

    @question(Edges, first=True)
    @staticmethod
    def edges(session: Session, edge_method: EdgeMethod, circuit_share: float | None) -> xr.Dataset:
        """The circuit of the highest edges, pruned, strongest edge first."""
        scores, stability = kept_scores(session, edge_method)
        n_all = session.stream.graph.n_edges
        chosen = n_chosen(session, circuit_share)
        circuit = Circuit.top(session, chosen, scores)
        drawn, values = strongest(session, scores, circuit.edges)
        pairs = [session.stream.graph.edge(*edge) for edge in drawn]
        stable = [float(stability.values[pair]) for pair in pairs]
        return Edges.dataset(
            writer=[writer for writer, _ in drawn],
            reader=[reader for _, reader in drawn],
            score=np.array(values, dtype=np.float32),
            stability=np.array(stable, dtype=np.float32),
            n_edges=len(circuit),
            n_chosen=chosen,
            n_all=n_all,
            n_nodes=len(circuit.nodes),
            heads_per_group=heads_per_group(session),
            share=circuit_share if circuit_share is not None else first_share(session),
            stops=list(MIB),
            metric=scores.attrs["metric"],
            units=scores.attrs["units"],
            definition=scores.attrs["definition"],
        )

    @question(Curve, first=True)
    @staticmethod
    def curve(
        session: Session, edge_method: EdgeMethod, cut_kind: Kind
    ) -> Generator[Step, None, xr.Dataset]:
        """Faithfulness of the circuits of ten sizes, measured, beside random ones."""
        base, (scores, _) = uncut(session), kept_scores(session, edge_method)
        graph = base.stream.graph
        masks, drawn = curve_circuits(graph, scores, MIB, random=N_RANDOM)
        masks += [torch.zeros_like(graph.mask), graph.mask]
        total, label = len(masks) + len(drawn), "measuring circuits"
        # Each is kept with the run, so that the curve only reads them off.
        for done, _ in enumerate(circuit_metrics(base, masks, cut_kind)):
            yield Step(done, total, label)
        plain = circuit_curve(base, scores, kind=cut_kind)
        yield Step(len(masks), total, label, _curve(plain, None))
        for done, _ in enumerate(circuit_metrics(base, drawn, cut_kind), len(masks)):
            yield Step(done, total, "measuring random circuits")
        return _curve(plain, circuit_curve(base, scores, kind=cut_kind, random=N_RANDOM))

    @question(OneEdge)
    @staticmethod
    def edge(session: Session, cut_kind: Kind, writer: str, reader: str) -> xr.Dataset:
        """An edge's exact effect: two runs, one of which is known."""
        cut = Cut(writer, reader, cut_kind)
        rest = [one for one in session.interventions.active if not same(one, cut)]
        is_cut = len(rest) < len(session.interventions.active)
        with_cut, without = session.run([*rest, cut]), session.run(rest)
        now = with_cut if is_cut else without
        return OneEdge.dataset(
            change=float((with_cut.metric - without.metric).mean()),
            current=float(now.metric.mean()),
            cut=is_cut,
            units=session.metric.units,
            definition=f"{session.metric.label} with {cut.label} cut ({cut_kind}), minus without; "
            "everything else as it is now",
        )

    @question(EdgePlaces)
    @staticmethod
    def places(session: Session, edge_method: EdgeMethod, writer: str, reader: str) -> xr.Dataset:
        """Where along the prompts an edge acts, by the estimate."""
        ends = session.stream.graph.edge(writer, reader)
        scores = scores_by_position(session, edge_method)
        return EdgePlaces.dataset(
            score=scores.values[ends],
            tokens_of=int(session.prompt_set.lengths.argmax()),
            units=scores.attrs["units"],
            definition=scores.attrs["definition"],
        )

    @question(Agreements)
    @staticmethod
    def agreements(session: Session) -> Generator[Step, None, xr.Dataset]:
        """Correlations of the three estimates with exact effects of some edges."""
        base = uncut(session)
        estimates = every_estimate(base)
        pairs = sampled(base, [each for each in estimates.values() if each is not None])
        exact = torch.full((len(pairs),), float("nan"), device="cpu")
        before = float(base.corrupted_run().metric.mean())
        place = {pair: index for index, pair in enumerate(pairs)}
        for done, (pair, metric) in enumerate(edge_effects(base, pairs)):
            yield Step(done, len(pairs), "exact edges")
            exact[place[pair]] = float(metric.mean()) - before
        rows, columns = torch.tensor(pairs, device="cpu").T
        unknown = torch.full_like(exact, float("nan"))
        found = [
            agreement(unknown if each is None else each[rows, columns], exact)
            for each in estimates.values()
        ]
        return Agreements.dataset(
            method=list(estimates),
            linear=np.array([one.linear for one in found], dtype=np.float32),
            rank=np.array([one.rank for one in found], dtype=np.float32),
            n_exact=len(pairs),
            units="correlation",
            definition="linear (Pearson) and rank (Spearman) correlation with exact effects",
        )

    @question(NodeEdges)
    @staticmethod
    def node(session: Session, edge_method: EdgeMethod, node: str) -> xr.Dataset:
        """The edges into and out of a node, the largest of each."""
        scores, _ = kept_scores(session, edge_method)
        graph = session.stream.graph
        ends = [(w, r) for w, r in graph.edges() if w == node or node_of(r) == node]
        if not ends:
            raise InputError(f"node={node!r} has no edges.", "Choose a node of the graph.")
        into = [edge for edge in ends if edge[0] != node]
        out = [edge for edge in ends if edge[0] == node]
        listed = [strongest(session, scores, part, OF_A_NODE) for part in (into, out)]
        found = [edge for edges, _ in listed for edge in edges]
        return NodeEdges.dataset(
            writer=[writer for writer, _ in found],
            reader=[reader for _, reader in found],
            score=np.array([v for _, values in listed for v in values], dtype=np.float32),
            units=scores.attrs["units"],
            definition=scores.attrs["definition"],
        )

    @question(Group)
    @staticmethod
    def group(session: Session, cut_kind: Kind, nodes: list[str]) -> xr.Dataset:
        """The joint effect of a group of nodes, beside the sum of what each does alone."""
        if not nodes:
            raise InputError("nodes is empty.", "Put at least one node into the group.")
        graph = session.stream.graph
        members = torch.tensor([graph.writer(node) for node in nodes], device="cpu")
        masks = []
        for cut in (members, *members[:, None]):
            masks.append(graph.mask.clone())
            masks[-1][cut] = False
        # All together first, then one by one, in one batched run.
        changes = metrics_of(session, masks, cut_kind).mean(dim=1)
        changes -= float(session.run().metric.mean())
        return Group.dataset(
            change=float(changes[0]),
            apart=float(changes[1:].sum()),
            units=session.metric.units,
            definition=f"{session.metric.label} with all that the nodes give cut ({cut_kind}), "
            "minus without",
        )

    @question(Code)
    @staticmethod
    def code(
        session: Session, edge_method: EdgeMethod, cut_kind: Kind, circuit_share: float | None
    ) -> xr.Dataset:
        """Code of the model with the circuit's edges alone: all others are cut."""
        circuit = circuit_of_size(session, edge_method, circuit_share)
        return Code.dataset(code=cut_to(session, circuit, cut_kind))

    def chosen_circuit(self) -> Circuit:
        """The circuit as chosen, to measure, combine or save: ``view.chosen_circuit().save(path)``.

        Raises InputError without corrupted prompts, or for a model whose stream is no sum.
        """
        return circuit_of_size(self.session, self.edge_method, self.circuit_share)

    def figure(self) -> go.Figure:
        """Measured faithfulness over the size of the circuit, with the band of random ones."""
        curve = self.ask("curve")
        x = curve["share"].values
        figure = go.Figure()
        for name, fill in (("random_high", None), ("random_low", "tonexty")):
            figure.add_trace(
                go.Scatter(
                    x=x,
                    y=curve[name].values,
                    fill=fill,
                    mode="lines",
                    line={"width": 0},
                    fillcolor="rgba(128, 128, 128, 0.25)",
                    name="random circuits",
                    showlegend=fill is not None,
                )
            )
        figure.add_trace(
            go.Scatter(
                x=x,
                y=curve["faithfulness"].values,
                error_y={"array": curve["sem"].values},
                mode="lines+markers",
                name=f"by {self.edge_method}",
            )
        )
        figure.update_layout(title=curve.attrs["definition"], yaxis_title="faithfulness")
        figure.update_xaxes(type="log", tickformat=".1%", title="edges, share of all")
        return figure


def _curve(plain: xr.DataArray, band: xr.DataArray | None) -> xr.Dataset:
    unknown = np.full(plain.sizes["size"], np.nan)
    return Curve.dataset(
        share=plain["size"].values,
        n_edges=plain["edges"].values,
        faithfulness=plain.values,
        sem=plain["sem"].values,
        random_low=unknown if band is None else band["random_low"].values,
        random_high=unknown if band is None else band["random_high"].values,
        **{name: plain.attrs[name] for name in ("cpr", "cmd", "metric", "units", "definition")},
        whole=plain.attrs["all"],
        empty=plain.attrs["empty"],
    )
