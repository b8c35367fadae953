"""Which token's value carried a head's direct effect: attention pattern times value, read out.

A head's output at a position is the sum over key positions of pattern times value (the circuits
view of Elhage et al., 2021), so its direct effect splits over the tokens it read from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.analysis.attribution.attribution import read_where
from lens_widgets.analysis.attribution.decomposition import (
    check_sum,
    decompose_heads,
    head_reads,
    interventions_of,
    kept,
)
from lens_widgets.analysis.attribution.readout import (
    Where,
    check_where,
    definition_of,
    readout_of,
)
from lens_widgets.analysis.labels import labelled
from lens_widgets.engine.components import Component
from lens_widgets.engine.parts import HEADS, check_layer
from lens_widgets.errors import InputError
from lens_widgets.interventions.ends import end_hooks
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


def attribution_by_source(
    session: Session, head: str | Component, *, pos: int | None = None, per_prompt: bool = True
) -> xr.DataArray:
    """A head's direct effect by the token whose value carried it.

    A head's output at a position is a sum over the tokens that it attends to; so is its effect on
    the metric's logits. Under the session's interventions.

    Args:
        session: whose prompts, answers and interventions.
        head: as in ``"L1H4"``.
        pos: read there instead of where the metric reads.
        per_prompt: False for means over prompts, which only make sense where positions mean the
            same in all of them.

    Returns:
        Dims prompt, key_pos, in logits, NaN past a prompt's end; without prompt, and with ``sem``,
        the standard error, for means. Each prompt's values sum to the head's entry of
        ``attribution(session, by="head", per_prompt=True)``; ``attrs["rest"]`` (0 without
        interventions on the head's output) is what no token carried. ``token`` names the tokens.

    Raises:
        InputError: what is no head of the model; ``pos`` out of range; heads that do not put out
            their pattern times their values.

    Source:
        The split of a head's output into values by source position, Elhage et al., A Mathematical
        Framework for Transformer Circuits (2021).

    Examples:
        >>> by_token = lw.analysis.attribution_by_source(session, "L1H4")
        >>> int(by_token.sel(prompt=0).argmax("key_pos"))
        10
    """
    part = Component.parse(head)
    facts = session.facts
    if part.kind != "head":
        raise InputError(f"head={str(part)!r} is not a head.", "Name one, as in 'L1H4'.")
    assert part.layer is not None
    assert part.head is not None
    if part.layer >= facts.n_layers or part.head >= facts.n_heads:
        raise InputError(
            f"head={str(part)!r}: this model has {facts.n_layers} layers of {facts.n_heads} heads.",
            f"The last is L{facts.n_layers - 1}H{facts.n_heads - 1}.",
        )
    check_layer(facts, part.layer, f"head={str(part)!r}", HEADS)
    where = read_where(pos)
    parts = decompose_heads(session, where=where)
    values = source_effects(session, part.layer, part.head, where=where)
    whole = parts.heads[:, part.layer, part.head]
    attrs = {
        "units": "logits",
        "metric": session.metric.name,
        "definition": f"direct effect of {part} on the "
        f"{definition_of(parts.readout.target, where)}, by the token whose value carried it",
        "total": float(whole.nanmean()),
        "rest": float((whole - values.nansum(dim=-1)).nanmean()),
    }
    coords: dict[str, Any] = {}
    if per_prompt:
        width = values.shape[1]
        texts = [token_texts(session, row) for row in range(len(values))]
        rows = [[f"{t} {i}" for i, t in enumerate(row)] for row in texts]
        padded = [row + [""] * (width - len(row)) for row in rows]
        coords["token"] = (("prompt", "key_pos"), padded)
    return labelled(values, ("key_pos",), coords, attrs, per_prompt, ragged=True)


def source_effects(
    session: Session, layer: int, head: int, run: Run | None = None, where: Where = "metric"
) -> Float[Tensor, "prompt key_pos"]:
    """The same as a tensor, NaN past a prompt's end and for prompts without the position read."""
    chosen = session.run() if run is None else run
    check_layer(session.facts, layer, f"head='L{layer}H{head}'", HEADS)
    check_sum(session)
    check_where(session, where)
    return session.by_parts(lambda some, own: _carried(some, own, layer, head, where), chosen)


def _carried(
    session: Session, chosen: Run, layer: int, head: int, where: Where
) -> Float[Tensor, "prompt key_pos"]:
    _check_linear(session, layer)
    readout = readout_of(session, chosen, where)
    reads = head_reads(session, chosen, readout, layer)[:, head]
    heard = _heard(session, chosen, where, layer, head)
    if heard is not None:
        reads = reads * heard[:, None]
    pattern = chosen.activation(f"blocks.{layer}.attn.hook_pattern")
    value = chosen.activation(f"blocks.{layer}.attn.hook_v")
    group = session.facts.n_heads // value.shape[2]
    n_prompts, n_pos = session.tokens.shape
    carried = torch.full((n_prompts, n_pos), float("nan"), device=reads.device)
    counts = torch.bincount(readout.rows, minlength=n_prompts).tolist()
    lengths = session.prompt_set.lengths.tolist()
    start = 0
    # Prompt by prompt: all at once would hold a value vector for each pair of positions.
    for row, count in enumerate(counts):
        places = slice(start, start + count)
        start += count
        if count == 0:
            continue
        length = lengths[row]
        read = reads[places] @ value[row, :length, head // group].float().T
        attended = pattern[row, head, readout.positions[places], :length].float()
        effects = readout.weight[places, None] * attended * read
        carried[row, :length] = effects.sum(dim=0)
    return carried


def _heard(session: Session, run: Run, where: Where, layer: int, head: int) -> Tensor | None:
    readout = readout_of(session, run, where)
    active = interventions_of(session, run)
    z = kept(session, active, readout, (f"blocks.{layer}.attn.hook_z",), head)
    whole = kept(session, active, readout, end_hooks(layer, "attn"))
    if z is None or whole is None:
        return whole if z is None else z
    return z & whole


def _check_linear(session: Session, layer: int) -> None:
    """InputError when a head's output is not its pattern times its values, as in gated attention.

    Looked at once for each layer, on the first prompt of the run without interventions.
    """
    run = session.run(())
    key = f"sources of layer {layer}"
    if key not in run.derived:
        run.derived[key] = _is_linear(session, run, layer)
    if not run.derived[key]:
        raise InputError(
            f"The heads of layer {layer} do not put out their attention pattern times their "
            "values in this model, so their effects have no source positions.",
            "Use attribution(session, by='head').",
        )


def _is_linear(session: Session, run: Run, layer: int) -> bool:
    names = [f"blocks.{layer}.attn.hook_{name}" for name in ("pattern", "v", "z")]
    if any(name not in session.facts.hooks for name in names):
        return False
    pattern, value, z = (run.activation(name)[:1].float() for name in names)
    if value.dim() != 4 or session.facts.n_heads % value.shape[2]:
        return False
    spread = value.repeat_interleave(session.facts.n_heads // value.shape[2], dim=2)
    expected = torch.einsum("phqk,pkhd->pqhd", pattern, spread)
    length = int(session.prompt_set.lengths[0])
    difference = (expected - z)[:, :length].abs().max()
    exact = session.facts.dtype in ("float32", "float64")
    return bool(difference <= (1e-4 if exact else 3e-2) * (1.0 + z[:, :length].abs().max()))
