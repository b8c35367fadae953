"""Direct attribution written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lens_widgets.analysis.attribution.attribution import read_where
from lens_widgets.analysis.attribution.decomposition import (
    check_sum,
    head_layers,
)
from lens_widgets.analysis.attribution.readout import (
    Target,
    Where,
    attribution_target,
    check_where,
    definition_of,
    is_difference,
    is_identity,
    read_places,
)
from lens_widgets.analysis.script_parts import WHICH, Which, begin, check_prompt, norm_code
from lens_widgets.engine.transformer_lens_private import attention_scale, logits_transform
from lens_widgets.errors import InputError, check_choice
from lens_widgets.interventions.code import mask_argument
from lens_widgets.interventions.ends import end_hooks, replaced
from lens_widgets.session.metric_code import answer_lines

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

By = Literal["head", "layer", "component"]
BY = ("head", "layer", "component")

_CODE = '''

names = {names}


@torch.no_grad()
def direct_effects(fwd_hooks):
    """Direct effects by {by}, and the logits that they are part of: {of}.

    Read is the {definition}.
    """
    with model.hooks(fwd_hooks=fwd_hooks):
        logits, cache = model.run_with_cache(tokens, names_filter=names{mask})

    def at(activation):  # [prompt, pos, ...] -> [place, ...]
        return activation[rows, positions].float()

    def of_prompts(values):  # [place, ...] -> [prompt, ...]: the mean over a prompt's places
        total = values.new_zeros(len(tokens), *values.shape[1:]).index_add_(0, rows, values)
        count = torch.bincount(rows, minlength=len(tokens))
        return (total.movedim(0, -1) / count).movedim(-1, 0)  # NaN where nothing is read

    def target(logits):  # [place, d_vocab] -> [place]
        return {target}

    # What the final residual stream is multiplied with to give the target's logits.
    W_U = model.W_U.float()
    direction = ({direction}).T
{readout}
{parts}
    whole = target(at(logits))
    effects = torch.stack(parts, dim=1)
    return {picked}


{call}'''

_HEADS = """    parts = []
    for layer in range({n_layers}):
        z = at(cache[f"blocks.{{layer}}.attn.hook_z"]){heard}
        read = direction
{post}        W_O = {scale}model.blocks[layer].attn.W_O.float()
        parts.append((z * torch.einsum("hdm,nm->nhd", W_O, read)).sum(dim=-1))"""

_HEARD = """
        if fwd_hooks and layer in replaced:  # by an intervention on the whole layer's output
            z = z * (1.0 - at(replaced[layer]))[:, None, None]"""

_LAYERS = """
    def effect(written):  # [place, d_model] -> [place]
        return (written * direction).sum(dim=-1)

    parts = []
    for layer in range({n_layers}):
        parts.append(effect(at(cache[f"blocks.{{layer}}.hook_attn_out"])))
{mlp}"""

_MLP = """        if layer in {mlp_layers}:
            parts[-1] += effect(at(cache[f"blocks.{{layer}}.hook_mlp_out"]))"""

_COMPONENTS = """
    def effect(written):  # [place, d_model] -> [place]
        return (written * direction).sum(dim=-1)

{embed}
    for name in components[len(parts) : {n_written}]:
        layer, part = name[1:].split(".")
        parts.append(effect(at(cache[f"blocks.{{layer}}.hook_{{part}}_out"])))
    parts.append(offset)"""

_EMBED = """    parts = [effect(at(cache["blocks.0.hook_in"]))]"""
_EMBED_AND_POSITIONS = """    pos_embed = at(cache["hook_pos_embed"].expand(*tokens.shape, -1))
    parts = [effect(at(cache["blocks.0.hook_in"]) - pos_embed), effect(pos_embed)]"""
_EDITS = """
    # What interventions wrote into the stream, or past it.
    parts.append(target(at(logits)) - sum(parts))"""

_TRANSFORM = """    # The architecture bends or scales raw logits: the secant of that, at this run.
    raw = at(cache["ln_final.hook_out"]) @ W_U{bias}
    factor = target(model.adapter.apply_output_logits_transform(raw.clone()).float()) / target(raw)
    factor = torch.where(factor.isfinite(), factor, torch.ones_like(factor))
    direction, offset = direction * factor[:, None], offset * factor"""


def attribution_script(
    session: Session,
    by: By = "head",
    which: Which = "current",
    *,
    prompt: int | None = None,
    pos: int | None = None,
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``effects`` [layer,
    head], [layer] or [component], the direct effects on the metric's logits, and ``total``, the
    logits that all parts sum to; with the names of the ``components``.

    Of one ``prompt`` or the mean; read where the metric reads, or at ``pos``. The final norm's
    scale is held as the run had it; norms after the parts and what the architecture does to its
    logits are included. The numbers of ``attribution(session, by, pos=pos)``. InputError when
    nothing can be read at ``pos``.
    """
    check_choice("by", by, BY)
    check_choice("which", which, WHICH)
    check_prompt(session, prompt)
    _check_written_out(session)
    where, target = read_where(pos), attribution_target(session)
    check_where(session, where)
    rows, _, _ = read_places(session, target, where)
    if prompt is not None and prompt not in rows.tolist():
        raise InputError(f"pos={pos}: nothing can be read there in prompt {prompt}.", "")
    picked = ".nanmean(dim=0)" if prompt is None else f"[{prompt}]"
    code = _CODE.format(
        names=_names(session, by),
        by=by,
        definition=definition_of(target, where),
        of="means over prompts" if prompt is None else f"prompt {prompt}",
        mask=mask_argument(session),
        target=_target(session, target)[0],
        direction=_target(session, target)[1],
        readout=_readout(session, target),
        parts=_parts(session, by),
        picked=f"of_prompts(effects){picked}, of_prompts(whole){picked}",
        call=_call(which),
    )
    leaves = ["effects", "total", *(["components"] if by == "component" else [])]
    text = begin(session, leaves, which) + "\n" + _places(session, target, where)
    if by == "component":
        text += f"components = {_components(session)}\n"
    if by == "head" and which != "baseline":
        text += _replaced(session)
    return text + code


def _check_written_out(session: Session) -> None:
    """InputError for models whose direct effects take more than these lines have."""
    check_sum(session)
    facts = session.facts
    silent = [
        name
        for name in ("ln_final", "blocks.0.ln1_post")
        if f"{name}.hook_out" in facts.hooks and f"{name}.hook_scale" not in facts.hooks
    ]
    uneven = facts.layers.other or facts.layers.unlike or len(head_layers(session)) < facts.n_layers
    if silent or uneven:
        raise InputError(
            "The direct effects of this model are not written out as code: "
            + (
                f"{silent[0]} does not report its scale."
                if silent
                else "its layers write or hold more than others do."
            ),
            "lw.analysis.attribution(session) gives the same numbers.",
        )


def _names(session: Session, by: By) -> list[str]:
    facts = session.facts
    names = ["ln_final.hook_scale", "ln_final.hook_out"]
    for layer in range(facts.n_layers):
        if by == "head":
            names += [f"blocks.{layer}.{x}" for x in ("attn.hook_z", "ln1_post.hook_scale")]
        else:
            names += [f"blocks.{layer}.{x}" for x in ("hook_attn_out", "hook_mlp_out")]
    if by == "component":
        names += ["hook_pos_embed", "blocks.0.hook_in"]
    return [name for name in names if name in facts.hooks]


def _places(session: Session, target: Target, where: Where) -> str:
    """Lines that say where logits are read, and of which token."""
    prompts, device = session.prompt_set, "device=tokens.device"
    lines = [f"last = torch.tensor({prompts.positions.tolist()}, {device})"]
    if where == "metric" and target != "next_token":
        lines += [f"rows, positions = torch.arange({prompts.n_prompts}, {device}), last"]
    else:
        compared = "<" if target == "next_token" else "<="
        places = f"torch.arange({prompts.tokens.shape[1]}, {device})"
        at = "" if where == "metric" else f" & (places == {where})"
        if target == "next_token" and prompts.n_logits < session.facts.d_vocab:
            # Of other tokens the model has no logit.
            at += f" & (tokens.roll(-1, dims=1) < {prompts.n_logits})"
        lines += [f"places = {places}"]
        lines += [
            f"rows, positions = ((places {compared} last[:, None]){at}).nonzero(as_tuple=True)"
        ]
    if target == "next_token":
        lines += ["correct = tokens[rows, positions + 1]"]
    elif _in_sets(session, target):
        lines += answer_lines(session, correct_only=not is_difference(target))
        lines += ["ids, shares = answers[rows], weights[rows]"]
    else:
        lines += answer_lines(session)
        both = prompts.answers is not None and prompts.answers.have_wrong
        lines += ["correct, wrong = answers[rows].T" if both else "correct = answers[rows, 0]"]
    return "\n".join(lines) + "\n"


def _in_sets(session: Session, target: Target) -> bool:
    """Whether the target is a mean over answers, or over as many as a prompt has."""
    answers = session.prompt_set.answers
    if target in ("mean_difference", "mean_answer"):
        return True
    # One correct answer a prompt, and of wrong ones more than one, which are not read.
    return target == "answer" and answers is not None and answers.tokens.shape[1] > 2


def _target(session: Session, target: Target) -> tuple[str, str]:
    """The target's value of logits, and the same sum of the columns of the unembedding."""
    if _in_sets(session, target):
        value = "(logits.gather(1, ids) * shares).sum(dim=-1)"
        columns = "(W_U[:, ids] * shares).sum(dim=-1)"
    else:
        value, columns = "logits.gather(1, correct[:, None])[:, 0]", "W_U[:, correct]"
    if target == "answer_difference":
        against = "logits.gather(1, wrong[:, None])[:, 0]", "W_U[:, wrong]"
    elif is_difference(target):
        return value, columns
    else:
        against = "logits.mean(dim=-1)", "W_U.mean(dim=1, keepdim=True)"
    return f"{value} - {against[0]}", f"{columns} - {against[1]}"


def _readout(session: Session, target: Target) -> str:
    """Lines that lead the direction back through logits' transform and the final norm."""
    model = session.model
    has_bias = model.b_U is not None
    zero = "torch.zeros(len(rows), device=tokens.device)"
    own = "target(model.b_U.float().expand(len(rows), -1))" if has_bias else zero
    lines = [f"offset = {own}  # what is added in any case"]
    norm = norm_code(session, "ln_final", model.ln_final, "model.ln_final")
    if norm is not None:
        if norm.bias:
            lines.append(f"offset = offset + direction @ {norm.bias}")
        lines += _back_through(norm.gain, norm.centred, "direction")
        lines.append(f'direction = direction / at(cache["{norm.scale}"])')
    text = "\n".join(f"    {line}" for line in lines)
    transform = logits_transform(model)
    if transform is None or is_identity(transform, model.W_U.detach().float()):
        return text
    return text + "\n" + _TRANSFORM.format(bias=" + model.b_U.float()" if has_bias else "")


def _back_through(gain: str, centred: bool, name: str) -> list[str]:
    lines = [f"{name} = {name} * {gain}"] if gain else []
    return lines + ([f"{name} = {name} - {name}.mean(dim=-1, keepdim=True)"] if centred else [])


def _parts(session: Session, by: By) -> str:
    facts, model = session.facts, session.model
    mlps = list(facts.mlp_layers)
    if by == "layer":
        mlp = _MLP.format(mlp_layers=mlps) if mlps else ""
        return _LAYERS.format(n_layers=facts.n_layers, mlp=mlp)
    if by == "component":
        embed = _EMBED_AND_POSITIONS if facts.has_pos_embed else _EMBED
        names = _components(session)
        text = _COMPONENTS.format(embed=embed, n_written=names.index("bias"))
        return text + (_EDITS if session.edits_stream else "")
    block, post = model.blocks[0], ""
    norm = norm_code(
        session, "blocks.0.ln1_post", getattr(block, "ln1_post", None),
        "model.blocks[layer].ln1_post",
    )  # fmt: skip
    if norm is not None:
        lines = _back_through(norm.gain, norm.centred, "read")
        lines.append('read = read / at(cache[f"blocks.{layer}.ln1_post.hook_scale"])')
        post = "".join(f"        {line}\n" for line in lines)
    scale = attention_scale(block.attn)
    return _HEADS.format(
        n_layers=facts.n_layers,
        heard=_HEARD if _replaced(session) else "",
        post=post,
        scale="" if scale == 1.0 else f"{scale!r} * ",
    )


def _replaced(session: Session) -> str:
    """A line that says where a whole attention layer's output is another; "" for nowhere."""
    found = []
    for layer in range(session.facts.n_layers):
        gone = replaced(session.prompt_set, session.interventions.active, end_hooks(layer, "attn"))
        if gone is not None:
            found.append(f"    {layer}: torch.tensor({gone.int().tolist()}, device=tokens.device),")
    lines = ["replaced = {  # layer: [prompt, pos]", *found, "}"]
    return "\n".join(lines) + "\n" if found else ""


def _components(session: Session) -> list[str]:
    facts = session.facts
    names = ["embed", *(["pos_embed"] if facts.has_pos_embed else [])]
    for layer in range(facts.n_layers):
        names.append(f"L{layer}.attn")
        if layer in facts.mlp_layers:
            names.append(f"L{layer}.mlp")
    return [*names, "bias", *(["interventions"] if session.edits_stream else [])]


def _call(which: Which) -> str:
    if which != "difference":
        return "effects, total = direct_effects(fwd_hooks)\n"
    return """(effects, total), before = direct_effects(fwd_hooks), direct_effects([])
effects, total = effects - before[0], total - before[1]
"""
