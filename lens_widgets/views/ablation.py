"""AblationPanel: switches for every head and MLP, and what they do."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
import torch
import xarray as xr
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from lens_widgets.analysis.ablation.ablation import (
    ablation_effects,
    intervention_effects,
    sweep_components,
)
from lens_widgets.analysis.ablation.ablation_script import ablation_script
from lens_widgets.analysis.attribution.attribution_script import attribution_script
from lens_widgets.analysis.attribution.decomposition import decompose_heads
from lens_widgets.analysis.attribution.readout import DEFINITIONS
from lens_widgets.session.session import Session
from lens_widgets.session.settings import AblationKind
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.plot import signed_map
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code, token_texts
from lens_widgets.wire.dataset import Answer, Numbers, Texts
from lens_widgets.wire.messages import Step

MOST_LIKELY = 5


class Grid(Answer):
    """A value for every switch: NaN for layers without an MLP, and for what a sweep has not
    reached."""

    heads: Float[Numbers, "layer head"]
    mlps: Float[Numbers, "layer"]
    units: str
    definition: str


class Predictions(Answer):
    """Probabilities of the next token of one prompt, the likeliest before the interventions first,
    and the metric of that prompt."""

    coords = ("token_id",)
    token: Shaped[Texts, "token"]
    token_id: Int[Numbers, "token"]
    baseline: Float[Numbers, "token"]
    current: Float[Numbers, "token"]
    prompt: int
    metric: str
    metric_units: str
    metric_baseline: float | None
    metric_current: float | None
    units: str
    definition: str


class InterventionEffects(Answer):
    """What each switched-on intervention does to the mean metric; ``key`` as in the list."""

    key: Shaped[Texts, "key"]
    label: Shaped[Texts, "key"]
    effect: Float[Numbers, "key"]
    units: str
    definition: str


class AblationPanel(View):
    """Switch heads and MLPs off and see the metric and the predictions move.

    What a switched-off part puts out instead is ``session.settings.ablation_kind``, in this and in
    every other view of the session; ``session.settings.prompt_scope`` says whether the grid is the
    mean over prompts or that of the selected one.
    """

    view = "ablation"
    shown = "grid"
    _esm = bundle("ablation.js")
    _css = bundle("style.css")

    values: Literal["attribution", "effect"] = option(
        default="attribution",
        help="What colours the grid: each part's direct ``attribution``, or the exact ``effect`` "
        "on the metric of ablating it.",
    )

    def chosen(self) -> dict[str, Any]:
        """As of every view; attribution knows no kind of ablation."""
        known = super().chosen()
        return known if self.values == "effect" else {**known, "ablation_kind": None}

    @question(Grid, first=True)
    @staticmethod
    def grid(
        session: Session, ablation_kind: AblationKind | None, prompt: int | None
    ) -> xr.Dataset | Generator[Step, None, xr.Dataset]:
        """The effect of ablating each part so, exact, bit by bit; without a kind each part's direct
        attribution, at once. Of one prompt or the mean."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        if ablation_kind is not None:
            return _effects(session, ablation_kind, chosen)
        parts = decompose_heads(session)
        mlps = parts.mlp.clone()
        mlps[:, sorted(set(range(session.facts.n_layers)) - set(session.facts.mlp_layers))] = (
            torch.nan
        )
        return Grid.dataset(
            heads=_of(parts.heads, chosen),
            mlps=_of(mlps, chosen),
            units="logits",
            definition=f"Direct effect on the {DEFINITIONS[parts.readout.target]}.",
        )

    @question(Predictions, first=True, shared=True)
    @staticmethod
    def predictions(session: Session, prompt: int) -> xr.Dataset:
        """The next tokens that are likeliest before or after, and the metric, of one prompt."""
        check_prompt(session, prompt)
        clean, now = session.run(()), session.run()
        _, at, *runs = session.around(prompt, clean, now)
        before, after = (run.last_logits[at].softmax(dim=-1) for run in runs)
        likely = (each.topk(MOST_LIKELY).indices.tolist() for each in (before, after))
        ids = list(dict.fromkeys(token for each in likely for token in each))
        ids.sort(key=lambda token: -float(before[token]))
        return Predictions.dataset(
            token=token_texts(session, ids),
            token_id=ids,
            baseline=before[ids],
            current=after[ids],
            prompt=prompt,
            metric=session.metric.label,
            metric_units=session.metric.units,
            metric_baseline=clean.metric[prompt],
            metric_current=now.metric[prompt],
            units="probability",
            definition="Probability of the next token at the prompt's end.",
        )

    @question(InterventionEffects, first=True)
    @staticmethod
    def intervention_effects(session: Session) -> xr.Dataset:
        """Each intervention's effect: the metric with all of them, minus without this one."""
        labels = {entry.key: entry.intervention.label for entry in session.interventions.entries}
        effects = intervention_effects(session)
        return InterventionEffects.dataset(
            key=list(effects),
            label=[labels[key] for key in effects],
            effect=np.array(list(effects.values()), dtype=np.float64),
            units=session.metric.units,
            definition=f"Mean {session.metric.label} with everything active, minus the same "
            "without this.",
        )

    @question(Code)
    @staticmethod
    def code(
        session: Session, ablation_kind: AblationKind | None, prompt: int | None
    ) -> xr.Dataset:
        """Code for the grid's numbers; for attribution of the heads, then of all parts."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        if ablation_kind is not None:
            return Code.dataset(code=ablation_script(session, ablation_kind, chosen))
        heads, parts = (
            attribution_script(session, by, prompt=chosen) for by in ("head", "component")
        )
        return Code.dataset(code=f"{heads}head_effects = effects\n\n{parts}")

    def figure(self) -> go.Figure:
        """The grid as a heatmap, the MLPs beside the heads."""
        table = self.data()
        values, columns = table["heads"].values, [f"H{head}" for head in table["head"].values]
        if not np.isnan(table["mlps"].values).all():
            values = np.column_stack([values, table["mlps"].values])
            columns.append("MLP")
        rows = [f"L{layer}" for layer in table["layer"].values]
        return signed_map(values, rows, columns, table.attrs["units"], table.attrs["definition"])


def _effects(
    session: Session, kind: AblationKind, prompt: int | None
) -> Generator[Step, None, xr.Dataset]:
    facts, n_prompts = session.facts, session.prompt_set.n_prompts
    heads = torch.full((n_prompts, facts.n_layers, facts.n_heads), float("nan"), device="cpu")
    mlps = torch.full((n_prompts, facts.n_layers), float("nan"), device="cpu")
    definition = f"Change of the {session.metric.label} when the part is ablated ({kind})."

    def known() -> xr.Dataset:
        return Grid.dataset(
            heads=_of(heads, prompt),
            mlps=_of(mlps, prompt),
            units=session.metric.units,
            definition=definition,
        )

    label = f"{kind} ablation"
    total = len(sweep_components(session, "head")) + len(sweep_components(session, "mlp"))
    done = 0
    # Said before the first result, which may take a while: nobody waits for a cell.
    yield Step(done, total, label)
    for over in ("head", "mlp"):
        for effect in ablation_effects(session, kind, over):
            part, change = effect.component, effect.change.cpu()
            if part.head is None:
                mlps[:, part.layer] = change
            else:
                heads[:, part.layer, part.head] = change
            done += 1
            yield Step(done, total, label, known())
    return known()


def _of(values: Float[Tensor, "prompt *dims"], prompt: int | None) -> Float[Tensor, "*dims"]:
    return values.mean(dim=0) if prompt is None else values[prompt]
