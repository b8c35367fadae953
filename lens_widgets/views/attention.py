"""AttentionView: every head's pattern small, the selected one large."""

from __future__ import annotations

from typing import ClassVar, Literal

import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Float, Int

from lens_widgets.analysis.attention.attention_script import attention_script
from lens_widgets.analysis.attention.head_scores import definition, stripe_scores, why_missing
from lens_widgets.analysis.attention.head_scores import stripe as stripe_of
from lens_widgets.analysis.attention.patterns import (
    DEFINITIONS,
    UNITS,
    Average,
    Mode,
    Which,
    described,
    head_pattern,
    is_signed,
    pooled_patterns,
)
from lens_widgets.errors import InputError
from lens_widgets.session.selection import ScoreKind
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_head, check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.plot import SEQUENTIAL, SIGNED, outline, with_tokens
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.arrays import WireForm
from lens_widgets.wire.dataset import Answer, Numbers
from lens_widgets.wire.messages import MAX_REPLY_BYTES


class Patterns(Answer):
    """Every head's attention on one prompt, each number the largest of a block of ``pool`` by
    ``pool`` positions: of largest magnitude where there are signs. NaN: masked."""

    patterns: Float[Numbers, "layer head query_block key_block"]
    pool: int
    units: str
    definition: str


class Pattern(Answer):
    """The attention of one head, or the mean that it is part of, as ``name`` says ("L1H2", "L1" or
    "all heads"); ``signed``: there are values on both sides of zero. NaN: masked."""

    pattern: Float[Numbers, "query_pos key_pos"]
    name: str
    signed: bool
    units: str
    definition: str


class PatternPart(Answer):
    """The cells of the same in a range of queries and keys, as the model computed them."""

    query_pos: Int[Numbers, "query_pos"]
    key_pos: Int[Numbers, "key_pos"]
    pattern: Float[Numbers, "query_pos key_pos"]
    units: str


class Stripe(Answer):
    """Where a kind of head score looks in one prompt, and every head's mean attention there,
    without interventions (``baseline``) and under them; ``mean_*`` over the ``n_with`` prompts that
    have such a stripe. NaN, and ``missing`` says why, where there is none."""

    query_pos: Int[Numbers, "place"]
    key_pos: Int[Numbers, "place"]
    baseline: Float[Numbers, "layer head"]
    current: Float[Numbers, "layer head"]
    mean_baseline: Float[Numbers, "layer head"]
    mean_current: Float[Numbers, "layer head"]
    n_with: int
    missing: str
    units: str
    definition: str


class AttentionView(View):
    """Attention patterns of the selected prompt. Hover a head to look, click to select it.

    ``session.settings.skip_bos`` leaves the first token out of the colours;
    ``session.selection.stripe`` outlines the cells of a head score.
    """

    view = "attention"
    shown = "pattern"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("attention.js")
    _css = bundle("style.css")

    show: Literal["baseline", "current", "difference"] = option(
        default="current",
        help="Patterns without interventions, under them, or the second minus the first.",
    )
    token_mode: Literal["from", "to"] = option(
        default="from",
        help='A picked token shows what it attends "from" as query, or what attends "to" it as '
        "key.",
    )
    attention_mode: Literal["pattern", "value", "scores"] = option(
        default="pattern",
        help="Weights, weights times the norm of the value they carry, or scores before the "
        "softmax.",
    )
    head_average: Literal["none", "layer", "all"] = option(
        default="none",
        help="The large pattern is one head's, the mean over its layer's heads, or over all heads.",
    )

    pattern_scale: Literal["auto", "fixed", "root"] | None = option(
        default=None,
        help='Where colours end: "fixed" at 1 (or above the largest of all heads), "auto" where '
        'the strong cells on show are, "root" at 1 with colours by the square root; None: "auto" '
        "for prompts of 100 tokens or more.",
    )

    @question(Patterns, first=True)
    @staticmethod
    def patterns(session: Session, prompt: int, show: Which, attention_mode: Mode) -> xr.Dataset:
        """Every head's pattern, as fine as a message allows."""
        check_prompt(session, prompt)
        facts = session.facts
        # A byte a cell, beside the indices of layers and heads at four bytes each.
        cells = MAX_REPLY_BYTES - 4 * (facts.n_layers + facts.n_heads)
        values, pool = pooled_patterns(session, show, prompt, attention_mode, cells)
        return Patterns.dataset(
            wire={"patterns": _bytes(show, attention_mode)},
            patterns=values,
            pool=pool,
            units=UNITS[attention_mode],
            definition=f"{DEFINITIONS[attention_mode].capitalize()}.",
        )

    @question(Pattern, first=True)
    @staticmethod
    def pattern(
        session: Session,
        prompt: int,
        show: Which,
        layer: int,
        head: int,
        attention_mode: Mode,
        head_average: Average,
    ) -> xr.Dataset:
        """One head's pattern, or the mean that it is part of, at every position."""
        check_prompt(session, prompt)
        check_head(session, layer, head)
        values = head_pattern(session, show, prompt, layer, head, attention_mode, head_average)
        fits = fits_exactly(*values.shape)
        form: WireForm = "exact" if fits else _bytes(show, attention_mode)
        return Pattern.dataset(
            wire={"pattern": form},
            pattern=values,
            name={"none": f"L{layer}H{head}", "layer": f"L{layer}", "all": "all heads"}[
                head_average
            ],
            signed=is_signed(show, attention_mode),
            units=UNITS[attention_mode],
            definition=described(show, prompt, attention_mode, head_average),
        )

    @question(PatternPart)
    @staticmethod
    def pattern_part(
        session: Session,
        prompt: int,
        show: Which,
        layer: int,
        head: int,
        attention_mode: Mode,
        head_average: Average,
        query_start: int,
        query_stop: int,
        key_start: int,
        key_stop: int,
    ) -> xr.Dataset:
        """The exact cells of a range of queries and keys, for patterns that are sent rounded."""
        check_prompt(session, prompt)
        check_head(session, layer, head)
        queries = _range(session, prompt, "query", query_start, query_stop)
        keys = _range(session, prompt, "key", key_start, key_stop)
        if not fits_exactly(len(queries), len(keys)):
            raise InputError(
                f"{len(queries)} x {len(keys)} cells do not fit a message.",
                f"At four bytes a cell it takes {MAX_REPLY_BYTES:,} bytes: ask for a smaller part.",
            )
        part = (slice(queries.start, queries.stop), slice(keys.start, keys.stop))
        return PatternPart.dataset(
            query_pos=queries,
            key_pos=keys,
            pattern=head_pattern(
                session, show, prompt, layer, head, attention_mode, head_average, part
            ),
            units=UNITS[attention_mode],
        )

    @question(Stripe, first=True)
    @staticmethod
    def stripe(session: Session, prompt: int, stripe: ScoreKind) -> xr.Dataset:
        """Where a kind of score looks in one prompt, and what every head has there."""
        check_prompt(session, prompt)
        queries, keys = stripe_of(session, stripe, prompt)
        before, after = (
            stripe_scores(session, run, stripe) for run in (session.run(()), session.run())
        )
        return Stripe.dataset(
            query_pos=queries,
            key_pos=keys,
            baseline=before[prompt],
            current=after[prompt],
            mean_baseline=before.nanmean(dim=0),
            mean_current=after.nanmean(dim=0),
            n_with=int(torch.count_nonzero(~after.isnan().all(dim=2).all(dim=1))),
            missing=why_missing(session, stripe) or why_missing(session, stripe, prompt),
            units=UNITS["pattern"],
            definition=definition(session, stripe, prompt),
        )

    @question(Code)
    @staticmethod
    def code(
        session: Session,
        prompt: int,
        show: Which,
        layer: int,
        head: int,
        attention_mode: Mode,
        head_average: Average,
    ) -> xr.Dataset:
        """Code for the large pattern."""
        check_head(session, layer, head)
        text = attention_script(
            session,
            f"L{layer}H{head}",
            show,
            prompt=check_prompt(session, prompt),
            mode=attention_mode,
            average=head_average,
        )
        return Code.dataset(code=text)

    def data(self) -> xr.Dataset:
        """The selected head's ``pattern``, or with ``head_average`` the mean that it is part of,
        with the tokens as coordinates; ``lw.analysis.attention_patterns`` has all heads."""
        prompt = self._session.selection.prompt
        return with_tokens(self._session, super().data(), query_pos=prompt, key_pos=prompt)

    def figure(self) -> go.Figure:
        """The same as a heatmap, with the outlined stripe."""
        table = self.data()
        attrs = table.attrs
        heatmap = go.Heatmap(
            z=table["pattern"].values,
            x=table["key_token"].values,
            y=table["query_token"].values,
            colorbar={"title": attrs["units"]},
            hovertemplate="query %{y}<br>key %{x}<br>%{z:.4f}<extra></extra>",
            **(SIGNED if attrs["signed"] else SEQUENTIAL),
        )
        figure = go.Figure(heatmap)
        title = f"{attrs['name']}: {attrs['definition']}"
        figure.update_layout(title=title, xaxis_title="key", yaxis_title="query")
        figure.update_yaxes(autorange="reversed")
        kind = self._session.selection.stripe
        if kind is not None:
            # Only where it lies: the question also reads every head's pattern there.
            queries, keys = stripe_of(self.session, kind, self.session.selection.prompt)
            cells = list(zip(queries.tolist(), keys.tolist(), strict=True))
            outline(figure, cells, f"{kind} stripe")
        return figure


def _bytes(show: Which, mode: Mode) -> WireForm:
    """How values travel at one byte each."""
    if is_signed(show, mode):
        return "signed"
    return "unit" if mode == "pattern" else "positive"


def fits_exactly(n_queries: int, n_keys: int) -> bool:
    """Whether so many cells, and the positions beside them, fit a message at four bytes each."""
    return 4 * (n_queries * n_keys + n_queries + n_keys) <= MAX_REPLY_BYTES


def _range(session: Session, prompt: int, side: str, start: int, stop: int) -> range:
    """The positions from ``start`` up to ``stop``; InputError where a prompt has no such range."""
    length = int(session.prompt_set.lengths[prompt])
    if not 0 <= start < stop <= length:
        raise InputError(
            f"{side}_start={start}, {side}_stop={stop} is no range of prompt {prompt}.",
            f"0 <= {side}_start < {side}_stop <= {length}.",
        )
    return range(start, stop)
