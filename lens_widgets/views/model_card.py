"""ModelCard: what the session's model is, and what it was found to give."""

from __future__ import annotations

from typing import ClassVar

import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Bool, Float, Int, Shaped

from lens_widgets.analysis.model.model_card import findings, model_facts
from lens_widgets.analysis.model.parameters import layers_text, parameters, unique_name
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.question import question
from lens_widgets.wire.dataset import Answer, Numbers, Texts


class Card(Answer):
    """Facts (``group`` is shape, design, weights or tokenizer), findings (``works`` is false where
    something cannot be had, ``how`` says how it was tried), and every parameter.

    A matrix is listed once for the layers it is in: ``layers`` ("0-11"; empty outside of blocks).
    ``shape`` is one layer's, by ``axes`` where those have names; ``count`` and ``megabytes`` are
    over all layers. ``shared`` names what else is the same parameter, ``code`` reads the first.
    """

    group: Shaped[Texts, "fact"]
    fact: Shaped[Texts, "fact"]
    value: Shaped[Texts, "fact"]
    note: Shaped[Texts, "fact"]
    finding: Shaped[Texts, "finding"]
    works: Bool[Numbers, "finding"]
    how: Shaped[Texts, "finding"]
    matrix: Shaped[Texts, "matrix"]
    name: Shaped[Texts, "matrix"]
    matrix_group: Shaped[Texts, "matrix"]
    shape: Shaped[Texts, "matrix"]
    axes: Shaped[Texts, "matrix"]
    layers: Shaped[Texts, "matrix"]
    count: Int[Numbers, "matrix"]
    megabytes: Float[Numbers, "matrix"]
    shared: Shaped[Texts, "matrix"]
    code: Shaped[Texts, "matrix"]
    total: int
    total_megabytes: float
    units: str
    definition: str


class ModelCard(View):
    """Shape, design, parameters by matrix, memory, and what trying the model told.

    Asking it runs nothing: what had to be tried was tried when the session was made.
    """

    view = "model_card"
    shown = "card"
    of_session: ClassVar[tuple[str, ...]] = ()
    _esm = bundle("model_card.js")
    _css = bundle("style.css")

    @question(Card, first=True)
    @staticmethod
    def card(session: Session) -> xr.Dataset:
        """Facts, findings and matrices; the model is not run."""
        found = parameters(session)
        facts, tried, rows = model_facts(session, found), findings(session), found.matrices
        return Card.dataset(
            group=[fact.group for fact in facts],
            fact=[fact.name for fact in facts],
            value=[fact.value for fact in facts],
            note=[fact.note for fact in facts],
            finding=[one.text for one in tried],
            works=[one.works for one in tried],
            how=[one.how for one in tried],
            matrix=[unique_name(matrix, rows) for matrix in rows],
            name=[matrix.name for matrix in rows],
            matrix_group=[matrix.group for matrix in rows],
            shape=[" x ".join(map(str, matrix.shape)) for matrix in rows],
            axes=[" x ".join(matrix.axes) for matrix in rows],
            layers=[layers_text(matrix.layers) for matrix in rows],
            count=[matrix.count for matrix in rows],
            megabytes=[matrix.bytes / 1e6 for matrix in rows],
            shared=[", ".join(matrix.shared) for matrix in rows],
            code=[matrix.code for matrix in rows],
            total=found.count,
            total_megabytes=found.bytes / 1e6,
            units="parameters; megabytes are millions of bytes",
            definition="parameters, tied matrices counted once",
        )

    def figure(self) -> go.Figure:
        """Parameters as areas: groups, and the matrices in them."""
        card = self.data()
        parents = [str(group) for group in card["matrix_group"].values]
        groups = list(dict.fromkeys(parents))
        names = [str(name) for name in card["matrix"].values]
        sizes = [int(count) for count in card["count"].values]
        sums = [
            sum(size for size, parent in zip(sizes, parents, strict=True) if parent == group)
            for group in groups
        ]
        figure = go.Figure(
            go.Treemap(
                ids=[*groups, *(f"{p}/{n}" for p, n in zip(parents, names, strict=True))],
                labels=[*groups, *names],
                parents=["" for _ in groups] + parents,
                values=[*sums, *sizes],
                branchvalues="total",
                texttemplate="%{label}<br>%{value:,}",
                hovertemplate="%{label}: %{value:,} parameters<extra></extra>",
            )
        )
        figure.update_layout(title=f"{card.attrs['total']:,} {card.attrs['definition']}")
        return figure
