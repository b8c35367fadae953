"""Cut edges written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lens_widgets.engine.stream import FINAL
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention, RunContext
from lens_widgets.interventions.ends import silenced
from lens_widgets.interventions.site import position_mask
from lens_widgets.prompts.span import Span

Row = tuple[str, str, str, "tuple[int, ...] | Span | None"]
"""Writer, reader, what is written instead, and where."""

_CODE = """# Edges that are cut: writers, reader, what is written instead, where (None: everywhere).
cuts = [
{cuts}
]
{masks}

{functions}

{installed}"""

_FUNCTIONS = """
live = {}  # activations of the run that goes on


def keep(name):
    def keep_fn(activation, hook):
        live[name] = activation
    return name, keep_fn


def share(kept, writer):  # [prompt, pos, d_model]: what it wrote into the stream of a run
    if writer == "embed":
        return kept["blocks.0.hook_in"].float()
    if writer.endswith(".mlp"):
        return kept[f"blocks.{writer[1:-4]}.hook_mlp_out"].float()
    layer, head = map(int, writer[1:].split("H"))
    z = kept[f"blocks.{layer}.attn.hook_z"][:, :, head].float()
    written = SCALEz @ model.blocks[layer].attn.W_O[head].float()
POSTHEARD    return written


def change(reader):  # [prompt, pos, d_model]: by how much the cuts change its input
    total = 0.0
    for writer, kind, at in [(w, k, at) for ws, to, k, at in cuts if to == reader for w in ws]:
        instead = 0.0
        if kind == "resample":
            instead = share(corrupted, writer)
        if kind == "mean":
            instead = share(clean, writer)REAL.mean(0)
        total = total + (instead - share(live, writer)) * (1.0 if at is None else wheres[at])
    return total


def edited(stream, reader):
    return (stream.float() + change(reader)).to(stream.dtype)


def cut_heads(layer, kind, heads):
    def cut_fn(activation, hook):
        activation = activation.clone()
        for head, reader in heads:
            stream = edited(live[f"blocks.{layer}.hook_in"], reader)
            attn = model.blocks[layer].attn
            weight, bias = (getattr(attn, f"{name}_{kind.upper()}") for name in "Wb")
            made = NORMED @ weight[head]
            activation[:, :, head] = made if bias is None else made + bias[head]
        return activation
    return f"blocks.{layer}.attn.hook_{kind}", cut_fn


def cut_stream(hook_name, reader):
    return hook_name, lambda activation, hook: edited(activation, reader)
"""

_NORMED_MLP = """

def cut_normed_mlp(layer, reader):
    def cut_fn(activation, hook):
        stream = edited(live[f"blocks.{layer}.hook_in"], reader)
        return model.blocks[layer].ln1(stream)
    return f"blocks.{layer}.mlp.hook_in", cut_fn
"""

_POST_SCALE = """    norm = model.blocks[layer].ln1_post  # its scale is the one of that run
CENTRED    written = written * GAIN / kept[f"blocks.{layer}.ln1_post.hook_scale"]
"""


def cuts_code(rows: Sequence[Row], active: Sequence[Intervention], context: RunContext) -> str:
    """Lines that put cuts in force beside the hooks in ``fwd_hooks``; ``clean`` and ``corrupted``
    hold the activations that they take values from. Readers' hooks come first, writers' last."""
    wheres = list(dict.fromkeys(at for *_, at in rows if at is not None))
    into: dict[tuple[str, str, int | None], list[str]] = {}
    for writer, reader, kind, at in rows:
        where = None if at is None else wheres.index(at)
        into.setdefault((reader, kind, where), []).append(writer)
    cuts = [f"    ({writers!r}, {', '.join(map(repr, to))})," for to, writers in into.items()]
    masks = []
    for at in wheres:
        mask = position_mask(context.prompt_set, at)
        assert mask is not None
        masks.append(f"    torch.tensor({mask.int().tolist()}, device=tokens.device)[..., None],")
    text = _CODE.format(
        cuts="\n".join(cuts),
        masks="\n".join(["wheres = [  # [prompt, pos, 1]", *masks, "]"])
        if wheres
        else "wheres = []",
        functions=functions_code(active, context),
        installed=_installed(rows, context),
    )
    return text


def functions_code(active: Sequence[Intervention], context: RunContext) -> str:
    """The functions that cut the edges in ``cuts``."""
    stream, facts = context.stream, context.facts
    first = next(r.layer for r in stream.graph.readers)
    normed = "stream"
    if stream.has_norm(first or 0):
        normed = "model.blocks[layer].ln1(stream)"
    scale = stream.attention_scale
    gone = silenced(context.prompt_set, active, facts.n_layers)
    heard = ""
    lines = []
    if gone:
        lines = ["silenced = {  # layer: [prompt, pos], where another thing stands for attention"]
        for layer, where in gone.items():
            rows = where.int().tolist()
            lines.append(f"    {layer}: torch.tensor({rows}, device=tokens.device)[..., None],")
        lines.append("}")
        heard = "    if kept is live and layer in silenced:\n"
        heard += "        written = written * (1 - silenced[layer])\n"
    mask = context.prompt_set.attention_mask
    text = (
        _FUNCTIONS.replace("SCALE", "" if scale == 1.0 else f"{scale!r} * ")
        .replace("POST", _post_norm(context))
        .replace("HEARD", heard)
        .replace("NORMED", normed)
        .replace("REAL", ".flatten(0, 1)" if mask is None else "[attention_mask.bool()]")
    )
    if any(stream.mlp_reads_normed(layer) for layer in facts.mlp_layers):
        text += _NORMED_MLP
    return "\n".join([*lines, text.strip()]) + "\n"


def _post_norm(context: RunContext) -> str:
    norm = context.stream.post_norm
    if norm is None:
        return ""
    if not norm.reports_scale:
        raise InputError(
            "Cut edges are not written out as code for this model: the norm behind its attention "
            "does not report its scale.",
            "session.run() has their numbers.",
        )
    centred = "    written = written - written.mean(-1, keepdim=True)\n" if norm.centred else ""
    gain = "norm.weight.float()" if norm.weighted else "1.0"
    gain = f"({gain} + 1.0)" if norm.weighted and norm.offset else gain
    return _POST_SCALE.replace("CENTRED", centred).replace("GAIN", gain)


def _installed(rows: Sequence[Row], context: RunContext) -> str:
    """The line that puts hooks before and behind those that are there."""
    stream = context.stream
    graph = stream.graph
    readers = dict.fromkeys(graph.readers[graph.reader(row[1])] for row in rows)
    edits, kept = [], dict.fromkeys(stream.hooks_of([graph.writer(row[0]) for row in rows]))
    heads: dict[tuple[Any, str], list[tuple[Any, str]]] = {}
    for reader in readers:
        if reader.layer is None:
            edits.append(f"cut_stream({FINAL!r}, 'logits')")
        elif reader.kind != "mlp":
            heads.setdefault((reader.layer, reader.kind), []).append((reader.head, str(reader)))
            kept[f"blocks.{reader.layer}.hook_in"] = None
        elif stream.mlp_reads_normed(reader.layer):
            edits.append(f"cut_normed_mlp({reader.layer}, {str(reader)!r})")
            kept[f"blocks.{reader.layer}.hook_in"] = None
        else:
            hook = stream.input_hook(reader.layer, "mlp")
            edits.append(f"cut_stream({hook!r}, {str(reader)!r})")
    edits += [f"cut_heads({layer}, {kind!r}, {own!r})" for (layer, kind), own in heads.items()]
    lines = ["# Readers come before all else at a hook, writers last.", "fwd_hooks = ["]
    lines += [f"    {edit}," for edit in edits]
    lines += ["    *fwd_hooks,", f"    *map(keep, {list(kept)!r}),", "]"]
    return "\n".join(lines)
