"""LengthsView: how long each token of the selected prompt is."""

from pathlib import Path
from typing import Literal

import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Int, Shaped

from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import built, bundle
from lens_widgets.views.options import option
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code
from lens_widgets.wire.dataset import Answer, Numbers, Texts

HERE = Path(__file__).parent


class Lengths(Answer):
    """The tokens of one prompt, each with the number of its characters."""

    token: Shaped[Texts, "pos"]
    length: Int[Numbers, "pos"]
    units: str
    definition: str


class LengthsView(View):
    """How long each token of the selected prompt is, in characters or in bytes."""

    view = "lengths"
    shown = "lengths"
    _esm = built(HERE / "lengths.js")
    _css = bundle("style.css") + (HERE / "lengths.css").read_text()

    counted: Literal["characters", "bytes"] = option(
        default="characters", help="What a token's length counts."
    )

    @question(Lengths, first=True)
    @staticmethod
    def lengths(
        session: Session, prompt: int, counted: Literal["characters", "bytes"] = "characters"
    ) -> xr.Dataset:
        """The length of every token."""
        texts = session.str_tokens[prompt]
        sizes = [len(text if counted == "characters" else text.encode()) for text in texts]
        return Lengths.dataset(
            token=texts, length=sizes, units=counted, definition=f"{counted} of each token"
        )

    @question(Code)
    @staticmethod
    def code(session: Session, prompt: int) -> xr.Dataset:
        """Code that counts the characters."""
        return Code.dataset(
            code=f"lengths = [len(t) for t in model.to_str_tokens(tokens[{prompt}])]\n"
        )

    def figure(self) -> go.Figure:
        """Lengths as bars."""
        table = self.data()
        bars = go.Bar(
            x=[f"{t} {i}" for i, t in enumerate(table["token"].values)], y=table["length"]
        )
        return go.Figure(bars).update_layout(yaxis_title=table.attrs["units"])
