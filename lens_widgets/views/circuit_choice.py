"""What a CircuitView draws: the circuit of a size, its strongest edges, where they act."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import xarray as xr

from lens_widgets.analysis.circuits.circuit import Circuit
from lens_widgets.analysis.circuits.curve import MIB
from lens_widgets.analysis.circuits.edge_scores import EdgeMethod, edge_scores
from lens_widgets.analysis.circuits.evaluate import Kind
from lens_widgets.errors import InputError
from lens_widgets.interventions.cut import Cut
from lens_widgets.session.session import Session
from lens_widgets.views.circuit_method import kept_scores, uncut

DRAWN = 200
"""Edges of a circuit that a page gets: more lines on one another say nothing."""

WRITTEN_OUT = 4_000
"""Edges that a script may list."""

KEPT_BYTES = 200 << 20
"""Scores by position that are kept for the next edge that is looked at."""

FIRST = 25
"""Edges that a circuit begins with, at least."""


def scores_by_position(session: Session, method: EdgeMethod) -> xr.DataArray:
    """[writer, reader, pos], means over prompts; kept with the run where that costs little."""
    base = uncut(session)
    known = base.run().derived
    key = f"edge scores by position {method}"
    if key in known:
        found: xr.DataArray = known[key]
        return found
    found = edge_scores(base, method, per_position=True)
    if found.nbytes <= KEPT_BYTES:
        known[key] = found
    return found


def circuit_of_size(session: Session, method: EdgeMethod, share: float | None) -> Circuit:
    scores, _ = kept_scores(session, method)
    return Circuit.top(uncut(session), n_chosen(session, share), scores)


def file_of(session: Session, method: EdgeMethod, share: float | None) -> str:
    """The text of the circuit's file, kept with the run while its parts are asked for."""
    known = uncut(session).run().derived
    key = method, share
    if known.get("circuit file", (None,))[0] != key:
        known["circuit file"] = key, circuit_of_size(session, method, share).to_json()
    text: str = known["circuit file"][1]
    return text


def cut_to(session: Session, circuit: Circuit, kind: Kind) -> str:
    """A script that cuts all edges but the circuit's; InputError where they are too many."""
    others = circuit.complement.edges
    if len(others) > WRITTEN_OUT:
        raise InputError(
            f"{len(others):,} edges would be cut, too many for a script.",
            "Keep the circuit as a file: view.chosen_circuit().save(path).",
        )
    cuts = [Cut(writer, reader, kind) for writer, reader in others]
    alone = session.with_interventions([*uncut(session).interventions.active, *cuts])
    return alone.interventions.to_code()


def first_share(session: Session) -> float:
    """The smallest of the curve's sizes with so many edges that there is something to see."""
    n_all = session.stream.graph.n_edges
    return next(share for share in MIB if share * n_all >= FIRST or share == 1.0)


def n_chosen(session: Session, share: float | None) -> int:
    """That share of all edges, at least one."""
    if share is None:
        share = first_share(session)
    if not 0.0 <= share <= 1.0:
        raise InputError(f"circuit_share={share} is out of range.", "0 to 1.")
    return max(1, round(share * session.stream.graph.n_edges))


def heads_per_group(session: Session) -> int:
    """Heads that share keys and values; 1 where each has its own."""
    readers = session.stream.graph.readers
    first = next((reader.layer for reader in readers if reader.kind == "k"), None)
    counts = [sum(r.kind == kind and r.layer == first for r in readers) for kind in "qk"]
    return counts[0] // counts[1] if counts[1] else 1


def strongest(
    session: Session, scores: xr.DataArray, edges: Iterable[tuple[str, str]], most: int = DRAWN
) -> tuple[list[tuple[str, str]], list[float]]:
    """Edges by the size of their score, largest first, and the scores."""
    graph = session.stream.graph
    named = sorted(edges, key=lambda edge: graph.edge(*edge))
    pairs = torch.tensor([graph.edge(*edge) for edge in named], dtype=torch.long, device="cpu")
    pairs = pairs.reshape(-1, 2)
    values = torch.from_numpy(scores.values)[pairs[:, 0], pairs[:, 1]]
    order = values.abs().argsort(descending=True, stable=True)[:most].tolist()
    return [named[at] for at in order], [float(values[at]) for at in order]


def node_of(reader: str) -> str:
    """``L1H4`` of ``L1H4.q``; the reader itself where it is a node."""
    head, dot, kind = reader.rpartition(".")
    return head if dot and kind in ("q", "k", "v") else reader


def same(one: object, cut: Cut) -> bool:
    return isinstance(one, Cut) and one.edge == cut.edge
