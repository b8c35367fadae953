"""LogitLensView: what the model would predict if it stopped earlier."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Float, Int, Shaped
from plotly.subplots import make_subplots

from lens_widgets.analysis.attention.patterns import WHICH, Which
from lens_widgets.analysis.attribution.accumulated import lens_lines
from lens_widgets.analysis.attribution.decomposition import decompose
from lens_widgets.analysis.attribution.readout import DEFINITIONS
from lens_widgets.analysis.attribution.stages import model_stages
from lens_widgets.analysis.logit_lens.followed import followed_tokens, top_tokens
from lens_widgets.analysis.logit_lens.lens import (
    LensTarget,
    lens_of,
    lens_target,
    path_at,
    target_name,
    target_tokens,
)
from lens_widgets.analysis.logit_lens.lens_script import lens_script
from lens_widgets.analysis.logit_lens.logit_lens import described
from lens_widgets.prompts.answers import answer_id
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.plot import SIGNED, with_tokens
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code, token_info, token_texts
from lens_widgets.wire.dataset import Answer, Numbers, Texts

Target = Literal["auto", "answer", "next"]

MAX_COLUMNS = 64
"""Positions of one window: with a hundred stages its arrays stay under 200 kB."""

DEFAULT_COLUMNS = 16
MAX_K = 50
PIN_COUNT = 12


class Grid(Answer):
    """The likeliest next token of each stage at some positions of one prompt, and what is known of
    it and of the target; ``baseline_token`` was likeliest before.

    ``prob`` is the top token's probability, ``rank`` and ``target_prob`` are those of the target
    (``target_token``, "" where a position has none; the numbers are then NaN), ``kl`` is the
    divergence from the final distribution. For ``show="difference"`` all but the tokens are
    current minus baseline. ``layer`` is the one that a stage belongs to. Units and definitions are
    by variable.
    """

    coords = ("layer", "top_token_id", "baseline_token_id")
    stage: Shaped[Texts, "stage"]
    layer: Int[Numbers, "stage"]
    pos: Int[Numbers, "pos"]
    target_token: Shaped[Texts, "pos"]
    top_token: Shaped[Texts, "stage pos"]
    top_token_id: Int[Numbers, "stage pos"]
    baseline_token: Shaped[Texts, "stage pos"]
    baseline_token_id: Int[Numbers, "stage pos"]
    prob: Float[Numbers, "stage pos"]
    rank: Float[Numbers, "stage pos"]
    target_prob: Float[Numbers, "stage pos"]
    kl: Float[Numbers, "stage pos"]
    show: Which
    target: str
    d_vocab: int
    units: dict[str, str]
    definition: dict[str, str]


class Cell(Answer):
    """The likeliest tokens of one stage at one position, before and after, likeliest now first;
    ``target_id``, None where there is none, comes last where it is not one of them.

    ``baseline`` and ``current`` are probabilities, their ranks count from 0, ``kl`` is in nats.
    """

    coords = ("token_id",)
    token: Shaped[Texts, "token"]
    token_id: Int[Numbers, "token"]
    baseline: Float[Numbers, "token"]
    current: Float[Numbers, "token"]
    baseline_rank: Int[Numbers, "token"]
    current_rank: Int[Numbers, "token"]
    stage: str
    pos: int
    target_id: int | None
    baseline_kl: float
    current_kl: float
    units: str


class Path(Answer):
    """Some tokens' probabilities and ranks (0 is first) from stage to stage at one position."""

    coords = ("token_id",)
    token: Shaped[Texts, "token"]
    token_id: Int[Numbers, "token"]
    stage: Shaped[Texts, "stage"]
    baseline_prob: Float[Numbers, "token stage"]
    current_prob: Float[Numbers, "token stage"]
    baseline_rank: Int[Numbers, "token stage"]
    current_rank: Int[Numbers, "token stage"]
    pos: int
    units: dict[str, str]


class Lines(Answer):
    """The metric's logits as they build up over the stages, and what each part of the model adds;
    ``show`` is baseline, current and difference.

    Means over prompts with standard errors, a difference's that of the paired changes; or one
    prompt's values, with NaN for errors.
    """

    show: Shaped[Texts, "show"]
    stage: Shaped[Texts, "stage"]
    component: Shaped[Texts, "component"]
    accumulated: Float[Numbers, "show stage"]
    accumulated_sem: Float[Numbers, "show stage"]
    contribution: Float[Numbers, "show component"]
    contribution_sem: Float[Numbers, "show component"]
    units: str
    definition: str


class FoundToken(Answer):
    """The single token that a text is; ``text`` is safe to show."""

    id: int
    text: str


MANY_LAYERS = 20


class LogitLensView(View):
    """Top tokens of every stage of the residual stream at every position of the selected prompt,
    tokens followed from stage to stage, and the metric's logits as they build up.

    The logits are means over prompts or the selected prompt's, as ``session.settings.prompt_scope``
    says.
    """

    view = "logit_lens"
    shown = "grid"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("logit_lens.js")
    _css = bundle("style.css")

    show: Literal["current", "baseline", "difference"] = option(
        default="current", help="The run shown, or current minus baseline."
    )
    lens_color: Literal["prob", "rank", "kl"] = option(
        default="prob",
        help="What colours a cell: the top token's probability, the target's rank, or the KL "
        "divergence from the final distribution, in nats.",
    )
    lens_target: Literal["auto", "answer", "next"] = option(
        default="auto",
        help="Whose rank: the correct answer's, the true next token's, or the answer's where there "
        "are answers.",
    )
    lens_order: Literal["last_on_top", "first_on_top"] = option(
        default="last_on_top", help="Which stage is on top."
    )
    incl_mid: bool = option(
        default=True,
        help="Whether stages between attention and MLP are shown, too; of more than 20 layers only "
        "when asked for.",
    )
    pins: list[int] = option(
        default=[],
        help="Ids of the tokens followed from stage to stage; the answers when empty.",
        maxlen=PIN_COUNT,
    )

    @classmethod
    def starting(cls, session: Session, given: dict[str, Any]) -> dict[str, Any]:
        """Of a deep model, stages between layers alone: all would be taller than a screen."""
        known = super().starting(session, given)
        return {"incl_mid": session.facts.n_layers <= MANY_LAYERS, **known}

    @question(Grid, first=True)
    @staticmethod
    def grid(
        session: Session,
        prompt: int,
        show: Which,
        lens_target: Target,
        incl_mid: bool,
        start: int | None = None,
        count: int | None = DEFAULT_COLUMNS,
    ) -> xr.Dataset:
        """The lens at ``count`` positions from ``start`` on, at most 64, the prompt's last ones
        without ``start``; None counts all positions."""
        length = int(session.prompt_set.lengths[check_prompt(session, prompt)])
        columns = length if count is None else min(max(count, 1), MAX_COLUMNS, length)
        first = min(max(length if start is None else start, 0), length - columns)
        places = torch.arange(first, first + columns, device=session.device)
        stages = model_stages(session, incl_mid)
        target = _target(session, lens_target)
        chosen: dict[str, Any] = {"stages": stages, "target": target, "k": 1}
        found, before = lens_of(session, show, prompt, places, **chosen)
        wanted = target_tokens(session, prompt, target)[places]
        facts = described(session, show, target)
        facts["prob"] = facts.pop("probs")
        return Grid.dataset(
            stage=[stage.name for stage in stages],
            layer=[stage.layer for stage in stages],
            pos=places,
            target_token=["" if i < 0 else token_info(session, i)["text"] for i in wanted.tolist()],
            top_token=_texts(session, found.tokens[..., 0].tolist()),
            top_token_id=found.tokens[..., 0],
            baseline_token=_texts(session, before[..., 0].tolist()),
            baseline_token_id=before[..., 0],
            prob=found.probs[..., 0],
            rank=found.rank.float().where(wanted >= 0, float("nan")),
            target_prob=found.target_prob,
            kl=found.kl,
            show=show,
            target=target_name(session, target),
            d_vocab=session.prompt_set.n_logits,
            units={name: units for name, (units, _) in facts.items()},
            definition={name: definition for name, (_, definition) in facts.items()},
        )

    @question(Cell)
    @staticmethod
    def cell(
        session: Session,
        prompt: int,
        stage: str,
        lens_target: Target,
        incl_mid: bool,
        query_pos: int | None = None,
        k: int = 8,
    ) -> xr.Dataset:
        """The ``k`` likeliest tokens of one stage at one position, the last by default."""
        pos = _position(session, check_prompt(session, prompt), query_pos)
        target = _target(session, lens_target)
        k = min(max(k, 1), MAX_K, session.prompt_set.n_logits)
        found = top_tokens(session, prompt, stage, pos, target=target, incl_mid=incl_mid, k=k)
        return Cell.dataset(
            token=token_texts(session, found.tokens),
            token_id=found.tokens,
            baseline=found.baseline,
            current=found.current,
            baseline_rank=found.baseline_rank,
            current_rank=found.current_rank,
            stage=stage,
            pos=pos,
            target_id=found.target,
            baseline_kl=found.baseline_kl,
            current_kl=found.current_kl,
            units="probability",
        )

    @question(Path, first=True)
    @staticmethod
    def path(
        session: Session, prompt: int, query_pos: int | None, pins: list[int], incl_mid: bool
    ) -> xr.Dataset:
        """Pinned tokens, or the answers, from stage to stage, at the last position by default."""
        pos = _position(session, check_prompt(session, prompt), query_pos)
        stages = model_stages(session, incl_mid)
        ids = followed_tokens(session, prompt, pos, pins)
        clean = path_at(session, session.run(()), prompt, pos, ids, stages)
        now = path_at(session, session.run(), prompt, pos, ids, stages)
        return Path.dataset(
            token=token_texts(session, ids),
            token_id=ids,
            stage=[stage.name for stage in stages],
            baseline_prob=clean.prob.T,
            current_prob=now.prob.T,
            baseline_rank=clean.rank.T,
            current_rank=now.rank.T,
            pos=pos,
            units={"prob": "probability", "rank": "rank, 0 is first"},
        )

    @question(Lines, first=True)
    @staticmethod
    def lines(session: Session, prompt: int | None, incl_mid: bool) -> xr.Dataset:
        """The metric's logits by stage and by part, of one prompt or the mean."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        found = lens_lines(session, incl_mid, chosen)
        meaning = DEFINITIONS[decompose(session).readout.target]
        return Lines.dataset(
            show=list(WHICH),
            stage=found.stages,
            component=found.parts,
            accumulated=found.accumulated,
            accumulated_sem=found.accumulated_sem,
            contribution=found.contribution,
            contribution_sem=found.contribution_sem,
            units="logits",
            definition=f"{meaning[:1].upper()}{meaning[1:]}; through the final norm with the scale "
            "it had at the end.",
        )

    @question(FoundToken, quick=True)
    @staticmethod
    def token(session: Session, text: str) -> xr.Dataset:
        """The single token that a text is, to be pinned."""
        found = token_info(session, answer_id(session.model, text, "token"))
        return FoundToken.dataset(**found)

    @question(Code)
    @staticmethod
    def code(session: Session, show: Which, incl_mid: bool) -> xr.Dataset:
        """Code for the likeliest tokens and their probabilities at every stage."""
        return Code.dataset(code=lens_script(session, show, incl_mid=incl_mid))

    def data(self) -> xr.Dataset:
        """``grid`` at all positions of the selected prompt, with its tokens as a coordinate."""
        table = self.ask("grid", count=None)
        return with_tokens(self._session, table, pos=self._session.selection.prompt)

    def figure(self) -> go.Figure:
        """The grid as a heatmap with its tokens, and below it ``lines``."""
        table, lines = self.data(), self.ask("lines").sel(show=self.show)
        color = self.lens_color
        figure = make_subplots(
            rows=2,
            cols=2,
            specs=[[{"colspan": 2}, None], [{}, {}]],
            subplot_titles=[
                f"Top token of each stage; colour: {table.attrs['definition'][color]}",
                "Logits read from the accumulated residual stream",
                "What each part adds",
            ],
            vertical_spacing=0.2,
        )
        heatmap = go.Heatmap(
            z=table[color].values,
            x=table["token"].values,
            y=table["stage"].values,
            text=table["top_token"].values,
            texttemplate="%{text}",
            colorbar={"title": table.attrs["units"][color], "len": 0.45, "y": 0.8},
            hovertemplate="%{y} at %{x}<br>%{text} %{z:.4f}<extra></extra>",
            **(SIGNED if self.show == "difference" else _SCALES[color]),
        )
        figure.add_trace(heatmap, row=1, col=1)
        if self.lens_order == "first_on_top":
            figure.update_yaxes(autorange="reversed", row=1, col=1)
        for col, (name, dim) in enumerate(
            (("accumulated", "stage"), ("contribution", "component")), 1
        ):
            figure.add_trace(_line(lines, name, dim), row=2, col=col)
            figure.update_yaxes(title=lines.attrs["units"], row=2, col=col)
        figure.update_layout(height=760, showlegend=False)
        return figure


_SCALES: dict[str, dict[str, Any]] = {
    "prob": {"colorscale": "Blues", "zmin": 0, "zmax": 1},
    "rank": {"colorscale": "Blues_r", "zmin": 0},
    "kl": {"colorscale": "Oranges", "zmin": 0},
}


def _line(lines: xr.Dataset, name: str, dim: str) -> go.Scatter:
    return go.Scatter(
        x=lines[dim].values,
        y=lines[name].values,
        error_y={"type": "data", "array": lines[f"{name}_sem"].values},
        mode="lines+markers",
        line={"color": "#2166ac"},
        hovertemplate="%{x}: %{y:.4f}<extra></extra>",
    )


def _target(session: Session, chosen: Target) -> LensTarget:
    return lens_target(session, None if chosen == "auto" else chosen)


def _position(session: Session, prompt: int, pos: int | None) -> int:
    """A position of the prompt: selections may come from a longer one."""
    last = int(session.positions[prompt])
    return last if pos is None else min(max(pos, 0), last)


def _texts(session: Session, ids: list[list[int]]) -> list[list[str]]:
    """Tokens as they are shown; each is decoded once, since stages agree on most."""
    known = sorted({token for row in ids for token in row})
    texts = dict(zip(known, token_texts(session, known), strict=True))
    return [[texts[token] for token in row] for row in ids]
