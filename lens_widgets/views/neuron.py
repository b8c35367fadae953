"""NeuronView: text coloured by one neuron, and where that neuron is highest and lowest."""

from __future__ import annotations

from typing import Any, ClassVar

import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float, Int, Shaped

from lens_widgets.analysis.neurons.neuron_script import neuron_script, strongest_script
from lens_widgets.analysis.neurons.neurons import (
    DEFINITION,
    ENDS,
    extremes,
    one_neuron,
    parse_neuron,
    strongest_neurons,
)
from lens_widgets.analysis.script_parts import Which
from lens_widgets.errors import InputError
from lens_widgets.session.session import Session
from lens_widgets.views.base import View
from lens_widgets.views.bundle import bundle
from lens_widgets.views.checks import check_between, check_prompt
from lens_widgets.views.options import option
from lens_widgets.views.plot import signed_bars, with_tokens
from lens_widgets.views.question import question
from lens_widgets.views.session_data import Code, token_texts
from lens_widgets.views.starting import largest_neuron
from lens_widgets.wire.arrays import WireForm
from lens_widgets.wire.dataset import Answer, Numbers, Texts
from lens_widgets.wire.messages import MAX_REPLY_BYTES

MAX_TOP = 100


class Activations(Answer):
    """One neuron along one prompt, without the interventions and under them.

    ``n_neurons``: how many its layer has. ``largest``: its largest magnitude in all prompts and
    both runs, so that one scale holds for all of them.
    """

    baseline: Float[Numbers, "pos"]
    current: Float[Numbers, "pos"]
    neuron: str
    layer: int
    index: int
    n_neurons: int
    prompt: int
    largest: float
    units: str
    definition: str


class Places(Answer):
    """Where a neuron is highest and where it is lowest, in all prompts, the most extreme first:
    its ``activation``, and the token there with its ``prompt`` and position ``pos``."""

    coords = ("prompt", "pos", "token", "token_id")
    end: Shaped[Texts, "end"]
    activation: Float[Numbers, "end rank"]
    prompt: Int[Numbers, "end rank"]
    pos: Int[Numbers, "end rank"]
    token: Shaped[Texts, "end rank"]
    token_id: Int[Numbers, "end rank"]
    neuron: str
    units: str
    definition: str


class Strongest(Answer):
    """The neurons with the largest magnitude at ``query_pos``, largest first, along the prompt.

    ``neuron``: names such as ``"L3N1024"``, of which ``layer`` and ``index`` are the parts.
    """

    coords = ("layer", "index")
    neuron: Shaped[Texts, "neuron"]
    layer: Int[Numbers, "neuron"]
    index: Int[Numbers, "neuron"]
    activation: Float[Numbers, "neuron pos"]
    prompt: int
    query_pos: int
    units: str
    definition: str


class NeuronView(View):
    """One MLP neuron along the selected prompt, and the tokens of all prompts at its two ends.

    The selected position's strongest neurons are listed with it; without one, those of the last.
    """

    view = "neuron"
    shown = "activations"
    of_session: ClassVar[tuple[str, ...]] = ("metric", "tokens")
    _esm = bundle("neuron.js")
    _css = bundle("style.css")

    neuron: str | None = option(
        default=None,
        help='A layer and a neuron of its MLP, as in ``"L3N1024"``; as it opens the neuron with '
        "the largest direct effect, of the MLP with the largest.",
        pattern=r"L\d{1,6}N\d{1,7}",
        form="a layer and a neuron, as 'L3N1024'",
    )
    show: Which = option(default="current", help="Which run's activations, or their difference.")
    top_k: int = option(
        default=10, help="How many tokens and neurons the lists name.", min=1, max=MAX_TOP
    )

    @classmethod
    def starting(cls, session: Session, given: dict[str, Any]) -> dict[str, Any]:
        """Opens on the neuron that moves the metric most."""
        known = super().starting(session, given)
        return known if known.get("neuron") else {**known, "neuron": largest_neuron(session)}

    @question(Activations, first=True)
    @staticmethod
    def activations(session: Session, neuron: str | None, prompt: int) -> xr.Dataset:
        """One neuron along one prompt, before and after."""
        layer, index = _named(session, neuron)
        check_prompt(session, prompt)
        baseline = one_neuron(session, layer, index, "baseline")
        current = one_neuron(session, layer, index, "current")
        length = int(session.prompt_set.lengths[prompt])
        return Activations.dataset(
            baseline=baseline[prompt, :length],
            current=current[prompt, :length],
            neuron=f"L{layer}N{index}",
            layer=layer,
            index=index,
            n_neurons=session.facts.hooks[f"blocks.{layer}.mlp.hook_post"][-1],
            prompt=prompt,
            largest=max(float(run.nan_to_num().abs().max()) for run in (baseline, current)),
            units="activation",
            definition=DEFINITION,
        )

    @question(Places, first=True)
    @staticmethod
    def places(session: Session, neuron: str | None, show: Which, top_k: int) -> xr.Dataset:
        """Where a neuron is highest and lowest in all prompts; for the difference, where the
        interventions raise and lower it most."""
        layer, index = _named(session, neuron)
        check_between("top_k", top_k, 1, MAX_TOP)
        values, found = extremes(one_neuron(session, layer, index, show), top_k)
        # The tokens are on the processor, whatever the model runs on.
        prompts, positions = found.cpu().unbind(dim=-1)
        ids = session.tokens.cpu()[prompts, positions]
        return Places.dataset(
            end=list(ENDS),
            activation=values,
            prompt=prompts,
            pos=positions,
            token=[token_texts(session, row) for row in ids.tolist()],
            token_id=ids,
            neuron=f"L{layer}N{index}",
            units="activation",
            definition=f"{DEFINITION}; {show}, all prompts",
        )

    @question(Strongest, first=True)
    @staticmethod
    def strongest(
        session: Session, prompt: int, query_pos: int | None, show: Which, top_k: int
    ) -> xr.Dataset:
        """The neurons that are strongest at one position (None: the last), along the prompt. For
        the difference: how those changed that are strongest under the interventions."""
        check_between("top_k", top_k, 1, MAX_TOP)
        at = _read_pos(session, prompt, query_pos)
        chosen, values = strongest_neurons(session, show, prompt, at, top_k)
        # Beside them go the positions, and for each neuron its layer and index.
        size = 4 * (values.numel() + values.shape[1] + 2 * len(chosen))
        form: WireForm = "exact" if size <= MAX_REPLY_BYTES else "signed"
        return Strongest.dataset(
            wire={"activation": form},
            neuron=[f"L{layer}N{index}" for layer, index in chosen],
            layer=[layer for layer, _ in chosen],
            index=[index for _, index in chosen],
            activation=values,
            prompt=prompt,
            query_pos=at,
            units="activation",
            definition=f"{DEFINITION}; {show}, prompt {prompt}",
        )

    @question(Code, quick=True)
    @staticmethod
    def code(session: Session, neuron: str | None, show: Which, top_k: int) -> xr.Dataset:
        """Code for the neuron's activations in all prompts, and where they are highest and
        lowest."""
        check_between("top_k", top_k, 1, MAX_TOP)
        return Code.dataset(code=neuron_script(session, *_named(session, neuron), show, k=top_k))

    @question(Code, quick=True)
    @staticmethod
    def strongest_code(
        session: Session, prompt: int, query_pos: int | None, show: Which, top_k: int
    ) -> xr.Dataset:
        """Code for the strongest neurons at a position."""
        check_between("top_k", top_k, 1, MAX_TOP)
        at = _read_pos(session, prompt, query_pos)
        return Code.dataset(code=strongest_script(session, at, show, prompt=prompt, k=top_k))

    def data(self) -> xr.Dataset:
        """The neuron along the selected prompt, with the tokens as coordinates."""
        return with_tokens(self._session, super().data(), pos=self._session.selection.prompt)

    def figure(self) -> go.Figure:
        """The activation at each token as bars, of the run that is shown."""
        table = self.data()
        attrs = table.attrs
        values = table["baseline" if self.show == "baseline" else "current"].values
        if self.show == "difference":
            values = values - table["baseline"].values
        title = f"{attrs['neuron']}: {attrs['definition']}; {self.show}, prompt {attrs['prompt']}"
        names = list(table["token"].values)
        return signed_bars(values, names, attrs["units"], title, ordered=True)


def _named(session: Session, neuron: str | None) -> tuple[int, int]:
    """Layer and index of a neuron by its name; without one, of the neuron a view opens on."""
    chosen = largest_neuron(session) if neuron is None else neuron
    if chosen is None:
        raise InputError(
            "This model has no MLPs, so it has no neurons.",
            "Look at its heads: lw.AttentionView and lw.HeadScoresView.",
        )
    return parse_neuron(chosen)


def _read_pos(session: Session, prompt: int, query_pos: int | None) -> int:
    last = int(session.prompt_set.lengths[check_prompt(session, prompt)]) - 1
    return check_between("query_pos", last if query_pos is None else query_pos, 0, last)
