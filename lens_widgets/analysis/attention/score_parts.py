"""Why a head attends: its scores by the upstream components that wrote its query and its key.

With the scale of the norm before attention held at the value the run had, queries and keys are
linear in the residual stream, and a score is a sum over pairs of writers (Elhage et al. 2021; the
decomposed attention scores of TransformerLens's induction demo).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.attention_scores import attention_scores
from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.analysis.weights.head_weights import parse_head
from lens_widgets.engine.components import Component
from lens_widgets.engine.current import one_call
from lens_widgets.engine.measured import head_matrices
from lens_widgets.engine.model import weights_of
from lens_widgets.engine.parts import HEADS, PATTERN, check_layer
from lens_widgets.engine.stream import output_weights
from lens_widgets.engine.transformer_lens_private import attention_scale
from lens_widgets.errors import InputError, check_choice
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

By = Literal["head", "layer"]
LARGEST = 1 << 26
"""Entries of a whole decomposition: 256 MB."""

TOLERANCES = {"float32": 5e-5, "float64": 5e-5}
"""How far sums may be off, of the largest value; of other dtypes 2e-2."""


@dataclass(frozen=True)
class ScoreParts:
    """One head on one prompt: what each source gives to queries and keys, positions applied.

    A pair of sources contributes ``scale * queries[i] @ keys[j].T``. ``masked`` [query, key] is
    True where the softmax does not look. ``capped``: the model bends the sum before its softmax.
    """

    sources: list[str]
    queries: Float[Tensor, "source pos d_head"]
    keys: Float[Tensor, "source pos d_head"]
    scale: float
    masked: Tensor
    capped: bool

    def pair(self, query_source: int, key_source: int) -> Float[Tensor, "query key"]:
        """The contribution of one pair at every position; NaN where masked."""
        part = self.scale * self.queries[query_source] @ self.keys[key_source].T
        return part.masked_fill(self.masked, float("nan"))

    def at(self, query: int, key: int) -> Float[Tensor, "query_source key_source"]:
        """The contributions of all pairs to one score."""
        return self.scale * self.queries[:, query] @ self.keys[:, key].T

    def mean(self) -> Float[Tensor, "query_source key_source"]:
        """The contributions of all pairs, mean over the positions that are not masked."""
        seen = (~self.masked).float()
        keys = torch.einsum("qk,jkd->jqd", seen / seen.sum(), self.keys)
        return self.scale * torch.einsum("iqd,jqd->ij", self.queries, keys)

    def all(self) -> Float[Tensor, "query_source key_source query key"]:
        """Everything at once."""
        parts = self.scale * torch.einsum("iqd,jkd->ijqk", self.queries, self.keys)
        return parts.masked_fill(self.masked, float("nan"))

    @property
    def total(self) -> Float[Tensor, "query key"]:
        """The scores that all pairs sum to; NaN where masked."""
        scores = self.scale * self.queries.sum(dim=0) @ self.keys.sum(dim=0).T
        return scores.masked_fill(self.masked, float("nan"))


@one_call()
def decompose_scores(
    session: Session, head: Component | str, *, prompt: int = 0, by: By = "head"
) -> xr.DataArray:
    """A head's attention scores on one prompt, by who wrote its query and who wrote its key.

    A score is a product of two sums, over what wrote the stream at the query and at the key. Under
    the session's interventions.

    Args:
        session: whose prompts and interventions.
        head: as in ``"L1H5"``.
        prompt: which prompt, from 0.
        by: earlier heads by themselves (``"head"``), or a layer's together (``"layer"``).

    Returns:
        Dims query_source, key_source, query_pos, key_pos, in units of the score; NaN where masked.
        The sum over both sources is the score before the softmax (before the cap, where the model
        caps scores). Sources: embed, pos_embed, earlier heads and MLPs, ``bias`` (all biases, of
        the norm and of queries and keys too), ``interventions`` where those edit the stream.

    Raises:
        InputError: what is no head of the model; a prompt out of range; scores that are no such sum
            (norms of queries and keys, ALiBi); an array that would pass 256 MB.

    Source:
        Q- and K-composition on text, Elhage et al., A Mathematical Framework for Transformer
        Circuits (2021).

    Examples:
        >>> parts = lw.analysis.decompose_scores(session, "L2H6")
        >>> scores = parts.sum(["query_source", "key_source"], skipna=False)
        >>> scores.dims
        ('query_pos', 'key_pos')
    """
    parts = score_parts(session, session.run(), head, prompt, by)
    n, length = len(parts.sources), parts.queries.shape[1]
    if n * n * length * length > LARGEST:
        raise InputError(
            f"decompose_scores: {n} x {n} sources at {length} x {length} positions are too many.",
            "Join heads with by='layer', or use a shorter prompt.",
        )
    texts = [f"{text} {pos}" for pos, text in enumerate(token_texts(session, prompt))]
    return xr.DataArray(
        parts.all().cpu().numpy(),
        dims=("query_source", "key_source", "query_pos", "key_pos"),
        coords={
            "query_source": parts.sources,
            "key_source": parts.sources,
            "query_pos": range(length),
            "key_pos": range(length),
            "query_token": ("query_pos", texts),
            "key_token": ("key_pos", texts),
        },
        attrs={
            "units": "score",
            "metric": session.metric.name,
            "definition": f"scaled attention scores of {Component.parse(head)}, prompt {prompt}, "
            "by the writers of query and key" + (", before the cap" if parts.capped else ""),
        },
    )


def score_parts(
    session: Session, run: Run, head: Component | str, prompt: int = 0, by: By = "head"
) -> ScoreParts:
    """The factors of ``decompose_scores``, whose size grows with the sources and not their
    square."""
    check_choice("by", by, ("head", "layer"))
    layer, index = parse_head(session.model, head)
    if not 0 <= prompt < session.prompt_set.n_prompts:
        raise InputError(
            f"prompt={prompt} is out of range; the session has {session.prompt_set.n_prompts}.",
            "Prompts count from 0.",
        )
    check_layer(session.facts, layer, f"head={str(head)!r}", PATTERN, "attn.hook_q", "attn.hook_k")
    session, prompt, run = session.around(prompt, run)
    names, written = _written(session, run, layer, prompt, by)
    attn = f"blocks.{layer}.attn."
    length = int(session.prompt_set.lengths[prompt])
    sides = []
    for side, weights in (("q", "W_Q"), ("k", "W_K")):
        parts = _projected(session, run, layer, index, prompt, written, weights)
        # Before rotary positions, which turn every part alike.
        actual = run.activation(f"{attn}hook_{side}")[prompt, :length].float()
        group = index * actual.shape[1] // session.facts.n_heads
        if not _close(session, parts.sum(dim=0), actual[:, group]):
            raise InputError(
                f"head={str(head)!r}: the {side} vectors of this model are not sums of what "
                "components wrote (a norm of queries and keys, for example).",
                "Look at mode='scores' in AttentionView instead.",
            )
        parts = _rotated(session, run, layer, prompt, parts)
        sides.append(parts)
    queries, keys = sides
    scores = attention_scores(session, run, prompt, layer)[index]
    masked = scores.isnan()
    raw = queries.sum(dim=0) @ keys.sum(dim=0).T
    scale, capped = _scale(session, raw[~masked], scores[~masked], head)
    return ScoreParts(names, queries, keys, scale, masked, capped)


def _written(
    session: Session, run: Run, layer: int, prompt: int, by: str
) -> tuple[list[str], Float[Tensor, "source pos d_model"]]:
    """What each source has written into the stream that enters a layer; the last is the bias."""
    length = int(session.prompt_set.lengths[prompt])

    def read(name: str) -> Float[Tensor, "pos d_model"]:
        return run.activation(name)[prompt, :length].float()

    stream = read(f"blocks.{layer}.hook_in")
    first = read("blocks.0.hook_in")
    named: dict[str, Tensor] = {}
    learned = torch.zeros_like(first)
    if session.facts.has_pos_embed:
        shape = session.tokens.shape
        learned = run.activation("hook_pos_embed").expand(*shape, -1)[prompt, :length].float()
    named["embed"] = first - learned
    if session.facts.has_pos_embed:
        named["pos_embed"] = learned
    bias = torch.zeros_like(first)
    for earlier in range(layer):
        for part, hook in session.facts.layers.writes(earlier).items():
            whole = read(hook)
            if part != "attn":
                named[f"L{earlier}.{part}"] = whole
                continue
            check_layer(session.facts, earlier, f"by={by!r}", HEADS)
            heads = dict(_head_outputs(session, run, earlier, prompt, length))
            total = torch.stack(list(heads.values())).sum(dim=0)
            named.update(heads if by == "head" else {f"L{earlier}.attn": total})
            bias = bias + whole - total
    rest = stream - torch.stack([*named.values(), bias]).sum(dim=0)
    if session.edits_stream:
        named["interventions"] = rest
    else:
        # Rounding alone, which belongs to nobody; or parts of the stream that nobody listed.
        if not _close(session, stream - rest, stream):
            raise InputError(
                f"The stream that enters layer {layer} of this model is not the sum of its "
                "embeddings and of what earlier heads and MLPs wrote.",
                "Look at mode='scores' in AttentionView instead.",
            )
        bias = bias + rest
    named["bias"] = bias
    return list(named), torch.stack(list(named.values()))


def _head_outputs(
    session: Session, run: Run, layer: int, prompt: int, length: int
) -> Iterator[tuple[str, Float[Tensor, "pos d_model"]]]:
    z = run.activation(f"blocks.{layer}.attn.hook_z")[prompt, :length].float()
    block = session.model.blocks[layer]
    weights = output_weights(session.model, session.facts, layer).to(z.device)
    weights = weights * attention_scale(block.attn)
    for head in range(session.facts.n_heads):
        name = f"L{layer}H{head}"
        written = z[:, head] @ weights[head]
        if f"blocks.{layer}.ln1_post.hook_scale" in session.facts.hooks:
            written = _through_norm(session, run, f"blocks.{layer}.ln1_post", block.ln1_post,
                                    written[None], prompt)[0]  # fmt: skip
        yield name, written


def _through_norm(
    session: Session, run: Run, name: str, norm: Any, parts: Tensor, prompt: int
) -> Float[Tensor, "source pos d_model"]:
    """Each part behind a norm whose scale is held as it was; the norm's bias left out."""
    hook = f"{name}.hook_scale"
    if hook not in session.facts.hooks:
        return parts
    if not norm.uses_rms_norm:
        parts = parts - parts.mean(dim=-1, keepdim=True)
    scale = run.activation(hook)[prompt, : parts.shape[1]].float()
    parts = parts / scale
    weight = weights_of(norm, "weight")
    if weight is not None:
        gain = weight.float().to(parts.device)
        parts = parts * (gain + 1.0 if norm.uses_weight_offset else gain)
    return parts


def _projected(
    session: Session, run: Run, layer: int, head: int, prompt: int, written: Tensor, weights: str
) -> Float[Tensor, "source pos d_head"]:
    """Queries or keys of one head, source by source, biases with the last."""
    block = session.model.blocks[layer]
    side: Any = weights[-1].lower()
    whole = head_matrices(session.model, session.facts, layer, side)
    if whole is None:
        raise InputError(
            f"head='L{layer}H{head}': the {weights} of layer {layer} cannot be split by heads.",
            "Look at mode='scores' in AttentionView instead.",
        )
    matrix = whole[head * len(whole) // session.facts.n_heads].float().to(written.device)
    norm = getattr(block, "ln1", None)
    parts = (
        written
        if norm is None
        else _through_norm(session, run, f"blocks.{layer}.ln1", norm, written, prompt)
    )
    parts = parts @ matrix
    shift = weights_of(norm, "bias")
    if shift is not None and f"blocks.{layer}.ln1.hook_scale" in session.facts.hooks:
        parts[-1] += shift.float().to(matrix.device) @ matrix
    bias = weights_of(block.attn, weights.replace("W", "b"))
    if bias is not None:
        bias = bias.float().to(matrix.device).reshape(-1, matrix.shape[1])
        parts[-1] += bias[head * bias.shape[0] // session.facts.n_heads]
    return parts


def _rotated(
    session: Session, run: Run, layer: int, prompt: int, parts: Tensor
) -> Float[Tensor, "source pos d_head"]:
    """Rotary positions, where the model hands them to its blocks, applied to each part."""
    given = run.trace.calls[layer].kwargs.get("position_embeddings") if run.trace.calls else None
    if not isinstance(given, tuple) or len(given) != 2:
        # None, or rotations in another form: then the scores show whether there are any.
        return parts
    n_prompts, length = len(session.tokens), parts.shape[1]
    tables = (table.to(parts.device).expand(n_prompts, -1, -1) for table in given)
    cos, sin = (table[prompt, :length].float() for table in tables)
    turned, rest = parts[..., : cos.shape[-1]], parts[..., cos.shape[-1] :]
    first, second = turned.chunk(2, dim=-1)
    return torch.cat([turned * cos + torch.cat([-second, first], dim=-1) * sin, rest], dim=-1)


def _scale(
    session: Session, raw: Tensor, scores: Tensor, head: Component | str
) -> tuple[float, bool]:
    """What queries times keys are multiplied by, and whether scores are capped afterwards."""
    cap = _score_cap(session)
    wanted = scores if cap is None else cap * torch.atanh((scores / cap).clamp(-0.999999, 0.999999))
    scale = float((raw * wanted).sum() / raw.square().sum().clamp(min=1e-30))
    # Where a cap is undone, rounding moves what is measured in the fifth digit.
    usual = (session.model.cfg.d_head**-0.5, 1.0)
    scale = next((plain for plain in usual if abs(scale - plain) <= 1e-4 * plain), scale)
    if not _close(session, scale * raw, wanted):
        raise InputError(
            f"head={str(head)!r}: the scores of this model are not queries times keys alone "
            "(ALiBi adds to them, for example).",
            "Look at mode='scores' in AttentionView instead.",
        )
    return scale, cap is not None


def _score_cap(session: Session) -> float | None:
    config = getattr(session.model.original_model, "config", None)
    cap = getattr(config, "attn_logit_softcapping", None)
    return None if cap is None else float(cap)


def _close(session: Session, got: Tensor, expected: Tensor) -> bool:
    size = expected.abs().max().clamp(min=1.0)
    return bool(((got - expected).abs() <= TOLERANCES.get(session.facts.dtype, 2e-2) * size).all())
