"""Attention patterns written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.attention.attention_scores import MASK_BELOW, score_way
from lens_widgets.analysis.attention.patterns import AVERAGES, MODES, NEEDS, Average, Mode
from lens_widgets.analysis.script_parts import Which, begin, check_prompt, of_which
from lens_widgets.analysis.weights.head_weights import parse_head
from lens_widgets.engine.parts import check_layer, layers_with
from lens_widgets.errors import InputError, check_choice
from lens_widgets.interventions.code import mask_argument

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_CODE = '''

layers = {layers}
names = [f"blocks.{{layer}}.attn.{{name}}" for layer in layers for name in {names}]


def read_attention(fwd_hooks):
    """{what} of prompt {prompt}, [query, key]."""
    with torch.no_grad(), model.hooks(fwd_hooks=fwd_hooks):
        _, cache = model.run_with_cache(tokens, names_filter=names{mask})
    found = []
    for layer in layers:
        pattern = cache[f"blocks.{{layer}}.attn.hook_pattern"]
        pattern = pattern[{prompt}, :, :{length}, :{length}].float()
{body}
    return {chosen}


attention = {call}
'''

_VALUE = """        value = cache[f"blocks.{layer}.attn.hook_v"][PROMPT, :LENGTH].float()
        # Under grouped-query attention several heads share one value.
        size = value.norm(dim=-1).T.repeat_interleave(len(pattern) // value.shape[1], dim=0)
        found.append(pattern * size[:, None])"""

SCORES = {
    "hook": """        scores = cache[f"blocks.{layer}.attn.hook_attn_scores"]
        scores = scores[PROMPT, :, :LENGTH, :LENGTH].float()""",
    "query times key": """        # This model's hook_attn_scores is a copy of its pattern.
        q, k = (cache[f"blocks.{layer}.attn.hook_{x}"][PROMPT, :LENGTH].float() for x in "qk")
        k = k.repeat_interleave(q.shape[1] // k.shape[1], dim=1)
        scores = FACTOR * torch.einsum("qhd,khd->hqk", q, k)""",
}
"""Lines that give ``scores`` [head, query, key] of ``layer``, masked ones still among them."""

MASKED = f"""\
        # NaN where the softmax does not look.
        top = scores.masked_fill(pattern <= 0, -torch.inf).amax(dim=-1, keepdim=True)
        hidden = (pattern <= 0) & ((scores - top > -80.0) | (scores < {MASK_BELOW:g}))
FUTURE        scores = scores.masked_fill(hidden, torch.nan)"""
"""Lines that mask ``scores`` with the help of ``pattern``; ``FUTURE`` is still to be put in."""

_FUTURE = "        hidden |= torch.ones_like(hidden[0]).triu(1)  # later keys\n"

_CHOSEN = {
    "none": "found[0][{head}]",
    "layer": "found[0].nanmean(dim=0)",
    "all": "torch.cat(found).nanmean(dim=0)",
}
_OF = {
    "none": "{head}",
    "layer": "Mean over the heads of layer {layer}",
    "all": "Mean over all heads",
}
_WHAT = {
    "pattern": "attention weights",
    "value": "attention weights times the norm of the key's value",
    "scores": "attention scores before the softmax",
}


def attention_script(
    session: Session,
    head: str,
    which: Which = "current",
    *,
    prompt: int = 0,
    mode: Mode = "pattern",
    average: Average = "none",
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``attention``
    [query, key]: of one head, or the mean over its ``"layer"``'s heads or ``"all"`` heads.

    The numbers of ``attention_patterns(session, which, prompt, mode=mode, average=average)``.
    InputError for scores that the model does not have.
    """
    check_choice("mode", mode, MODES)
    check_choice("average", average, AVERAGES)
    check_prompt(session, prompt)
    layer, index = parse_head(session.model, head)
    check_layer(session.facts, layer, f"head={head!r}", *NEEDS[mode])
    layers = list(layers_with(session.facts, *NEEDS[mode])) if average == "all" else [layer]
    length = int(session.prompt_set.lengths[prompt])
    names: tuple[str, ...] = ("hook_pattern",)
    body = "        found.append(pattern)"
    if mode == "value":
        names, body = ("hook_pattern", "hook_v"), _VALUE
    elif mode == "scores":
        names, body = score_lines(session, layers)
        body += "\n        found.append(scores)"
    whose = _OF[average].format(head=f"L{layer}H{index}", layer=layer)
    code = _CODE.format(
        what=f"{whose}: {_WHAT[mode]}",
        prompt=prompt,
        length=length,
        layers=layers,
        names=names,
        mask=mask_argument(session),
        body=body.replace("PROMPT", str(prompt)).replace("LENGTH", str(length)),
        chosen=_CHOSEN[average].format(head=index),
        call=of_which("read_attention", which),
    )
    return begin(session, ["attention"], which) + code


def score_lines(session: Session, layers: list[int]) -> tuple[tuple[str, ...], str]:
    """The hooks that are read, and the lines of a loop over ``layers`` that leave ``scores`` [head,
    query, key] of one prompt; ``PROMPT`` and ``LENGTH`` are still to be put in."""
    ways = {score_way(session, layer) for layer in layers}
    if len(ways) > 1:
        raise InputError(
            "average='all': the layers of this model do not all report their scores.",
            "Choose the heads of one layer.",
        )
    (way,) = ways
    masked = MASKED.replace("FUTURE", _FUTURE if session.facts.batch.causal else "")
    if way == "hook":
        return ("hook_pattern", "hook_attn_scores"), f"{SCORES['hook']}\n{masked}"
    lines = SCORES["query times key"].replace("FACTOR", repr(way))
    return ("hook_pattern", "hook_q", "hook_k"), f"{lines}\n{masked}"
