"""The slope of the metric at what each reader of the stream reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.circuits.written import Places
from lens_widgets.analysis.norms import norm_hooks, norm_of_run
from lens_widgets.engine.gradients import Passed, Slopes
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.engine.model import weights_of
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

CHECKED = 64
"""At so many positions the slopes of readers are held against those of the stream."""

_WEIGHTS = {"q": "W_Q", "k": "W_K", "v": "W_V"}


class ReaderSlopes:
    """What a pass must record for them (``wanted``), and the slopes from what it recorded.

    ``groups``: readers that follow one another, of one kind and layer, each group with the number
    of writers that come before it.
    """

    def __init__(self, session: Session, graph: StreamGraph) -> None:
        self._session = session
        self._facts = session.facts
        self.graph = graph
        kinds = dict.fromkeys((reader.layer, reader.kind) for reader in graph.readers)
        slices = [graph.of_layer(*kind) for kind in kinds]
        self.groups = [(each, int(graph.mask[:, each.start].sum())) for each in slices]
        inputs, watched = [], list[str]()
        for each in slices:
            reader = graph.readers[each.start]
            if reader.layer is None:
                continue
            hook, norm = self._input_of(reader.layer, reader.kind)
            inputs.append(hook)
            if norm is not None:
                watched += [f"{norm}.hook_in", *norm_hooks(session, norm)]
        streams = [f"blocks.{layer}.hook_in" for layer in range(graph.n_layers)]
        end = f"blocks.{graph.n_layers - 1}.hook_out"
        self.wanted = Slopes([*streams, end], inputs, tuple(dict.fromkeys(watched)))
        self._streams = [*streams, end]

    def _input_of(self, layer: int, kind: str) -> tuple[str, str | None]:
        """The hook whose gradient tells a reader's slope, and the norm between it and the
        stream, or None where there is none."""
        block, hooks = f"blocks.{layer}", self._facts.hooks
        before_attention = f"{block}.ln1" if f"{block}.ln1.hook_in" in hooks else None
        if kind != "mlp":
            return f"{block}.attn.hook_{kind}", before_attention
        if f"{block}.ln2.hook_in" in hooks:
            return f"{block}.ln2.hook_in", None
        # An MLP beside attention reads what their one norm puts out.
        return f"{block}.mlp.hook_in", before_attention if layer in self.graph.parallel else None

    def at(
        self, passed: Passed, readers: slice, places: Places
    ) -> Float[Tensor, "place reader d_model"]:
        """The slopes of one group at some places."""
        reader = self.graph.readers[readers.start]
        if reader.layer is None:
            return places.at(passed.gradients[self._streams[-1]])[:, None]
        hook, name = self._input_of(reader.layer, reader.kind)
        gradient = places.at(passed.gradients[hook])
        if reader.kind == "mlp":
            direction = gradient[:, None]
        else:
            weights = self._weights(reader.layer, reader.kind, gradient)
            direction = torch.einsum("nhd,hmd->nhm", gradient, weights)
        if name is None:
            return direction
        block = self._session.model.blocks[reader.layer]

        def read(hook: str) -> Tensor:
            return places.at(passed.activations[hook])

        norm = norm_of_run(self._session, name, block.ln1, read)
        if norm is None:
            return direction
        if passed.held:
            return norm.at_each().back(direction)
        return norm.at_each().gradient(direction, read(f"{name}.hook_in")[:, None])

    def _weights(self, layer: int, kind: str, gradient: Tensor) -> Float[Tensor, "head d_model d"]:
        weights = weights_of(self._session.model.blocks[layer].attn, _WEIGHTS[kind])
        d_model = self._session.model.cfg.d_model
        wanted = (gradient.shape[1], d_model, gradient.shape[2])
        if weights is None or tuple(weights.shape) != wanted:
            raise InputError(
                f"edge_scores: {_WEIGHTS[kind]} of layer {layer} cannot be split by heads in this "
                "model.",
                "Use edge_sweep, which is exact.",
            )
        return weights.float()

    def check_sum(self, passed: Passed) -> None:
        """InputError where the slopes of a layer's readers do not sum to what the layer adds to the
        slope of the stream: then something between them and the stream was overlooked.

        Not looked at where interventions or other parts of a layer write to the stream.
        """
        if self._session.edits_stream or self._facts.layers.other:
            return
        places = Places.of(self._session).last(CHECKED)
        tolerance = 2e-3 if self._facts.dtype in ("float32", "float64") else 1e-1
        for layer in range(self.graph.n_layers):
            before, after = (
                places.at(passed.gradients[name]) for name in self._streams[layer : layer + 2]
            )
            own = [r for r, _ in self.groups if self.graph.readers[r.start].layer == layer]
            added = sum((self.at(passed, r, places).sum(dim=1) for r in own), after)
            off = (added - before).abs().max()
            if not bool(off <= tolerance * before.abs().max()):
                raise InputError(
                    f"edge_scores: what the readers of layer {layer} read does not add up to the "
                    "stream in this model.",
                    "Use edge_sweep, which is exact.",
                )
