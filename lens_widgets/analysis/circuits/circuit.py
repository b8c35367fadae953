"""A circuit: a set of edges of the residual stream, and what the model does with these alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.circuits.choose import EdgeMask, node_names, pruned, top_edges
from lens_widgets.analysis.circuits.circuit_script import circuit_script
from lens_widgets.analysis.circuits.evaluate import Kind, metrics_of, shares_of, without_each
from lens_widgets.analysis.circuits.graph import score_matrix
from lens_widgets.analysis.circuits.mib import circuit_json, read_circuit
from lens_widgets.analysis.labels import labelled
from lens_widgets.engine.current import one_call
from lens_widgets.engine.graph import Edge, StreamGraph
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    import os

    from lens_widgets.session.session import Session

Edges = Iterable[Sequence[Any]]


class Circuit:
    """A frozen set of edges: which writers give what they write to which readers.

    What is measured is the model with these edges alone: all others carry what the writer gives on
    the corrupted prompts, its mean, or nothing. Sets combine as sets do: ``|``, ``&``, ``-``,
    ``in``, ``len``, and ``<=``.

    Args:
        session: whose model, prompts, metric and interventions it is measured with.
        edges: pairs of a writer and a reader as in ``[("embed", "L0H1.q"), ("L0H1", "logits")]``.

    Raises:
        InputError: an unknown writer or reader, an edge that cannot be; a model whose stream is no
            sum of what its parts write.

    Examples:
        >>> circuit = lw.Circuit(session, [("embed", "L1H4.v"), ("L1H4", "logits")])
        >>> len(circuit), circuit.nodes
        (2, ('embed', 'L1H4', 'logits'))
        >>> ("L1H4", "logits") in circuit
        True
    """

    def __init__(self, session: Session, edges: Edges) -> None:
        graph = session.stream.graph
        self._take(session, graph, graph.edge_mask(edges), None)

    def _take(
        self,
        session: Session,
        graph: StreamGraph,
        mask: EdgeMask,
        scores: Float[Tensor, "writer reader"] | None,
    ) -> None:
        self.session = session
        self.graph = graph
        self.mask = mask
        """[writer, reader], on the host: True at its edges."""
        self.scores = scores
        """[writer, reader], on the host: those it was chosen by, if it was."""

    def _with(self, mask: EdgeMask) -> Circuit:
        return circuit_of(self.session, mask, self.scores)

    @classmethod
    def top(
        cls, session: Session, n: int, scores: Any, absolute: bool = True, prune: bool = True
    ) -> Circuit:
        """The n edges with the highest scores.

        Args:
            session: as of ``Circuit``.
            n: how many; ``prune`` can leave fewer.
            scores: what ``edge_scores`` or ``edge_sweep`` gives, or a dict from edges to numbers.
            absolute: by the size of the scores; else by their value, the largest first.
            prune: leave out what no way from the embedding to the logits leads through.

        Raises:
            InputError: ``n`` that is no number of edges; scores of another model.
        """
        graph = session.stream.graph
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= graph.n_edges:
            raise InputError(
                f"n={n!r} is no number of edges.", f"This model has {graph.n_edges} of them."
            )
        matrix = score_matrix(graph, scores)
        chosen = circuit_of(session, top_edges(graph, matrix, n, absolute), matrix)
        return chosen.pruned() if prune else chosen

    # --- as a set ---------------------------------------------------------------------------

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Its edges as pairs of names, reader by reader in the model's order."""
        return tuple(self.graph.edges(self.mask))

    @property
    def nodes(self) -> tuple[str, ...]:
        """The parts that its edges begin or end at, in the model's order: ``embed``, heads, MLPs,
        ``logits``."""
        return node_names(self.graph, self.mask)

    @property
    def complement(self) -> Circuit:
        """All other edges of the model."""
        return self._with(self.graph.mask & ~self.mask)

    def __len__(self) -> int:
        return int(self.mask.sum())

    def __bool__(self) -> bool:
        return True

    def __contains__(self, edge: object) -> bool:
        return isinstance(edge, Sequence) and bool(self.mask[self.graph.edge(*edge)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Circuit):
            return NotImplemented
        return self.graph.same(other.graph) and torch.equal(self.mask, other.mask)

    def __hash__(self) -> int:
        return hash(self.edges)

    def __or__(self, other: Circuit | Edges) -> Circuit:
        return self._with(self.mask | self._mask_of(other))

    def __and__(self, other: Circuit | Edges) -> Circuit:
        return self._with(self.mask & self._mask_of(other))

    def __sub__(self, other: Circuit | Edges) -> Circuit:
        return self._with(self.mask & ~self._mask_of(other))

    def __le__(self, other: Circuit | Edges) -> bool:
        return not bool((self.mask & ~self._mask_of(other)).any())

    def __repr__(self) -> str:
        return f"Circuit({self.session.facts.name}, {len(self)} of {self.graph.n_edges} edges)"

    def without(self, edge: Sequence[Any]) -> Circuit:
        """The same less one edge; InputError for one that it does not have."""
        if edge not in self:
            raise InputError(
                f"edge {edge[0]} -> {edge[1]} is not in this circuit.", "See circuit.edges."
            )
        return self - [edge]

    def pruned(self) -> Circuit:
        """The same without edges that no way from the embedding to the logits leads through."""
        return self._with(pruned(self.graph, self.mask))

    def _mask_of(self, other: Circuit | Edges) -> EdgeMask:
        if not isinstance(other, Circuit):
            return self.graph.edge_mask(other)
        if not self.graph.same(other.graph):
            raise InputError(
                f"{other!r} is a circuit of another model than {self!r}.",
                "Combine circuits of one model.",
            )
        return other.mask

    # --- measured ---------------------------------------------------------------------------

    @one_call()
    def metric(self, kind: Kind = "resample") -> xr.DataArray:
        """The metric of the clean run in which every edge outside of the circuit is replaced.

        Args:
            kind: by what: ``"resample"``, what the writer gives on the corrupted prompts;
                ``"mean"``, its mean over the session's prompts and positions; ``"zero"``.

        Returns:
            Dims prompt, in the metric's units; ``attrs["edges"]`` is the circuit's size.

        Raises:
            InputError: an unknown ``kind``; no corrupted prompts for ``"resample"``.
        """
        metric = self.session.metric
        found = metrics_of(self.session, [self.mask], kind)[0]
        attrs = {
            "units": metric.units,
            "metric": metric.name,
            "definition": f"{metric.label} with the circuit's edges alone, others {_WORDS[kind]}",
            "kind": kind,
            "edges": len(self),
        }
        return labelled(found, (), {}, attrs)

    def faithfulness(self, kind: Kind = "resample") -> xr.DataArray:
        """The share of the metric that the circuit's edges alone bring back.

        ``(m(circuit) - m(no edge)) / (m(all edges) - m(no edge))`` of the means over prompts: 0
        without any edge and 1 with all of them, more or less than that where edges outside of the
        circuit work against it.

        Args:
            kind: as of ``metric``.

        Returns:
            A number (no dims), a share; ``sem`` is its standard error by 1,000 resamples of the
            prompts, NaN for a single prompt. attrs: ``circuit``, ``empty`` and ``all``, the mean
            metrics, and ``edges``.

        Raises:
            InputError: as ``metric``; the metric is the same with all edges and without any.
        """
        return self._share(self.mask, kind, "share of the metric with the circuit's edges alone")

    def completeness(self, kind: Kind = "resample") -> xr.DataArray:
        """The share of the metric that is left without the circuit's edges.

        The faithfulness of all other edges: 0 where the circuit is all that does the work (Marks et
        al., Sparse Feature Circuits, 2024).

        Args:
            kind: as of ``metric``.

        Returns:
            A number (no dims), a share, as of ``faithfulness``.

        Raises:
            InputError: as ``faithfulness``.
        """
        others = self.graph.mask & ~self.mask
        return self._share(others, kind, "share of the metric without the circuit's edges")

    @one_call()
    def _share(self, mask: EdgeMask, kind: Kind, definition: str) -> xr.DataArray:
        nothing = torch.zeros_like(self.graph.mask)
        part, empty, whole = metrics_of(self.session, [mask, nothing, self.graph.mask], kind)
        share, error = shares_of(part, empty, whole)
        attrs = {
            "units": "share",
            "metric": self.session.metric.name,
            "definition": definition,
            "kind": kind,
            "circuit": float(part.mean()),
            "empty": float(empty.mean()),
            "all": float(whole.mean()),
            "edges": len(self),
        }
        return xr.DataArray(float(share), coords={"sem": float(error)}, attrs=attrs)

    @one_call()
    def effects(self, kind: Kind = "resample", per_prompt: bool = False) -> xr.DataArray:
        """What each edge is worth to the circuit: its metric minus the metric without that edge.

        Args:
            kind: as of ``metric``.
            per_prompt: keep the prompts apart instead of their mean.

        Returns:
            Dims edge, with the coordinates ``writer`` and ``reader``, in the metric's units;
            ``sem`` is the standard error over prompts; a leading dim prompt with ``per_prompt``.

        Raises:
            InputError: as ``metric``.
        """
        session = self.session
        whole = metrics_of(session, [self.mask], kind)[0]
        pairs = [self.graph.edge(*edge) for edge in self.edges]
        values = torch.full((len(whole), len(pairs)), torch.nan, device="cpu")
        for index, metric in without_each(session, self.mask, pairs, kind):
            values[:, index] = whole - metric.detach().float().cpu()
        attrs = {
            "units": session.metric.units,
            "metric": session.metric.name,
            "definition": f"{session.metric.label} of the circuit minus that without the edge",
            "circuit": float(whole.mean()),
            "edges": len(self),
        }
        coords: dict[str, Any] = {
            "writer": ("edge", [writer for writer, _ in self.edges]),
            "reader": ("edge", [reader for _, reader in self.edges]),
        }
        return labelled(values, ("edge",), coords, attrs, per_prompt)

    # --- taken away -------------------------------------------------------------------------

    def to_code(self, kind: Kind = "resample") -> str:
        """A script that expects ``model`` and ``tokens``, imports only torch, and leaves ``values``
        [prompt], the numbers of ``metric(kind)``; InputError under interventions."""
        return circuit_script(self.session, self.complement.edges, kind)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the circuit to ``path`` as the Mechanistic Interpretability Benchmark has it: one
        JSON object with ``cfg``, ``nodes`` and all ``edges``, each with ``score`` and
        ``in_graph``."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """The text of the file that ``save`` writes."""
        return circuit_json(self.session, self.graph, self.mask, self.scores)

    @classmethod
    def open(cls, path: str | os.PathLike[str], session: Session) -> Circuit:
        """The circuit in a file of ``save`` or of the benchmark, with its scores.

        Args:
            path: the file.
            session: of the model that the circuit is of.

        Raises:
            InputError: a damaged file, or a circuit of another model.
        """
        graph = session.stream.graph
        return circuit_of(session, *read_circuit(path, session, graph))


_WORDS = {
    "resample": "as on the corrupted prompts",
    "mean": "at their mean",
    "zero": "nothing",
}


def circuit_of(
    session: Session, mask: EdgeMask, scores: Float[Tensor, "writer reader"] | None = None
) -> Circuit:
    """The circuit with the edges of a mask, on the host."""
    circuit: Circuit = Circuit.__new__(Circuit)
    circuit._take(session, session.stream.graph, mask, scores)
    return circuit
