"""ActivationBrowser: every activation of the current run, and what is in the one that is chosen."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets
import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.activations.activations import activation, cut
from lens_widgets.errors import InputError
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class UnknownHook(InputError, traitlets.TraitError):
    """Both what a caller is told of, and what makes traitlets keep the value before."""


class ActivationBrowser(View):
    """All activations with their names, shapes and sizes; statistics and a slice of a chosen one.

    ``activation``: a hook as in ``"blocks.0.hook_resid_post"``, empty for none. ``show``:
    ``"current"``, ``"baseline"`` or ``"difference"``. ``slice_rows``: whether the slice has
    positions or heads down. ``group_by``: whether the list goes by ``"layer"``, or by ``"hook"``
    through all layers. An activation is computed when it is chosen, and only the last one is kept.
    """

    _esm = bundle("activation_browser.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"activation_browser/list": "activations"}

    activation = options.activation()
    show = options.show()
    slice_rows = options.slice_rows()
    group_by = options.group_by()

    @traitlets.validate("activation")
    def _known(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name:
            try:
                self._session.run(()).check_name(name)
            except InputError as error:
                raise UnknownHook(error.message, error.hint) from error
        return name

    def asks_first(self) -> dict[str, str]:
        chosen = {"activation_browser/activation": "activation"} if self.activation else {}
        return {**self.opening_slots, **chosen}

    def data(self) -> xr.DataArray:
        """The chosen activation of the selected prompt; its own dims, without padding."""
        if not self.activation:
            raise InputError(
                "activation='' chooses none.",
                "Click one, or set it: view.activation = 'blocks.0.hook_resid_post'.",
            )
        session = self._session
        return activation(session, self.activation, self.show, session.selection.prompt)

    def figure(self) -> Figure:
        """The slice that is shown, as a heatmap."""
        values, chosen = self.data(), self._session.selection
        sizes = {str(dim): size for dim, size in values.sizes.items()}
        heads = self._session.facts.n_heads
        plane = cut(sizes, self.slice_rows, chosen.head, heads, chosen.query_pos)
        at = {dim: index for dim, (index, _) in plane.at.items()}
        shown = values.isel(at).transpose(*filter(None, (plane.row_dim, plane.column_dim)))
        return figures.activation_map(shown, "".join(f", {dim} {at[dim]}" for dim in at))
