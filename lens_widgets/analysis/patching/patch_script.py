"""Patching maps written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.patching.nodes import STREAM_NODES, hook_name, make_grid
from lens_widgets.errors import InputError
from lens_widgets.interventions.code import script

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_METRICS = {
    "logit_diff": "final = logits[rows, last].float()\n"
    "    return final[rows, answers[:, 0]] - final[rows, answers[:, 1]]",
    "prob": "final = logits[rows, last].float()\n"
    "    return final.softmax(dim=-1)[rows, answers[:, 0]]",
    "loss": "nats = -logits[:, :-1].float().log_softmax(dim=-1).gather(-1, tokens[:, 1:, None])\n"
    "    real = torch.arange(tokens.shape[1] - 1, device=tokens.device) < last[:, None]\n"
    "    return (nats[..., 0] * real).sum(dim=1) / real.sum(dim=1)",
    "kl": "pair = [x[rows, last].float().log_softmax(dim=-1) for x in (reference, logits)]\n"
    "    before, after = pair\n"
    "    return (before.exp() * (before - after)).sum(dim=-1)",
}

_LOOP = """
def run(tokens, hooks=()):
    with torch.no_grad():
        return model.run_with_hooks(tokens, fwd_hooks=[*fwd_hooks, *hooks]{mask})


def metric(logits):  # [prompt, pos, d_vocab] -> [prompt]
    {metric}


def record(tokens, names):
    kept = {{}}

    def keep(name):
        def hook_fn(activation, hook):
            kept[name] = activation.detach().clone()
        return hook_fn

    run(tokens, [(name, keep(name)) for name in names])
    return kept


nodes = {nodes}  # name -> hook, shape of the map, and where a cell (layer, *cell) lies
{reference}maps = {{}}
for node, (hook_name, shape, place) in nodes.items():
    source = record({source}, [hook_name.format(layer=layer) for layer in range(shape[0])])
    maps[node] = torch.zeros(shape)
    for cell in torch.ones(shape).nonzero().tolist():
        name = hook_name.format(layer=cell[0])
        where = place(cell)

        def patch(activation, hook, where=where, value=source[name]):
            activation = activation.clone()
            activation[where] = value[where]
            return activation

        maps[node][tuple(cell)] = metric(run({base}, [(name, patch)])).mean()
{normalize}"""

_PLACES = {
    "stream": "lambda cell: (slice(None), cell[1])",
    "heads": "lambda cell: (slice(None), slice(None), cell[1])",
    "heads by position": "lambda cell: (slice(None), cell[2], cell[1])",
    "pattern": "lambda cell: (slice(None), cell[1])",
    "pattern by position": "lambda cell: (slice(None), cell[1], cell[2])",
}


def patch_script(
    session: Session, nodes: list[str], by_pos: bool, into: str, normalize: bool
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``maps``: one tensor
    a node, the mean over prompts of the metric after patching each cell.

    One hooked forward a cell. InputError for a metric of the user's own, which cannot be written
    out, and without corrupted prompts.
    """
    prompts, name = session.prompt_set, session.metric.name
    session.corrupted_run()
    if name not in _METRICS:
        raise InputError(
            f"metric={name!r} is a function of your own, which cannot be written out.",
            "Take the maps' code under one of the named metrics, and put your function in.",
        )
    active = list(session.interventions.active)
    lines = [script(active, session).rstrip()] if active else _preface(session)
    device = "device=tokens.device"
    assert prompts.corrupted_tokens is not None
    lines += [
        "",
        f"corrupted_tokens = torch.tensor({prompts.corrupted_tokens.tolist()}, {device})",
        f"last = torch.tensor({prompts.positions.tolist()}, {device})",
        f"rows = torch.arange({prompts.n_prompts}, {device})",
    ]
    if prompts.answer_tokens is not None:
        answers = prompts.answer_tokens.tolist()
        lines.append(f"answers = torch.tensor({answers}, {device})  # correct, wrong")
    entries = []
    for node in nodes:
        grid = make_grid(session, node, by_pos)
        kind = "pattern" if node == "pattern" else "heads"
        kind = "stream" if node in STREAM_NODES else kind + (" by position" if by_pos else "")
        hook = hook_name(node, 0).replace("blocks.0.", "blocks.{layer}.")
        entries.append(f"    {node!r}: ({hook!r}, {grid.shape!r}, {_PLACES[kind]}),")
    clean_first = "fwd_hooks, kept_hooks = [], fwd_hooks\nreference = run(tokens)\n"
    mask = "" if prompts.attention_mask is None else ", attention_mask=attention_mask"
    lines.append(
        _LOOP.format(
            mask=mask,
            metric=_METRICS[name],
            nodes="{\n" + "\n".join(entries) + "\n}",
            reference=clean_first + "fwd_hooks = kept_hooks\n" if name == "kl" else "",
            source="tokens" if into == "corrupted" else "corrupted_tokens",
            base="corrupted_tokens" if into == "corrupted" else "tokens",
            normalize=_NORMALIZE if normalize else "",
        )
    )
    return "\n".join(lines).rstrip() + "\n"


_NORMALIZE = """
high, low = metric(run(tokens)).mean().cpu(), metric(run(corrupted_tokens)).mean().cpu()
maps = {node: (values - low) / (high - low) for node, values in maps.items()}
"""


def _preface(session: Session) -> list[str]:
    lines = [
        "import torch",
        "",
        "# Expects `model` and `tokens` [prompt, pos] in scope; leaves `maps`.",
        "fwd_hooks = []",
    ]
    mask = session.prompt_set.attention_mask
    if mask is not None:
        lines.append(f"attention_mask = torch.tensor({mask.tolist()}, device=tokens.device)")
    return lines
