"""What each writer of the stream adds to it in a run, as it reaches the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.attribution.decomposition import end_hooks, output_weights, replaced
from lens_widgets.analysis.norms import norm_of_run
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.engine.transformer_lens_private import attention_scale
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


@dataclass(frozen=True)
class Places:
    """Positions of prompts: each is one entry of ``rows`` and of ``positions``."""

    rows: Int[Tensor, "place"]
    positions: Int[Tensor, "place"]

    @classmethod
    def of(cls, session: Session) -> Places:
        """All that the prompts have, without padding."""
        lengths = session.prompt_set.lengths
        every = torch.arange(session.tokens.shape[1], device=lengths.device)
        rows, positions = torch.nonzero(every[None] < lengths[:, None], as_tuple=True)
        return cls(rows, positions)

    def split(self, size: int) -> list[Places]:
        """The same in pieces of no more than ``size``."""
        pairs = zip(self.rows.split(size), self.positions.split(size), strict=True)
        return [Places(rows, positions) for rows, positions in pairs]

    def last(self, size: int) -> Places:
        """The last of them."""
        return Places(self.rows[-size:], self.positions[-size:])

    def at(self, activation: Tensor) -> Float[Tensor, "place *rest"]:
        """An activation [prompt, pos, ...] at these places, in float32."""
        return activation[self.rows, self.positions].float()


def written(
    session: Session, run: Run, graph: StreamGraph, places: Places
) -> Float[Tensor, "place writer d_model"]:
    """What every writer adds to the residual stream.

    A head's share is what reaches the stream: behind a norm after attention at the scale that this
    run has there, and nothing where an intervention put something in the attention layer's place.
    Biases are nobody's.
    """
    embed = places.at(run.activation("blocks.0.hook_in"))
    shape = (len(places.rows), len(graph.writers), embed.shape[-1])
    out = torch.empty(shape, device=embed.device)
    for number, writer in enumerate(graph.writers):
        if writer.layer is None:
            out[:, number] = embed
        elif writer.kind == "mlp":
            hook = session.facts.layers.writes(writer.layer)["mlp"]
            out[:, number] = places.at(run.activation(hook))
        elif writer.head == 0:
            shares = _heads(session, run, writer.layer, places)
            out[:, number : number + shares.shape[1]] = shares
    return out


def _heads(
    session: Session, run: Run, layer: int, places: Places
) -> Float[Tensor, "place head d_model"]:
    block = session.model.blocks[layer]
    z = places.at(run.activation(f"blocks.{layer}.attn.hook_z"))
    weights = output_weights(session, layer) * attention_scale(block.attn)
    shares = torch.einsum("nhd,hdm->nhm", z, weights)
    name = f"blocks.{layer}.ln1_post"
    norm = norm_of_run(
        session,
        name,
        getattr(block, "ln1_post", None),
        lambda hook: places.at(run.activation(hook)),
    )
    if norm is not None:
        shares = norm.at_each().shares(shares)
    gone = replaced(session, session.interventions.active, end_hooks(layer, "attn"))
    if gone is not None:
        shares = shares.masked_fill(gone[places.rows, places.positions][:, None, None], 0.0)
    return shares
