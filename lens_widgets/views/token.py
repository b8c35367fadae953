"""TokenView: the prompt, its tokens, what is predicted at each, and the prompt's editor."""

from __future__ import annotations

from typing import ClassVar, Literal

import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float, Int, Shaped

from lens_widgets.analysis.tokens import bos
from lens_widgets.analysis.tokens.token_script import token_script
from lens_widgets.analysis.tokens.tokens import first_ranked, token_stats
from lens_widgets.prompts.answers import written
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.plot import with_tokens
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code, token_texts
from lens_widgets.wire.dataset import Answer, Numbers, Texts

SUGGESTED, SOUGHT = 6, 24
"""Answers that the editor offers, and among how many of the likeliest tokens they are sought."""

UNITS = {
    "loss": "nats",
    "baseline_loss": "nats",
    "prob": "probability",
    "rank": "rank, 0 is first",
    "baseline_rank": "rank, 0 is first",
    "top_prob": "probability",
}
DEFINITIONS = {
    "loss": "next-token loss",
    "baseline_loss": "next-token loss without interventions",
    "prob": "probability of the true next token",
    "rank": "rank of the true next token, -1 at the end",
    "baseline_rank": "rank of the true next token without interventions, -1 at the end",
    "top_prob": "probabilities of the likeliest next tokens",
}


class Stats(Answer):
    """What is predicted at each token of one prompt, under the interventions and (``baseline_*``)
    without: NaN, and -1 as a rank, at the last token, which nothing follows, and where the model
    has no logit for the next token.

    ``top_*``: the likeliest next tokens, likeliest first. ``units`` and ``definition`` are by
    variable.
    """

    coords = ("top_token", "top_token_id")
    loss: Float[Numbers, "pos"]
    baseline_loss: Float[Numbers, "pos"]
    prob: Float[Numbers, "pos"]
    rank: Int[Numbers, "pos"]
    baseline_rank: Int[Numbers, "pos"]
    top_prob: Float[Numbers, "pos top"]
    top_token: Shaped[Texts, "pos top"]
    top_token_id: Int[Numbers, "pos top"]
    units: dict[str, str]
    definition: dict[str, str]


class Hits(Answer):
    """Of ``n_predicted`` next tokens of all prompts, how many rank first, without interventions
    (``baseline``) and under them (``current``)."""

    run: Shaped[Texts, "run"]
    hits: Int[Numbers, "run"]
    n_predicted: int
    units: str
    definition: str


class BosComparison(Answer):
    """One text with and without BOS, the tokens counted as with it, so that the same token has the
    same position in both; NaN, and -1 as a rank, where there is nothing to predict.

    ``own``: which of the two the session has.
    """

    coords = ("token_id",)
    bos: Shaped[Texts, "bos"]
    token: Shaped[Texts, "pos"]
    token_id: Int[Numbers, "pos"]
    loss: Float[Numbers, "bos pos"]
    rank: Int[Numbers, "bos pos"]
    own: Literal["with", "without"]
    units: dict[str, str]


class Likely(Answer):
    """The likeliest next tokens after one prompt that can be written as text, likeliest first.

    ``text`` is the token verbatim, ``token`` as it is shown.
    """

    coords = ("text",)
    token: Shaped[Texts, "top"]
    text: Shaped[Texts, "top"]
    prob: Float[Numbers, "top"]
    units: str


class TokenView(View):
    """Tokens of the selected prompt, coloured by loss, hit or attention; it can be edited."""

    view = "token"
    shown = "stats"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("token.js")
    _css = bundle("style.css")

    color: Literal["loss", "hit", "from", "to"] = option(
        default="loss",
        help="What colours the tokens: the loss of the next token, whether it ranks first, or the "
        'selected head\'s attention ``"from"`` the picked token or ``"to"`` it.',
    )

    @question(Stats, first=True)
    @staticmethod
    def stats(session: Session, prompt: int) -> xr.Dataset:
        """Loss, probability, rank and top predictions at every token of one prompt."""
        check_prompt(session, prompt)
        found, before = (
            token_stats(session, run, prompt) for run in (session.run(), session.run(()))
        )
        return Stats.dataset(
            loss=found.loss,
            baseline_loss=before.loss,
            prob=found.prob,
            rank=found.rank,
            baseline_rank=before.rank,
            top_prob=found.top_probs,
            top_token=[token_texts(session, row) for row in found.top_tokens.tolist()],
            top_token_id=found.top_tokens,
            units=UNITS,
            definition=DEFINITIONS,
        )

    @question(Hits, first=True)
    @staticmethod
    def hits(session: Session) -> xr.Dataset:
        """How many next tokens of all prompts rank first, which reads all their logits."""
        before, now = (
            int(first_ranked(session, run).sum()) for run in (session.run(()), session.run())
        )
        return Hits.dataset(
            run=["baseline", "current"],
            hits=[before, now],
            n_predicted=int(session.prompt_set.predicted.sum()),
            units="tokens",
            definition="next tokens that rank first, in all prompts",
        )

    @question(Likely)
    @staticmethod
    def likely(session: Session, prompt: int) -> xr.Dataset:
        """What could be an answer to one prompt: the model's likeliest next tokens."""
        check_prompt(session, prompt)
        _, at, clean = session.around(prompt, session.run(()))
        probs = clean.last_logits[at].softmax(dim=-1)
        found = [
            (i, text)
            for i in probs.topk(min(SOUGHT, len(probs))).indices.tolist()
            if (text := written(session.model, i)) is not None
        ][:SUGGESTED]
        return Likely.dataset(
            token=token_texts(session, [i for i, _ in found]),
            text=[text for _, text in found],
            prob=[float(probs[i]) for i, _ in found],
            units="probability",
        )

    @question(BosComparison)
    @staticmethod
    def compare_bos(session: Session, prompt: int) -> xr.Dataset:
        """One prompt tokenized with and without BOS, and what is predicted in each."""
        table = bos.compare_bos(session, check_prompt(session, prompt))
        ids = table["token_id"].values[0].tolist()
        return BosComparison.dataset(
            bos=list(bos.BOS),
            token=token_texts(session, ids),
            token_id=ids,
            loss=table["loss"],
            rank=table["rank"],
            own=table.attrs["session"],
            units={"loss": "nats", "rank": "rank, 0 is first"},
        )

    @question(Code)
    @staticmethod
    def code(session: Session, prompt: int) -> xr.Dataset:
        """Code for the losses, probabilities and ranks of one prompt."""
        return Code.dataset(code=token_script(session, check_prompt(session, prompt)))

    def data(self) -> xr.Dataset:
        """``stats``, with the tokens as a coordinate."""
        return with_tokens(self._session, super().data(), pos=self._session.selection.prompt)

    def figure(self) -> go.Figure:
        """Loss per token as bars."""
        table = self.data()
        bars = go.Bar(x=table["token"].values, y=table["loss"].values, marker_color="#e8813a")
        figure = go.Figure(bars)
        figure.update_layout(
            title=table.attrs["definition"]["loss"], yaxis_title=table.attrs["units"]["loss"]
        )
        return figure
