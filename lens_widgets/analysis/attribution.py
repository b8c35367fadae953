"""Direct attribution: how much each component's output moves the metric's logits by itself.

Source: "logit attribution" of Elhage et al., A Mathematical Framework for Transformer Circuits
(2021), as in TransformerLens's ``ActivationCache.logit_attrs``, with post-norms and output
transforms included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.labels import labelled
from lens_widgets.analysis.readout import (
    DEFINITIONS,
    Readout,
    make_readout,
    target_logits,
    through_norm,
)
from lens_widgets.errors import check_choice
from lens_widgets.run import Run

if TYPE_CHECKING:
    from lens_widgets.session import Session

By = Literal["head", "layer", "component"]

PerPrompt = Float[Tensor, "prompt"]


class Decomposition:
    """Every part's direct effect in one run, per prompt; the parts sum to ``total``.

    ``heads`` [prompt, layer, head] exclude the attention output biases, which are in
    ``attn_bias`` [prompt, layer]; ``attn`` [prompt, layer] is the whole attention layer. ``edits``
    is what interventions on the residual stream itself added.
    """

    def __init__(self, session: Session, run: Run) -> None:
        facts = session.facts
        readout = make_readout(session, run)
        self.readout = readout
        layers = range(facts.n_layers)
        streams = [readout.at(run.activation(f"blocks.{layer}.hook_in")) for layer in layers]
        final = readout.at(run.activation(_FINAL))
        writes: list[Tensor] = []
        heads, attn, mlp = [], [], []
        for layer in layers:
            attn_out = readout.at(run.activation(f"blocks.{layer}.hook_attn_out"))
            mlp_out = torch.zeros_like(attn_out)
            if layer in facts.mlp_layers:
                mlp_out = readout.at(run.activation(f"blocks.{layer}.hook_mlp_out"))
            writes.append(attn_out + mlp_out)
            attn.append(_effect(readout, attn_out))
            mlp.append(_effect(readout, mlp_out))
            heads.append(_heads(session, run, readout, layer))
        ends = [*streams[1:], final]
        edited = torch.zeros_like(final)
        for start, wrote, end in zip(streams, writes, ends, strict=True):
            edited = edited + (end - start - wrote)
        pos_embed = torch.zeros_like(final)
        if facts.has_pos_embed:
            pos_embed = readout.at(run.activation("hook_pos_embed").expand(*_batch(session), -1))
        self.heads: Float[Tensor, "prompt layer head"] = torch.stack(heads, dim=1)
        self.attn: Float[Tensor, "prompt layer"] = torch.stack(attn, dim=1)
        self.mlp: Float[Tensor, "prompt layer"] = torch.stack(mlp, dim=1)
        self.attn_bias = self.attn - self.heads.sum(dim=-1)
        self.pos_embed: PerPrompt = _effect(readout, pos_embed)
        self.embed: PerPrompt = _effect(readout, streams[0] - pos_embed)
        self.bias: PerPrompt = readout.per_prompt(readout.bias)
        self.edits: PerPrompt = _effect(readout, edited)
        if session.edits_stream:
            # What interventions do past the final norm is theirs as well.
            logits = readout.per_prompt(target_logits(session, readout, readout.at(run.logits)))
            self.edits = self.edits + logits - self.total

    @property
    def total(self) -> PerPrompt:
        """What all parts sum to: the target's logits."""
        parts = [self.embed, self.pos_embed, self.bias, self.edits]
        return sum(parts, start=self.attn.sum(dim=1) + self.mlp.sum(dim=1))


_FINAL = "ln_final.hook_in"


def _batch(session: Session) -> tuple[int, int]:
    return int(session.tokens.shape[0]), int(session.tokens.shape[1])


def _effect(readout: Readout, written: Float[Tensor, "n d_model"]) -> PerPrompt:
    return readout.per_prompt((written * readout.direction).sum(dim=-1))


def _heads(session: Session, run: Run, readout: Readout, layer: int) -> Tensor:
    """Direct effects of a layer's heads [prompt, head], never forming their outputs."""
    block = session.model.blocks[layer]
    direction = readout.direction
    name = f"blocks.{layer}.ln1_post"
    if f"{name}.hook_scale" in session.facts.hooks:
        direction = through_norm(session, run, readout, name, block.ln1_post, direction)
    scale = float(getattr(block.attn, "_result_contribution_scale", 1.0))
    z = readout.at(run.activation(f"blocks.{layer}.attn.hook_z"))
    output = block.attn.W_O.detach().float()
    read = torch.einsum("hdm,nm->nhd", output, direction)
    return readout.per_prompt(scale * (z * read).sum(dim=-1))


def decompose(session: Session, run: Run | None = None) -> Decomposition:
    """All direct effects of ``run`` (the session's current one by default)."""
    chosen = session.run() if run is None else run
    if "decomposition" not in chosen.derived:
        chosen.derived["decomposition"] = Decomposition(session, chosen)
    parts: Decomposition = chosen.derived["decomposition"]
    return parts


def attribution(session: Session, by: By = "head", *, per_prompt: bool = False) -> xr.DataArray:
    """Direct effects on the metric's logits under the session's interventions, in logits.

    ``by="head"``: dims layer, head; ``attrs["rest"]`` is what all else adds. ``by="layer"``: dim
    ``layer``, attention and MLP together, ``attrs["rest"]`` again. ``by="component"``: dim
    ``component`` (embed, pos_embed, L0.attn, L0.mlp, ..., bias), which sums to ``attrs["total"]``:
    the metric's logit difference. Means over prompts, or with ``per_prompt`` a leading prompt dim.
    """
    check_choice("by", by, ("head", "layer", "component"))
    parts = decompose(session)
    attrs = {
        "units": "logits",
        "metric": session.metric.name,
        "definition": f"direct effect on the {DEFINITIONS[parts.readout.target]}",
        "total": float(parts.total.mean()),
    }
    if by == "component":
        names, values = components(session, parts)
        stacked = torch.stack(values, dim=-1)
        return labelled(stacked, ("component",), {"component": names}, attrs, per_prompt)
    values_by = parts.heads if by == "head" else parts.attn + parts.mlp
    kept = values_by.flatten(1).sum(dim=1)
    attrs["rest"] = float((parts.total - kept).mean())
    dims = ("layer", "head") if by == "head" else ("layer",)
    return labelled(values_by, dims, {}, attrs, per_prompt)


def components(session: Session, parts: Decomposition) -> tuple[list[str], list[PerPrompt]]:
    """Names and effects [prompt] of the coarse decomposition, in the model's order."""
    facts = session.facts
    named: dict[str, PerPrompt] = {"embed": parts.embed}
    if facts.has_pos_embed:
        named["pos_embed"] = parts.pos_embed
    for layer in range(facts.n_layers):
        named[f"L{layer}.attn"] = parts.attn[:, layer]
        if layer in facts.mlp_layers:
            named[f"L{layer}.mlp"] = parts.mlp[:, layer]
    named["bias"] = parts.bias
    if session.edits_stream:
        named["interventions"] = parts.edits
    return list(named), list(named.values())
