"""LossView: the loss at each position, and over the halves of a repeated sequence."""

from __future__ import annotations

from typing import Any, ClassVar

import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float, Shaped

from lens_widgets.analysis.attention.detector_script import loss_script
from lens_widgets.analysis.tokens.losses import half_of, position_losses
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_prompt
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers, Texts


class Losses(Answer):
    """Loss of predicting the token after each position, of one prompt or means over prompts with
    their standard errors (NaN for one prompt, and where nothing is predicted).

    ``*_halves``: means over the predictions of the first and the second ``half_length`` tokens of
    a sequence that is one token and then the same tokens twice; NaN, and ``half_length`` None,
    where a prompt is no such sequence.
    """

    half: Shaped[Texts, "half"]
    baseline: Float[Numbers, "pos"]
    baseline_sem: Float[Numbers, "pos"]
    current: Float[Numbers, "pos"]
    current_sem: Float[Numbers, "pos"]
    baseline_halves: Float[Numbers, "half"]
    baseline_halves_sem: Float[Numbers, "half"]
    current_halves: Float[Numbers, "half"]
    current_halves_sem: Float[Numbers, "half"]
    half_length: int | None
    units: str
    definition: str


class LossView(View):
    """Loss by position, baseline and current. Click a position to select it everywhere.

    Means over prompts, or the selected prompt's losses, as ``session.settings.prompt_scope`` says.
    """

    view = "loss"
    shown = "losses"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("loss.js")
    _css = bundle("style.css")

    @question(Losses, first=True)
    @staticmethod
    def losses(session: Session, prompt: int | None) -> xr.Dataset:
        """Loss by position and by halves, before and after; of one prompt or the mean."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        found: dict[str, Any] = {}
        for which, run in (("baseline", session.run(())), ("current", session.run())):
            losses = position_losses(session, run, chosen)
            found[which] = losses.mean
            found[f"{which}_sem"] = losses.sem
            found[f"{which}_halves"] = losses.halves
            found[f"{which}_halves_sem"] = losses.halves_sem
        return Losses.dataset(
            half=["first", "second"],
            **found,
            half_length=half_of(session, chosen),
            units="nats",
            definition="next-token loss",
        )

    @question(Code)
    @staticmethod
    def code(session: Session, prompt: int | None) -> xr.Dataset:
        """Code for the losses."""
        chosen = None if prompt is None else check_prompt(session, prompt)
        return Code.dataset(code=loss_script(session, chosen))

    def figure(self) -> go.Figure:
        """Both losses as lines, with standard errors where they are known."""
        table = self.data()
        figure = go.Figure()
        for which, color in (("baseline", "#98a1ac"), ("current", "#e8813a")):
            figure.add_trace(
                go.Scatter(
                    x=table["pos"].values,
                    y=table[which].values,
                    error_y={"type": "data", "array": table[f"{which}_sem"].values},
                    name=which,
                    line={"color": color},
                )
            )
        title = f"{table.attrs['definition']}, {table.attrs['units']}"
        figure.update_layout(xaxis_title="position", yaxis_title=title)
        return figure
