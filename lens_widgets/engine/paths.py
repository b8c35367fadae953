"""What an MLP writes when it alone reads something else: a step along a path through MLPs."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.batch import each_group, expanded
from lens_widgets.engine.forward import BlockCall, Check, read_blocks
from lens_widgets.engine.inputs import InputsInRun
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.shares import GivenInputs
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.variants import BaseRun


def mlp_writes(
    model: TransformerModel,
    check: Check | None,
    *,
    base: BaseRun,
    stream: StreamParts,
    layer: int,
    inputs: Sequence[Float[Tensor, "prompt pos d_model"]],
) -> Float[Tensor, "input prompt pos d_model"]:
    """What the MLP of a layer writes for each of ``inputs``, streams that it reads in place of its
    own; all else in the block is as in the base run."""
    reader = stream.graph.reader(f"L{layer}.mlp")
    state = InputsInRun(stream)
    given = [GivenInputs(stream, {reader: one}) for one in inputs]
    for one in given:
        state.join((), layer, one)
    call, groups = base.calls[layer], len(given)
    wide = BlockCall(
        call.resid.repeat(groups, *[1] * (call.resid.dim() - 1)),
        expanded(call.args, base, model, groups),
        expanded(call.kwargs, base, model, groups),
    )
    # The reader's new input stands, whatever is done to the old one.
    hooks = [(name, each_group(fn, base.n_prompts)) for name, fn in base.hooks]
    hooks = [*hooks, *state.reading(given), *state.writing([], *given)]
    name = f"blocks.{layer}.hook_mlp_out"
    found = read_blocks(model, [wide] * (layer + 1), [name], hooks=hooks, check=check)[name]
    return found.unflatten(0, (groups, base.n_prompts))
