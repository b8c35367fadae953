"""What a CircuitView is told: edges, the measured curve, one edge, a node, a group."""

from __future__ import annotations

from jaxtyping import Float, Int, Shaped

from lens_widgets.analysis.circuits.edge_scores import EdgeMethod
from lens_widgets.wire.dataset import Answer, Numbers, Texts


class Edges(Answer):
    """The edges of a circuit, strongest first, at most so many as can be drawn.

    ``n_chosen`` highest edges of ``n_all``; ``n_edges`` of them lead from the embedding to the
    logits and are the circuit. ``stability``: the share of resamples of the prompts in which an
    edge's score has its sign; NaN for one prompt. ``method``: the one that scores are by.
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
    method: EdgeMethod
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
    method: EdgeMethod
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
    method that this model has no rules for. ``best``: the one that agrees best."""

    method: Shaped[Texts, "method"]
    linear: Float[Numbers, "method"]
    rank: Float[Numbers, "method"]
    best: EdgeMethod
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


class FilePart(Answer):
    """A part of a file's text, which is ASCII; ``parts`` of them are the whole, whose SHA-256 is
    ``digest``."""

    text: str
    parts: int
    digest: str
