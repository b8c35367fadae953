"""Patching maps written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.patching.nodes import make_grid, n_heads_in, node_kind
from lens_widgets.errors import InputError
from lens_widgets.interventions.code import mask_argument, setup
from lens_widgets.session.metric_code import expected, metric_code

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_LOOP = """
import itertools

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


nodes = {nodes}  # name -> hook, shape of the map, its layers, and where a cell lies
maps = {{}}
for node, (hook_name, shape, layers, place) in nodes.items():
    source = record({source}, [hook_name.format(layer=layer) for layer in layers])
    maps[node] = torch.full(shape, torch.nan)
    for cell in itertools.product(layers, *map(range, shape[1:])):
        name = hook_name.format(layer=cell[0])
        where = place(cell)

        def patch(activation, hook, where=where, value=source[name]):
            activation = activation.clone()
            activation[where] = value[where]
            return activation

        maps[node][cell] = metric(run({base}, [(name, patch)])).mean()
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
        layers = sorted({cell.layer for cell in grid.cells})
        if len({n_heads_in(session, node, layer) for layer in layers}) > 1:
            raise InputError(
                f"node={node!r}: the layers of this model have different numbers of heads there, "
                "which is not written out as code.",
                "lw.analysis.patch_sweep(session, node) gives the same numbers.",
            )
        entries.append(f"    {node!r}: ({hook!r}, {grid.shape!r}, {layers}, lambda cell: {place}),")
    runs = ("run(corrupted_tokens)", "run(tokens)")
    ends = dict(zip(("start", "end"), runs if into == "corrupted" else runs[::-1], strict=True))
    lines.append(
        _LOOP.format(
            mask=mask_argument(session),
            nodes="{\n" + "\n".join(entries) + "\n}",
            source="tokens" if into == "corrupted" else "corrupted_tokens",
            base="corrupted_tokens" if into == "corrupted" else "tokens",
            normalize=_NORMALIZE.format(**ends) if normalize else "",
        )
    )
    return "\n".join(lines).rstrip() + "\n"


_NORMALIZE = """
start, end = metric({start}).mean().cpu(), metric({end}).mean().cpu()
maps = {{node: (values - start) / (end - start) for node, values in maps.items()}}
"""
