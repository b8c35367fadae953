"""Patching maps written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.patching.nodes import make_grid, node_kind
from lens_widgets.interventions.code import mask_argument, setup
from lens_widgets.session.metric_code import expected, metric_code

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_LOOP = """

def run(tokens, hooks=()):
    with torch.no_grad():
        return model.run_with_hooks(tokens, fwd_hooks=[*fwd_hooks, *hooks]{mask})


def record(tokens, names):
    kept = {{}}

    def keep(name):
        def hook_fn(activation, hook):
            kept[name] = activation.detach().clone()
        return hook_fn

    run(tokens, [(name, keep(name)) for name in names])
    return kept


nodes = {nodes}  # name -> hook, shape of the map, and where a cell (layer, *cell) lies
maps = {{}}
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


def patch_script(
    session: Session, nodes: list[str], by_pos: bool, into: str, normalize: bool
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``maps``: one tensor
    a node, the mean over prompts of the metric after patching each cell.

    One hooked forward a cell. A metric of the user's own is expected in scope, too. InputError
    without corrupted prompts.
    """
    prompts = session.prompt_set
    session.corrupted_run()
    assert prompts.corrupted_tokens is not None
    corrupted = f"torch.tensor({prompts.corrupted_tokens.tolist()}, device=tokens.device)"
    lines = [
        *setup(session.interventions.active, session, ["maps"], expected(session)),
        "",
        f"corrupted_tokens = {corrupted}",
        metric_code(session),
    ]
    entries = []
    for node in nodes:
        grid = make_grid(session, node, by_pos)
        kind = node_kind(node)
        # A cell is (layer, head, pos), of which a map has two or all three.
        place = kind.cell_code(
            "cell[1]" if "head" in grid.dims else None,
            f"cell[{grid.dims.index('pos')}]" if "pos" in grid.dims else None,
        )
        hook = f"blocks.{{layer}}.{kind.part}"
        entries.append(f"    {node!r}: ({hook!r}, {grid.shape!r}, lambda cell: {place}),")
    lines.append(
        _LOOP.format(
            mask=mask_argument(session),
            nodes="{\n" + "\n".join(entries) + "\n}",
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
