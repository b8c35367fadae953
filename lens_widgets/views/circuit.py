"""CircuitView: which edges carry the answer, how few of them do, and what each is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from typing import ClassVar, get_args

import numpy as np
import plotly.graph_objects as go
import torch
import xarray as xr

from lens_widgets.analysis.circuits.circuit import Circuit
from lens_widgets.analysis.circuits.curve import MIB, circuit_curve, curve_circuits
from lens_widgets.analysis.circuits.edge_scores import EdgeMethod
from lens_widgets.analysis.circuits.evaluate import Kind, circuit_metrics, metrics_of
from lens_widgets.analysis.patching.agreement import Agreement
from lens_widgets.errors import InputError
from lens_widgets.interventions.cut import Cut
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.circuit_answers import (
    Agreements,
    Curve,
    EdgePlaces,
    Edges,
    FilePart,
    Group,
    NodeEdges,
    OneEdge,
)
from lens_widgets.views.circuit_choice import (
    circuit_of_size,
    cut_to,
    file_of,
    first_share,
    heads_per_group,
    n_chosen,
    node_of,
    same,
    scores_by_position,
    strongest,
)
from lens_widgets.views.circuit_method import (
    Wanted,
    compare,
    finished,
    kept_scores,
    meanwhile,
    method_of,
    uncut,
)
from lens_widgets.views.options import option
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.messages import Step

N_RANDOM = 4
"""Random circuits of each size."""

PART = 400_000
"""Characters of a file in one answer."""

OF_A_NODE = 8
"""Edges into and out of a node that are listed."""


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

    edge_method: Wanted = option(
        default="best",
        help="How edges are estimated: ``'eap'`` by the gradient, ``'eap-ig'`` by integrated "
        "gradients, ``'relp'`` by relevance, or ``'best'``, of these the one that agrees best with "
        "some exact edges.",
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
    def edges(
        session: Session, edge_method: Wanted, circuit_share: float | None
    ) -> Generator[Step, None, xr.Dataset]:
        """The circuit of the highest edges, pruned, strongest edge first.

        Until the best method is known, those by integrated gradients, where that takes a while.
        """
        first = meanwhile(session, edge_method)
        if first is not None and first[1]:
            yield Step(0, 0, "comparing estimates", _edges(session, first[0], circuit_share))
        method = yield from method_of(session, edge_method)
        return _edges(session, method, circuit_share)

    @question(Curve, first=True)
    @staticmethod
    def curve(
        session: Session, edge_method: Wanted, cut_kind: Kind
    ) -> Generator[Step, None, xr.Dataset]:
        """Faithfulness of the circuits of ten sizes, measured, beside random ones."""
        method = yield from method_of(session, edge_method)
        base, (scores, _) = uncut(session), kept_scores(session, method)
        graph = base.stream.graph
        masks, drawn = curve_circuits(graph, scores, MIB, random=N_RANDOM)
        masks += [torch.zeros_like(graph.mask), graph.mask]
        total, label = len(masks) + len(drawn), "measuring circuits"
        # Each is kept with the run, so that the curve only reads them off.
        for done, _ in enumerate(circuit_metrics(base, masks, cut_kind)):
            yield Step(done, total, label)
        plain = circuit_curve(base, scores, kind=cut_kind)
        yield Step(len(masks), total, label, _curve(plain, None, method))
        for done, _ in enumerate(circuit_metrics(base, drawn, cut_kind), len(masks)):
            yield Step(done, total, "measuring random circuits")
        whole = circuit_curve(base, scores, kind=cut_kind, random=N_RANDOM)
        return _curve(plain, whole, method)

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
    def places(
        session: Session, edge_method: Wanted, writer: str, reader: str
    ) -> Generator[Step, None, xr.Dataset]:
        """Where along the prompts an edge acts, by the estimate."""
        ends = session.stream.graph.edge(writer, reader)
        method = yield from method_of(session, edge_method)
        scores = scores_by_position(session, method)
        return EdgePlaces.dataset(
            score=scores.values[ends],
            tokens_of=int(session.prompt_set.lengths.argmax()),
            units=scores.attrs["units"],
            definition=scores.attrs["definition"],
        )

    @question(Agreements, first=True)
    @staticmethod
    def agreements(session: Session) -> Generator[Step, None, xr.Dataset]:
        """Correlations of the three estimates with exact effects of some edges."""
        compared = yield from compare(session)
        methods: tuple[EdgeMethod, ...] = get_args(EdgeMethod)
        unknown = Agreement(float("nan"), float("nan"), compared.n_exact)
        found = [compared.agreements.get(method, unknown) for method in methods]
        return Agreements.dataset(
            method=list(methods),
            linear=np.array([one.linear for one in found], dtype=np.float32),
            rank=np.array([one.rank for one in found], dtype=np.float32),
            best=compared.best,
            n_exact=compared.n_exact,
            units="correlation",
            definition="linear (Pearson) and rank (Spearman) correlation with exact effects, "
            "without interventions",
        )

    @question(NodeEdges)
    @staticmethod
    def node(session: Session, edge_method: Wanted, node: str) -> Generator[Step, None, xr.Dataset]:
        """The edges into and out of a node, the largest of each."""
        method = yield from method_of(session, edge_method)
        scores, _ = kept_scores(session, method)
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
        session: Session, edge_method: Wanted, cut_kind: Kind, circuit_share: float | None
    ) -> Generator[Step, None, xr.Dataset]:
        """Code of the model with the circuit's edges alone: all others are cut."""
        method = yield from method_of(session, edge_method)
        circuit = circuit_of_size(session, method, circuit_share)
        return Code.dataset(code=cut_to(session, circuit, cut_kind))

    @question(FilePart)
    @staticmethod
    def file(
        session: Session, edge_method: Wanted, circuit_share: float | None, part: int
    ) -> Generator[Step, None, xr.Dataset]:
        """The circuit as ``Circuit.save`` writes it, some 400 kB at a time: all of it would be more
        than a message holds."""
        method = yield from method_of(session, edge_method)
        text = file_of(session, method, circuit_share)
        parts = -(-len(text) // PART)
        if not 0 <= part < parts:
            raise InputError(f"part={part} is out of range.", f"0 to {parts - 1}.")
        return FilePart.dataset(
            text=text[part * PART : (part + 1) * PART],
            parts=parts,
            digest=hashlib.sha256(text.encode()).hexdigest(),
        )

    def chosen_circuit(self) -> Circuit:
        """The circuit as chosen, to measure, combine or save: ``view.chosen_circuit().save(path)``.

        Raises InputError without corrupted prompts, or for a model whose stream is no sum.
        """
        method = finished(method_of(self.session, self.edge_method))
        return circuit_of_size(self.session, method, self.circuit_share)

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
                name=f"by {curve.attrs['method']}",
            )
        )
        figure.update_layout(title=curve.attrs["definition"], yaxis_title="faithfulness")
        figure.update_xaxes(type="log", tickformat=".1%", title="edges, share of all")
        return figure


def _edges(session: Session, method: EdgeMethod, share: float | None) -> xr.Dataset:
    scores, stability = kept_scores(session, method)
    graph, chosen = session.stream.graph, n_chosen(session, share)
    circuit = Circuit.top(session, chosen, scores)
    drawn, values = strongest(session, scores, circuit.edges)
    stable = [float(stability.values[graph.edge(*edge)]) for edge in drawn]
    return Edges.dataset(
        writer=[writer for writer, _ in drawn],
        reader=[reader for _, reader in drawn],
        score=np.array(values, dtype=np.float32),
        stability=np.array(stable, dtype=np.float32),
        n_edges=len(circuit),
        n_chosen=chosen,
        n_all=graph.n_edges,
        n_nodes=len(circuit.nodes),
        heads_per_group=heads_per_group(session),
        share=first_share(session) if share is None else share,
        stops=list(MIB),
        method=method,
        **{name: scores.attrs[name] for name in ("metric", "units", "definition")},
    )


def _curve(plain: xr.DataArray, band: xr.DataArray | None, method: EdgeMethod) -> xr.Dataset:
    unknown = np.full(plain.sizes["size"], np.nan)
    return Curve.dataset(
        share=plain["size"].values,
        n_edges=plain["edges"].values,
        faithfulness=plain.values,
        sem=plain["sem"].values,
        random_low=unknown if band is None else band["random_low"].values,
        random_high=unknown if band is None else band["random_high"].values,
        **{name: plain.attrs[name] for name in ("cpr", "cmd", "metric", "units", "definition")},
        method=method,
        whole=plain.attrs["all"],
        empty=plain.attrs["empty"],
    )
