"""HeadScoresView: which heads attend along a stripe that has a name, and what they are worth."""

from __future__ import annotations

from collections.abc import Generator

import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Float, Shaped
from plotly.subplots import make_subplots

from lens_widgets.analysis.ablation.ablation import ablation_effects, sweep_components
from lens_widgets.analysis.attention import copying
from lens_widgets.analysis.attention.detector_script import effect_script, score_script
from lens_widgets.analysis.attention.head_scores import (
    NAMED_FROM,
    definition,
    every_score,
    why_missing,
)
from lens_widgets.analysis.labels import standard_error
from lens_widgets.errors import InputError
from lens_widgets.session.selection import SCORE_KINDS
from lens_widgets.session.session import Session
from lens_widgets.session.settings import AblationKind
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code, token_texts
from lens_widgets.wire.dataset import Answer, Numbers, Texts
from lens_widgets.wire.messages import Step


class Scores(Answer):
    """Mean attention on each kind's stripe, NaN where no prompt has one, of which ``missing`` then
    tells why, else ""; ``sem`` of the current means over prompts, NaN for one. From ``named_from``
    on a head is called by a kind."""

    kind: Shaped[Texts, "kind"]
    definition: Shaped[Texts, "kind"]
    missing: Shaped[Texts, "kind"]
    baseline: Float[Numbers, "kind layer head"]
    current: Float[Numbers, "kind layer head"]
    sem: Float[Numbers, "kind layer head"]
    units: str
    named_from: float


class Copies(Answer):
    """The share of ``token`` that each head copies, NaN where it has no such score; for a model
    that has none at all ``missing`` tells why, else "". From ``named_from`` on a head copies."""

    score: Float[Numbers, "layer head"]
    token: Shaped[Texts, "token"]
    missing: str
    units: str
    definition: str
    named_from: float


class LossEffects(Answer):
    """Change of the mean loss when that head is ablated; NaN: not known yet."""

    loss_change: Float[Numbers, "layer head"]
    units: str
    definition: str


class HeadScoresView(View):
    """Scores of every head as maps and as one list, beside what ablating it adds to the loss.

    The map of losses is computed when it is asked for; heads are ablated as
    ``session.settings.ablation_kind`` says.
    """

    view = "head_scores"
    shown = "scores"
    _esm = bundle("head_scores.js")
    _css = bundle("style.css")

    threshold: float = option(
        default=NAMED_FROM, help="The score from which a head is listed.", min=0.0, max=1.0
    )

    @question(Scores, first=True)
    @staticmethod
    def scores(session: Session, prompt: int | None) -> xr.Dataset:
        """All five scores of every head, before and after; of one prompt or the mean."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        before = every_score(session, session.run(()))
        after = every_score(session, session.run())
        spread = standard_error(after)
        return Scores.dataset(
            kind=list(SCORE_KINDS),
            definition=[definition(session, kind, chosen) for kind in SCORE_KINDS],
            missing=[why_missing(session, kind, chosen) for kind in SCORE_KINDS],
            baseline=before.nanmean(dim=0) if chosen is None else before[chosen],
            current=after.nanmean(dim=0) if chosen is None else after[chosen],
            sem=spread if chosen is None else torch.full_like(spread, float("nan")),
            units="attention weight",
            named_from=NAMED_FROM,
        )

    @question(Copies, later=True)
    @staticmethod
    def copies(session: Session) -> Generator[Step, None, xr.Dataset]:
        """How much each head copies what it attends to, without interventions."""
        shape = (session.facts.n_layers, session.facts.n_heads)
        scores = torch.full(shape, float("nan"), device="cpu")
        ids: tuple[int, ...] = ()
        missing = ""
        yield Step(0, shape[0], "copying scores")
        try:
            tried = copying.try_tokens(session)
        except InputError as error:
            if type(error) is not InputError:
                raise
            # Nobody asked for it by name: who names heads says nothing of a model without.
            missing = error.message
        else:
            ids = tried.ids
            for layer, heads, shares in copying.copying_steps(session, tried):
                scores[layer, heads] = shares
                yield Step(layer, shape[0], "copying scores")
        return Copies.dataset(
            score=scores,
            token=token_texts(session, list(ids)),
            missing=missing,
            units="share of tokens",
            definition=copying.copying_definition(len(ids)),
            named_from=copying.NAMED_FROM,
        )

    @question(LossEffects)
    @staticmethod
    def loss_effects(
        session: Session, ablation_kind: AblationKind
    ) -> Generator[Step, None, xr.Dataset]:
        """What ablating each head by itself adds to the loss, exact, bit by bit."""
        measured = session
        if session.metric.name != "loss":
            active = session.interventions.active
            measured = session.with_prompt_set(session.prompt_set, active, "loss")
        heads = torch.full(
            (session.facts.n_layers, session.facts.n_heads), float("nan"), device="cpu"
        )
        total, label = len(sweep_components(session, "head")), f"{ablation_kind} ablation"

        def known() -> xr.Dataset:
            return LossEffects.dataset(
                loss_change=heads,
                units="nats",
                definition="Mean loss with that head ablated as well "
                f"({ablation_kind}), minus without.",
            )

        yield Step(0, total, label)
        for done, effect in enumerate(ablation_effects(measured, ablation_kind, "head"), 1):
            heads[effect.component.layer, effect.component.head] = effect.change.mean().cpu()
            yield Step(done, total, label, known())
        return known()

    @question(Code)
    @staticmethod
    def code(
        session: Session, prompt: int | None, loss_kind: AblationKind | None = None
    ) -> xr.Dataset:
        """Code for the scores, and with ``loss_kind`` for the map of losses."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        text = score_script(session, chosen)
        return Code.dataset(
            code=text if loss_kind is None else text + effect_script(session, loss_kind)
        )

    def figure(self) -> go.Figure:
        """One heatmap for each kind of score."""
        table = self.data()
        kinds = [str(kind) for kind in table["kind"].values]
        figure = make_subplots(rows=1, cols=len(kinds), subplot_titles=kinds)
        for column, kind in enumerate(kinds, 1):
            trace = go.Heatmap(
                z=table["current"].sel(kind=kind).values,
                x=[f"H{head}" for head in table["head"].values],
                y=[f"L{layer}" for layer in table["layer"].values],
                colorscale="Blues",
                zmin=0,
                zmax=1,
                showscale=column == len(kinds),
                colorbar={"title": table.attrs["units"]},
                hovertemplate="%{y}%{x}: %{z:.4f}<extra></extra>",
            )
            figure.add_trace(trace, row=1, col=column)
        figure.update_yaxes(autorange="reversed")
        return figure
