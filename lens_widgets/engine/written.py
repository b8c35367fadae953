"""What writers wrote into the residual stream in one run, or are said to write instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.engine.stream import StreamParts


class Source(Protocol):
    """What writers are said to write."""

    def write(self, writers: Sequence[int]) -> Float[Tensor, "writer #prompt #pos #d_model"]:
        """The shares of some writers of one layer and kind."""


class Written:
    """What the writers of a graph write in one run.

    Args:
        stream: the model's parts.
        found: the activations that ``StreamParts.hooks_of`` names for these writers.
        silenced: by layer, where something else took the place of what attention writes, so that
            no head is heard.
    """

    def __init__(
        self,
        stream: StreamParts,
        found: Mapping[str, Tensor],
        silenced: Mapping[int, Bool[Tensor, "prompt pos"]] | None = None,
    ) -> None:
        self.stream = stream
        self.found = found
        self.silenced = silenced or {}

    def write(self, writers: Sequence[int]) -> Float[Tensor, "writer prompt pos d_model"]:
        graph = self.stream.graph
        parts = [graph.writers[number] for number in writers]
        if parts[0].layer is None:
            return self.found["blocks.0.hook_in"].float()[None]
        if parts[0].kind == "mlp":
            return self.found[parts[0].hook].float()[None]
        layer, heads = parts[0].layer, [part.head for part in parts if part.head is not None]
        return heard(self.stream.head_writes(layer, self.found, heads), self.silenced.get(layer))


@dataclass(frozen=True)
class MeanWritten:
    """The mean of what each writer writes over prompts and positions, of these the real ones."""

    written: Written
    real: Bool[Tensor, "prompt pos"] | None

    def write(self, writers: Sequence[int]) -> Float[Tensor, "writer 1 1 d_model"]:
        values = self.written.write(writers)
        chosen = values.flatten(1, 2) if self.real is None else values[:, self.real]
        return chosen.mean(dim=1)[:, None, None]


@dataclass(frozen=True)
class KnownWritten:
    """One vector for each of some writers, by number, at every position."""

    vectors: Mapping[int, Float[Tensor, "d_model"]]

    def write(self, writers: Sequence[int]) -> Float[Tensor, "writer 1 1 d_model"]:
        return torch.stack([self.vectors[number] for number in writers])[:, None, None]


class NothingWritten:
    """Nothing, whoever writes."""

    def write(self, writers: Sequence[int]) -> Float[Tensor, "writer 1 1 1"]:
        return torch.zeros(len(writers), 1, 1, 1, device="cpu")


def heard(
    written: Float[Tensor, "head prompt pos d_model"], silenced: Bool[Tensor, "prompt pos"] | None
) -> Tensor:
    """What heads write, nothing where they are silenced."""
    return written if silenced is None else written * ~silenced[..., None]
