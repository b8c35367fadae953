"""Decomposed attention scores as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from textwrap import dedent, indent
from typing import TYPE_CHECKING

from torch import Tensor

from lens_widgets.analysis.attention.attention_script import score_lines
from lens_widgets.analysis.attention.score_parts import By, score_parts
from lens_widgets.analysis.script_parts import WHICH, Which, begin, check_prompt, norm_code
from lens_widgets.analysis.weights.head_weights import parse_head
from lens_widgets.engine.transformer_lens_private import attention_scale
from lens_widgets.errors import InputError, check_choice
from lens_widgets.interventions.code import mask_argument

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_CODE = '''

layer, head = {layer}, {head}
sources = {sources}  # the writers of what the head reads
names = {names}


@torch.no_grad()
def decomposed(fwd_hooks):
    """Scores of L{layer}H{head} on prompt {prompt} by the writers of query and key {where},
    [query source, key source], and their sum at every position, [query, key]."""
{watch}    with model.hooks(fwd_hooks=fwd_hooks){watched}:
        _, cache = model.run_with_cache(tokens, names_filter=names{mask})

    def read(name):  # [pos, ...]
        return cache[name][{prompt}, :{length}].float()

    # What each source wrote into the stream that enters the layer.
    written = {{"embed": read("blocks.0.hook_in")}}
{pos_embed}    bias = torch.zeros_like(written["embed"])
    for earlier in range(layer):
        z, W_O = read(f"blocks.{{earlier}}.attn.hook_z"), model.blocks[earlier].attn.W_O.float()
        heads = {scale_out}torch.einsum("phd,hdm->hpm", z, W_O)
{post}        bias = bias + read(f"blocks.{{earlier}}.hook_attn_out") - heads.sum(dim=0)
{joined}
{mlp}    rest = read(f"blocks.{{layer}}.hook_in") - bias - sum(written.values())
{rest}
    assert list(written) == sources

    # Through the norm before attention, its scale held as it was, and the head's matrices.
    stream = torch.stack([written[source] for source in sources])
{norm}    attn, sides = model.blocks[layer].attn, []
    for weight, own_bias in (("W_Q", {b_q}), ("W_K", {b_k})):
        whole = getattr(attn, weight).float()
        group = head * len(whole) // model.cfg.n_heads  # several heads can share keys
        side = stream @ whole[group]
{added}        sides.append(side)
    queries, keys = sides
{rotated}
    # What the softmax does not look at.
    pattern = cache[f"blocks.{{layer}}.attn.hook_pattern"]
    pattern = pattern[{prompt}, :, :{length}, :{length}].float()
{masked}
    masked = scores[head].isnan()

    scale = {scale}
    total = scale * queries.sum(dim=0) @ keys.sum(dim=0).T
{parts}
    return parts, total.masked_fill(masked, torch.nan)


{call}'''

_WATCH = """    given = {}
    watch = model.blocks[layer].register_forward_pre_hook(
        lambda block, args, kwargs: given.update(kwargs), with_kwargs=True
    )
"""

_ROTATED = """
    # Rotary positions turn every part alike.
    cos, sin = (
        table.expand(len(tokens), -1, -1)[PROMPT, :LENGTH].float()
        for table in given["position_embeddings"]
    )

    def turned(x):
        first, second = x[..., : cos.shape[-1]].chunk(2, dim=-1)
        whole = torch.cat([first, second], dim=-1) * cos + torch.cat([-second, first], dim=-1) * sin
        return torch.cat([whole, x[..., cos.shape[-1] :]], dim=-1)

    queries, keys = turned(queries), turned(keys)
"""

_MEAN = """    seen = (~masked).float()
    mean_keys = torch.einsum("qk,jkd->jqd", seen / seen.sum(), keys)
    parts = scale * torch.einsum("iqd,jqd->ij", queries, mean_keys)"""

_POS_EMBED = """    written["pos_embed"] = cache["hook_pos_embed"].expand(*tokens.shape, -1)[
        PROMPT, :LENGTH
    ].float()
    written["embed"] = written["embed"] - written["pos_embed"]
"""


def score_parts_script(
    session: Session,
    head: str,
    which: Which = "current",
    *,
    prompt: int = 0,
    by: By = "head",
    at: tuple[int, int] | None = None,
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves the names of the
    ``sources``, ``parts`` [query_source, key_source] and the ``scores`` [query, key] that they sum
    to, NaN where masked.

    ``parts`` are those ``at`` one (query, key), or the mean over all pairs of positions that are
    not masked. The numbers of ``decompose_scores(session, head, prompt=prompt, by=by)``, which
    raises InputError for the same models.
    """
    check_choice("which", which, WHICH)
    check_prompt(session, prompt)
    length = int(session.prompt_set.lengths[prompt])
    if at is not None and not all(0 <= pos < length for pos in at):
        raise InputError(f"at={at} is out of range.", f"Positions run from 0 to {length - 1}.")
    found = score_parts(session, session.run(() if which == "baseline" else None), head, prompt, by)
    layer, index = parse_head(session.model, head)
    _check_written_out(session, layer)
    score_names, masked = score_lines(session, [layer])
    attn = session.model.blocks[layer].attn
    b_q, b_k = (isinstance(getattr(attn, name, None), Tensor) for name in ("b_Q", "b_K"))
    where = "mean over positions" if at is None else f"at query {at[0]} and key {at[1]}"
    norm, shift = _norm(session, layer)
    rotates = _rotates(session, layer)
    code = _CODE.format(
        layer=layer,
        head=index,
        sources=found.sources,
        names=_names(session, layer, score_names),
        prompt=prompt,
        where=where,
        mask=mask_argument(session),
        length=length,
        pos_embed=_POS_EMBED if session.facts.has_pos_embed else "",
        scale_out=_scaled(session),
        post=_post(session),
        joined=_joined(by),
        mlp=_mlps(session),
        rest=_rest(session),
        norm=norm,
        b_q='"b_Q"' if b_q else None,
        b_k='"b_K"' if b_k else None,
        added=shift + (_BIAS if b_q or b_k else ""),
        watch=_WATCH if rotates else "",
        watched=", watch" if rotates else "",
        rotated=_ROTATED if rotates else "",
        masked=indent(dedent(masked), "    "),
        scale=repr(found.scale),
        parts=_MEAN if at is None else _at(*at),
        call=_call(which),
    )
    code = code.replace("PROMPT", str(prompt)).replace("LENGTH", str(length))
    return begin(session, ["sources", "parts", "scores"], which) + code


def _check_written_out(session: Session, layer: int) -> None:
    """InputError where earlier layers write other things than heads and MLPs."""
    layers = session.facts.layers
    if any(la in layers.other or la not in layers.attention for la in range(layer)):
        raise InputError(
            f"The scores of layer {layer} are not written out as code: layers before it write "
            "other things than heads and MLPs.",
            "lw.analysis.decompose_scores(session, head) gives the same numbers.",
        )


_BIAS = """        if own_bias:
            side[-1] += getattr(attn, own_bias).float().reshape(-1, side.shape[-1])[group]
"""


def _names(session: Session, layer: int, score_names: tuple[str, ...]) -> list[str]:
    names = ["blocks.0.hook_in", "hook_pos_embed", f"blocks.{layer}.hook_in"]
    names += [f"blocks.{layer}.ln1.hook_scale"]
    names += [f"blocks.{layer}.attn.{name}" for name in score_names]
    for earlier in range(layer):
        parts = ("attn.hook_z", "hook_attn_out", "hook_mlp_out", "ln1_post.hook_scale")
        names += [f"blocks.{earlier}.{part}" for part in parts]
    return [name for name in dict.fromkeys(names) if name in session.facts.hooks]


def _scaled(session: Session) -> str:
    scale = attention_scale(session.model.blocks[0].attn)
    return "" if scale == 1.0 else f"{scale!r} * "


def _post(session: Session) -> str:
    """Lines that lead heads through a norm after the attention layer."""
    module = getattr(session.model.blocks[0], "ln1_post", None)
    norm = norm_code(session, "blocks.0.ln1_post", module, "model.blocks[earlier].ln1_post")
    if norm is None:
        return ""
    whole = "(heads - heads.mean(dim=-1, keepdim=True))" if norm.centred else "heads"
    gain = f" * {norm.gain}" if norm.gain else ""
    scale = 'read(f"blocks.{earlier}.ln1_post.hook_scale")'
    return f"        heads = {whole} / {scale}{gain}\n"


def _joined(by: By) -> str:
    if by == "layer":
        return '        written[f"L{earlier}.attn"] = heads.sum(dim=0)'
    return '        written |= {f"L{earlier}H{i}": wrote for i, wrote in enumerate(heads)}'


def _mlps(session: Session) -> str:
    layers = list(session.facts.mlp_layers)
    if not layers:
        return ""
    line = 'written[f"L{earlier}.mlp"] = read(f"blocks.{earlier}.hook_mlp_out")'
    return f"        if earlier in {layers}:\n            {line}\n"


def _rest(session: Session) -> str:
    if session.edits_stream:
        return '    written["interventions"], written["bias"] = rest, bias'
    return '    written["bias"] = bias + rest  # rounding alone'


def _norm(session: Session, layer: int) -> tuple[str, str]:
    """Lines that lead the stream through the norm, and one that gives its bias to the last."""
    module = getattr(session.model.blocks[layer], "ln1", None)
    norm = norm_code(session, f"blocks.{layer}.ln1", module, "model.blocks[layer].ln1")
    if norm is None:
        return "", ""
    whole = "(stream - stream.mean(dim=-1, keepdim=True))" if norm.centred else "stream"
    gain = f" * {norm.gain}" if norm.gain else ""
    lines = f'    stream = {whole} / read("{norm.scale}"){gain}\n'
    return lines, f"        side[-1] += {norm.bias} @ whole[group]\n" if norm.bias else ""


def _rotates(session: Session, layer: int) -> bool:
    """Whether the model hands rotary positions to its blocks."""
    _, _, clean = session.around(0, session.run(()))
    calls = clean.trace.calls
    return bool(calls) and calls[layer].kwargs.get("position_embeddings") is not None


def _at(query: int, key: int) -> str:
    return f"    parts = scale * queries[:, {query}] @ keys[:, {key}].T"


def _call(which: Which) -> str:
    if which != "difference":
        return "parts, scores = decomposed(fwd_hooks)\n"
    return """(parts, scores), before = decomposed(fwd_hooks), decomposed([])
parts, scores = parts - before[0], scores - before[1]
"""
