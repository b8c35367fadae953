"""PatchingView: which activations carry the answer from one run into the other."""

from __future__ import annotations

from typing import ClassVar

import xarray as xr
from plotly.graph_objects import Figure

from lens_widgets.analysis.labels import of_prompt
from lens_widgets.analysis.patching.nodes import block_nodes, head_nodes
from lens_widgets.analysis.patching.patch_maps import available_nodes
from lens_widgets.analysis.patching.patching import patch_sweep
from lens_widgets.widgets import figures, options
from lens_widgets.widgets.base import View, bundle


class PatchingView(View):
    """Activation patching maps side by side; a click keeps a patch as an intervention.

    ``patch_maps``: ``"heads"`` (outputs z, queries, keys, values, patterns) or ``"blocks"``
    (residual stream, attention and MLP outputs by position). ``by_pos``: heads position by
    position. ``patch_into``: ``"corrupted"`` patches clean activations into the corrupted run,
    ``"clean"`` the reverse. ``normalize``: 1 is the clean metric, 0 the corrupted one. ``scope`` as
    in AttributionTable. The session needs corrupted prompts.
    """

    _esm = bundle("patching.js")
    _css = bundle("style.css")
    opening_slots: ClassVar[dict[str, str]] = {"patching/maps": "patching"}

    patch_maps = options.patch_maps()
    by_pos = options.by_pos()
    patch_into = options.patch_into()
    normalize = options.normalize()
    scope = options.scope()

    def data(self) -> xr.Dataset:
        """The exact maps, each under its activation's name; dims layer, head or pos, or both.

        Means over prompts come with their standard errors, as in ``z_sem``.
        """
        found = {}
        for one in self._maps():
            node = one.attrs["node"]
            if "sem" in one.coords:
                found[f"{node}_sem"] = one["sem"].drop_vars("sem")
            found[node] = one.drop_vars("sem", errors="ignore")
        return xr.Dataset(found)

    def figure(self) -> Figure:
        """The exact maps side by side."""
        return figures.patch_maps(self._maps())

    def _maps(self) -> list[xr.DataArray]:
        session = self._session
        nodes = block_nodes() if self.patch_maps == "blocks" else head_nodes()
        maps = []
        for node in available_nodes(session, nodes):
            one = patch_sweep(
                session,
                node,
                self.by_pos,
                into=self.patch_into,
                per_prompt=self.scope == "selected",
                normalize=self.normalize,
            )
            if self.scope == "selected":
                one = of_prompt(one, session.selection.prompt)
            maps.append(one.assign_attrs(node=node))
        return maps
