"""The slope of the metric at what each reader of the stream reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.circuits.places import Places
from lens_widgets.analysis.norms import norm_hooks, norm_of_run
from lens_widgets.engine.gradients import Passed, Slopes
from lens_widgets.engine.measured import head_matrices
from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


class ReaderSlopes:
    """What a pass must record for them (``wanted``), and the slopes from what it recorded.

    ``groups``: readers that follow one another and have the same writers before them, each group
    with the number of those.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stream = session.stream
        graph = self.graph = session.stream.graph
        kinds = dict.fromkeys((reader.layer, reader.kind) for reader in graph.readers)
        n_before = graph.mask.sum(dim=0).tolist()
        starts = [i for i, n in enumerate(n_before) if i == 0 or n != n_before[i - 1]]
        ends = [*starts[1:], len(n_before)]
        self.groups = [
            (slice(start, end), n_before[start]) for start, end in zip(starts, ends, strict=True)
        ]
        inputs, watched = list[str](), list[str]()
        for layer, kind in kinds:
            if layer is None:
                continue
            inputs.append(self._stream.input_hook(layer, kind))
            if self._behind_norm(layer, kind):
                norm = f"blocks.{layer}.ln1"
                watched += [f"{norm}.hook_in", *norm_hooks(session, norm)]
        self._end = f"blocks.{graph.n_layers - 1}.hook_out"
        self.wanted = Slopes([self._end], inputs, list(dict.fromkeys(watched)))

    def _behind_norm(self, layer: int, kind: str) -> bool:
        """Whether the block's first norm stands between the stream and what is recorded."""
        if kind == "mlp":
            return self._stream.mlp_reads_normed(layer)
        return self._stream.has_norm(layer)

    def mean(
        self, found: Sequence[Passed], readers: slice, places: Places
    ) -> Float[Tensor, "place reader d_model"]:
        """The mean of one group's slopes over several passes."""
        first, *rest = found
        total = self.at(first, readers, places)
        for each in rest:
            total += self.at(each, readers, places)
        return total if not rest else total / len(found)

    def at(
        self, passed: Passed, readers: slice, places: Places
    ) -> Float[Tensor, "place reader d_model"]:
        """The slopes of one group at some places."""
        own = self.graph.readers[readers]
        kinds = dict.fromkeys((reader.layer, reader.kind) for reader in own)
        return torch.cat([self._of_kind(passed, *kind, places) for kind in kinds], dim=1)

    def _of_kind(
        self, passed: Passed, layer: int | None, kind: str, places: Places
    ) -> Float[Tensor, "place reader d_model"]:
        if layer is None:
            return places.at(passed.gradients[self._end])[:, None]
        gradient = places.at(passed.gradients[self._stream.input_hook(layer, kind)])
        if kind == "mlp":
            direction = gradient[:, None]
        else:
            weights = self._weights(layer, kind, gradient)
            direction = torch.einsum("nhd,hmd->nhm", gradient, weights)
        if not self._behind_norm(layer, kind):
            return direction
        name = f"blocks.{layer}.ln1"

        def read(hook: str) -> Tensor:
            return places.at(passed.activations[hook])

        norm = norm_of_run(self._session, name, self._session.model.blocks[layer].ln1, read)
        if norm is None:
            raise InputError(
                f"edge_scores: {name} of this model does not report what it does.",
                "Use edge_sweep, which is exact.",
            )
        if passed.held:
            return norm.at_each().back(direction)
        return norm.at_each().gradient(direction, read(f"{name}.hook_in")[:, None])

    def _weights(self, layer: int, kind: Any, gradient: Tensor) -> Float[Tensor, "head d_model d"]:
        weights = head_matrices(self._session.model, self._session.facts, layer, kind)
        d_model = self._session.model.cfg.d_model
        if weights is None or tuple(weights.shape) != (
            gradient.shape[1],
            d_model,
            gradient.shape[2],
        ):
            raise InputError(
                f"edge_scores: W_{kind.upper()} of layer {layer} cannot be split by heads in this "
                "model.",
                "Use edge_sweep, which is exact.",
            )
        return weights.float().to(gradient.device)
