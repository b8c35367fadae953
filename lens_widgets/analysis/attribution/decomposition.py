"""One run split into what each component wrote, read as the metric reads it: attribution's sums.

Source: "logit attribution" of Elhage et al., A Mathematical Framework for Transformer Circuits
(2021), as in TransformerLens's ``ActivationCache.logit_attrs``, with post-norms and output
transforms included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.analysis.attribution.readout import (
    Readout,
    Where,
    check_where,
    readout_of,
    target_logits,
    through_norm,
)
from lens_widgets.engine.model import weights_of
from lens_widgets.engine.parts import HEADS, layers_with
from lens_widgets.engine.stream import output_weights
from lens_widgets.engine.transformer_lens_private import attention_scale
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention
from lens_widgets.interventions.ends import end_hooks, replaced
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Effects = Float[Tensor, "prompt *pos"]
"""[prompt], or [prompt, pos] when read everywhere, NaN where nothing is read."""

_FINAL = "ln_final.hook_in"


class Decomposition:
    """Every part's direct effect in one run; the parts sum to ``total``.

    ``heads`` [*lead, layer, head], NaN in layers without, exclude the attention output biases,
    which are in ``attn_bias`` [*lead, layer]; ``attn`` [*lead, layer] is the whole attention layer.
    ``other`` is what some layers write beside attention and MLP, or in their place. ``edits`` is
    what interventions on the residual stream itself added. ``lead`` is prompt, or prompt and pos
    when read everywhere.
    """

    def __init__(self, session: Session, run: Run, where: Where = "metric") -> None:
        facts = session.facts
        check_sum(session)
        readout = self.readout = readout_of(session, run, where)
        active = interventions_of(session, run)
        layers = range(facts.n_layers)
        with_heads = head_layers(session)
        # Asked for together, so that each block is run once for all that is missing.
        every = [f"blocks.{layer}.hook_in" for layer in layers]
        every += [f"blocks.{layer}.attn.hook_z" for layer in with_heads]
        every += [hook for layer in layers for hook in facts.layers.writes(layer).values()]
        given = run.activations([*every, _FINAL])
        streams = [readout.at(given[f"blocks.{layer}.hook_in"]) for layer in layers]
        final = readout.at(given[_FINAL])
        writes: list[Tensor] = []
        heads, effects = [], []
        for layer in layers:
            hooks = facts.layers.writes(layer)
            found = {name: readout.at(given[hook]) for name, hook in hooks.items()}
            writes.append(sum(found.values(), torch.zeros_like(final)))
            effects.append({name: _effect(readout, written) for name, written in found.items()})
            if layer in with_heads:
                z = readout.at(given[f"blocks.{layer}.attn.hook_z"])
                heads.append(_heads(session, run, active, readout, layer, z))
        ends = [*streams[1:], final]
        edited = torch.zeros_like(final)
        for start, wrote, end in zip(streams, writes, ends, strict=True):
            edited = edited + (end - start - wrote)
        pos_embed = torch.zeros_like(final)
        if facts.has_pos_embed:
            places = session.tokens.shape
            pos_embed = readout.at(run.activation("hook_pos_embed").expand(*places, -1))
        nothing = _effect(readout, torch.zeros_like(final))
        shape = (*nothing.shape, facts.n_layers, facts.n_heads)
        self.heads: Float[Tensor, "*lead layer head"] = torch.full(
            shape, float("nan"), device=nothing.device
        )
        for layer, effect in zip(with_heads, heads, strict=True):
            self.heads[..., layer, :] = effect
        self.attn: Float[Tensor, "*lead layer"] = torch.stack(
            [each.get("attn", nothing) for each in effects], dim=-1
        )
        self.mlp: Float[Tensor, "*lead layer"] = torch.stack(
            [each.get("mlp", nothing) for each in effects], dim=-1
        )
        self.other: dict[int, Effects] = {
            layer: effects[layer][name] for layer, name in facts.layers.other.items()
        }
        self.attn_bias = torch.zeros_like(self.attn)
        for layer in with_heads:
            self.attn_bias[..., layer] = self.attn[..., layer] - self.heads[..., layer, :].sum(-1)
        self.pos_embed: Effects = _effect(readout, pos_embed)
        self.embed: Effects = _effect(readout, streams[0] - pos_embed)
        self.bias: Effects = readout.collect(readout.bias)
        self.edits: Effects = _effect(readout, edited)
        if session.edits_stream:
            # What interventions do past the final norm is theirs as well.
            logits = readout.collect(target_logits(readout, readout.at(run.logits)))
            self.edits = self.edits + logits - self.total

    @classmethod
    def joined(cls, parts: Sequence[Decomposition]) -> Decomposition:
        """Those of some prompts after those of others."""
        whole: Decomposition = cls.__new__(cls)
        for name, value in vars(parts[0]).items():
            every = [getattr(part, name) for part in parts]
            if isinstance(value, Readout):
                made: Any = Readout.joined(every)
            elif isinstance(value, dict):
                made = {key: torch.cat([each[key] for each in every]) for key in value}
            else:
                made = torch.cat(every)
            setattr(whole, name, made)
        return whole

    @property
    def layers(self) -> Float[Tensor, "*lead layer"]:
        """All that a layer writes."""
        whole = self.attn + self.mlp
        for layer, effect in self.other.items():
            whole[..., layer] += effect
        return whole

    @property
    def total(self) -> Effects:
        """What all parts sum to: the target's logits."""
        parts = [self.embed, self.pos_embed, self.bias, self.edits]
        return sum(parts, start=self.layers.sum(dim=-1))


def decompose(session: Session, run: Run | None = None, where: Where = "metric") -> Decomposition:
    """All direct effects of ``run`` (the session's current one by default)."""
    chosen = session.run() if run is None else run
    key = _key(where)
    if key not in chosen.derived:
        check_where(session, where)
        chosen.derived[key] = session.by_parts(
            lambda some, own: Decomposition(some, own, where), chosen
        )
    parts: Decomposition = chosen.derived[key]
    return parts


def _key(where: Where) -> str:
    return f"decomposition {where}"


def decompose_heads(
    session: Session, run: Run | None = None, where: Where = "metric"
) -> Decomposition:
    """The same for its heads; InputError where they do not add up to their attention layer.

    Attention can be gated or mixed after its heads, so that z times W_O is not what it writes.
    """
    chosen, clean = session.run() if run is None else run, session.run(())
    key = f"heads add up {where}"
    if key not in clean.derived:

        def checked(some: Session, own: Run, own_clean: Run) -> Decomposition:
            _check_heads(some, decompose(some, own_clean, where))
            return decompose(some, own, where)

        # In one go: prompts that are run in parts hold what was read of them only so long.
        chosen.derived[_key(where)] = session.by_parts(checked, chosen, clean)
        clean.derived[key] = True
    return decompose(session, chosen, where)


def _check_heads(session: Session, clean: Decomposition) -> None:
    """InputError where the heads of the run without interventions do not add up to a layer."""
    exact = session.facts.dtype in ("float32", "float64")
    for layer in head_layers(session):
        heads, bias = clean.heads[..., layer, :], clean.attn_bias[..., layer]
        expected = _bias_effect(session, session.run(()), clean.readout, layer)
        size = 1.0 + clean.attn[..., layer].abs() + heads.abs().sum(dim=-1) + expected.abs()
        off = (bias - expected).abs() / size
        if not bool(off.nan_to_num().max() <= (1e-3 if exact else 1e-1)):
            raise InputError(
                f"The heads of layer {layer} do not add up to what its attention writes in this "
                "model, so they have no direct effects by themselves.",
                "Use by='component', or ablate the heads.",
            )


def head_layers(session: Session) -> tuple[int, ...]:
    """The layers whose attention can be split into heads."""
    attention = session.facts.layers.attention
    return tuple(layer for layer in layers_with(session.facts, HEADS) if layer in attention)


def _bias_effect(session: Session, run: Run, readout: Readout, layer: int) -> Effects:
    """The direct effect of the bias that a layer adds to the outputs of its heads."""
    block = session.model.blocks[layer]
    bias = weights_of(block.attn, "b_O")
    direction = _behind_attention(session, run, readout, layer)
    if bias is None:
        return readout.collect(torch.zeros_like(direction[:, 0]))
    added = bias.float().to(direction.device)
    return readout.collect(attention_scale(block.attn) * direction @ added)


def components(session: Session, parts: Decomposition) -> tuple[list[str], list[Effects]]:
    """Names and effects of the coarse decomposition, in the model's order."""
    facts = session.facts
    named: dict[str, Effects] = {"embed": parts.embed}
    if facts.has_pos_embed:
        named["pos_embed"] = parts.pos_embed
    for layer in range(facts.n_layers):
        if layer in facts.layers.attention:
            named[f"L{layer}.attn"] = parts.attn[..., layer]
        if layer in facts.mlp_layers:
            named[f"L{layer}.mlp"] = parts.mlp[..., layer]
        if layer in parts.other:
            named[f"L{layer}.{facts.layers.other[layer]}"] = parts.other[layer]
    named["bias"] = parts.bias
    if session.edits_stream:
        named["interventions"] = parts.edits
    return list(named), list(named.values())


def interventions_of(session: Session, run: Run) -> tuple[Intervention, ...]:
    """What acted in a run: the session's interventions, or none in the run without them."""
    return () if run is session.run(()) else session.interventions.active


def kept(
    session: Session,
    active: tuple[Intervention, ...],
    readout: Readout,
    hooks: tuple[str, ...],
    head: int | None = None,
) -> Bool[Tensor, "n"] | None:
    """False at the places read where something is ``replaced``; None for nowhere."""
    gone = replaced(session.prompt_set, active, hooks, head)
    return None if gone is None else ~gone[readout.rows, readout.positions]


def head_reads(
    session: Session, run: Run, readout: Readout, layer: int
) -> Float[Tensor, "n head d_head"]:
    """What a head's output z is multiplied with to give its direct effect: W_O, any norm after the
    attention layer and the readout, in one vector for each place and head."""
    scale = attention_scale(session.model.blocks[layer].attn)
    direction = _behind_attention(session, run, readout, layer)
    weights = output_weights(session.model, session.facts, layer).to(direction.device)
    return scale * torch.einsum("hdm,nm->nhd", weights, direction)


def _behind_attention(
    session: Session, run: Run, readout: Readout, layer: int
) -> Float[Tensor, "n d_model"]:
    """What an attention layer's output is multiplied with, before any norm of its own."""
    norm = getattr(session.model.blocks[layer], "ln1_post", None)
    return through_norm(session, run, readout, f"blocks.{layer}.ln1_post", norm, readout.direction)


def check_sum(session: Session) -> None:
    """InputError for a model whose logits are no sum of what its parts write."""
    if session.facts.no_sum:
        raise InputError(
            f"Direct effects would not add up to the logits in this model: {session.facts.no_sum}.",
            "Ablate or patch instead: those are exact in every model.",
        )


def _effect(readout: Readout, written: Float[Tensor, "n d_model"]) -> Effects:
    return readout.collect((written * readout.direction).sum(dim=-1))


def _heads(
    session: Session,
    run: Run,
    active: tuple[Intervention, ...],
    readout: Readout,
    layer: int,
    z: Float[Tensor, "n head d_head"],
) -> Tensor:
    """Direct effects of a layer's heads [*lead, head], never forming their outputs."""
    effects = (z * head_reads(session, run, readout, layer)).sum(dim=-1)
    heard = kept(session, active, readout, end_hooks(layer, "attn"))
    if heard is not None:
        effects = effects * heard[:, None]
    return readout.collect(effects)
