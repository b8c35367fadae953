"""ScoreDecompositionView: why a head attends, by who wrote its query and its key."""

from __future__ import annotations

from typing import ClassVar, Literal

import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float, Shaped
from torch import Tensor

from lens_widgets.analysis.attention.attention_scores import attention_scores
from lens_widgets.analysis.attention.score_parts import ScoreParts, score_parts
from lens_widgets.analysis.attention.score_parts_script import score_parts_script
from lens_widgets.errors import InputError
from lens_widgets.session.run import Run
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_head, check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers, Texts

Show = Literal["baseline", "current", "difference"]
By = Literal["head", "layer"]

_SOURCE = r"(L\d+(H\d+|\.attn|\.mlp)|embed|pos_embed|bias|interventions)?"
_FORM = "a source such as 'L0H7' or 'embed'"


class Sources(Answer):
    """What each pair of writers adds to a score, under the interventions and without them.

    Each sums to its ``score``, which is the model's own, before any cap; None where the pair of
    positions is masked. Without both positions: the mean over all pairs that are not masked.
    """

    query_source: Shaped[Texts, "query_source"]
    key_source: Shaped[Texts, "key_source"]
    current: Float[Numbers, "query_source key_source"]
    baseline: Float[Numbers, "query_source key_source"]
    score: float | None
    baseline_score: float | None
    query_pos: int | None
    key_pos: int | None
    units: str
    definition: str


class Positions(Answer):
    """What one pair of sources, or the sum of all, adds at every pair of positions; NaN where
    masked."""

    score: Float[Numbers, "query_pos key_pos"]
    query_source: str
    key_source: str
    units: str
    definition: str


class ScoreDecompositionView(View):
    """The selected head's attention scores, query source by key source.

    At the selected query and key, or as the mean over all pairs of positions. All parts at once, by
    position too, are ``lw.analysis.decompose_scores``.
    """

    view = "score_decomposition"
    shown = "sources"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("score_decomposition.js")
    _css = bundle("style.css")

    sources_by: By = option(
        default="head", help="Heads by themselves, or a layer's heads together."
    )
    query_source: str = option(
        default="",
        help="The writer of queries whose map is shown; empty: all.",
        pattern=_SOURCE,
        form=_FORM,
    )
    key_source: str = option(
        default="",
        help="The writer of keys whose map is shown; empty: all.",
        pattern=_SOURCE,
        form=_FORM,
    )
    show: Show = option(default="current", help="Which run's scores, or their difference.")

    @question(Sources, first=True)
    @staticmethod
    def sources(
        session: Session,
        layer: int,
        head: int,
        prompt: int,
        sources_by: By,
        query_pos: int | None = None,
        key_pos: int | None = None,
    ) -> xr.Dataset:
        """Query source by key source at one pair of positions, or the mean over all pairs."""
        check_head(session, layer, head)
        length = int(session.prompt_set.lengths[check_prompt(session, prompt)])
        at = None if query_pos is None or key_pos is None else (query_pos, key_pos)
        for name, pos in zip(("query_pos", "key_pos"), at or (), strict=False):
            if not 0 <= pos < length:
                raise InputError(f"{name}={pos} is out of range; the prompt has {length}.", "")
        runs = (session.run(()), session.run())
        both = [_parts(session, run, layer, head, prompt, sources_by) for run in runs]
        before, now = (parts.mean() if at is None else parts.at(*at) for parts in both)
        scores = [
            _score(session, run, parts, prompt, layer, head, at)
            for run, parts in zip(runs, both, strict=True)
        ]
        where = (
            ", mean over all pairs of positions that are not masked"
            if at is None
            else f", query {at[0]} on key {at[1]}"
        )
        cap = "; the model caps the sum before its softmax" if both[1].capped else ""
        return Sources.dataset(
            query_source=both[1].sources,
            key_source=both[1].sources,
            current=now,
            baseline=before,
            score=scores[1],
            baseline_score=scores[0],
            query_pos=at and at[0],
            key_pos=at and at[1],
            units="score",
            definition=f"scaled attention scores of L{layer}H{head} by the writers "
            f"of query and key{where}{cap}",
        )

    @question(Positions, first=True)
    @staticmethod
    def positions(
        session: Session,
        layer: int,
        head: int,
        prompt: int,
        sources_by: By,
        query_source: str,
        key_source: str,
        show: Show,
    ) -> xr.Dataset:
        """One pair of sources, or their sum, at every pair of positions."""
        check_head(session, layer, head)
        check_prompt(session, prompt)

        def of(run: Run) -> Tensor:
            parts = _parts(session, run, layer, head, prompt, sources_by)
            queries = _chosen(parts, parts.queries, query_source, "query_source")
            keys = _chosen(parts, parts.keys, key_source, "key_source")
            return (parts.scale * queries @ keys.T).masked_fill(parts.masked, float("nan"))

        values = of(session.run(()) if show == "baseline" else session.run())
        if show == "difference":
            values = values - of(session.run(()))
        return Positions.dataset(
            score=values,
            query_source=query_source,
            key_source=key_source,
            units="score",
            definition=f"{show} score of L{layer}H{head} by query and key, "
            f"query by {query_source or 'all'}, key by {key_source or 'all'}",
        )

    @question(Code)
    @staticmethod
    def code(
        session: Session,
        layer: int,
        head: int,
        prompt: int,
        sources_by: By,
        show: Show,
        query_pos: int | None = None,
        key_pos: int | None = None,
    ) -> xr.Dataset:
        """Code for the parts that are shown."""
        at = None if query_pos is None or key_pos is None else (query_pos, key_pos)
        name = f"L{layer}H{head}"
        return Code.dataset(
            code=score_parts_script(session, name, show, prompt=prompt, by=sources_by, at=at)
        )

    def figure(self) -> go.Figure:
        """Query source by key source, of the run that is shown."""
        table = self.data()
        shown = table["current"] if self.show != "baseline" else table["baseline"]
        if self.show == "difference":
            shown = shown - table["baseline"]
        figure = go.Figure(
            go.Heatmap(
                z=shown.values,
                x=[str(name) for name in table["key_source"].values],
                y=[str(name) for name in table["query_source"].values],
                colorscale="RdBu",
                zmid=0,
                colorbar={"title": table.attrs["units"]},
                hovertemplate="query by %{y}<br>key by %{x}<br>%{z:.4f}<extra></extra>",
            )
        )
        figure.update_yaxes(autorange="reversed", title="query written by")
        figure.update_xaxes(title="key written by")
        return figure.update_layout(title=table.attrs["definition"])


def _parts(
    session: Session, run: Run, layer: int, head: int, prompt: int, sources_by: By
) -> ScoreParts:
    return score_parts(session, run, f"L{layer}H{head}", prompt, sources_by)


def _score(
    session: Session,
    run: Run,
    parts: ScoreParts,
    prompt: int,
    layer: int,
    head: int,
    at: tuple[int, int] | None,
) -> float:
    """The model's own score, or what it caps: nothing of the parts unless it must be."""
    scores = parts.total
    if not parts.capped:
        scores = attention_scores(session, run, prompt, layer)[head]
    return float(scores.nanmean() if at is None else scores[at])


def _chosen(parts: ScoreParts, values: Tensor, name: str, argument: str) -> Tensor:
    """One source's queries or keys, or without a name all of them together."""
    if not name:
        return values.sum(dim=0)
    if name not in parts.sources:
        raise InputError(
            f"{argument}={name[:40]!r} is not a source of this head.",
            f"Its sources: {', '.join(parts.sources[:12])}.",
        )
    return values[parts.sources.index(name)]
