"""MLP neurons written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.attribution.neuron_effects import check_mlp
from lens_widgets.analysis.neurons.neurons import check_neuron
from lens_widgets.analysis.script_parts import Which, begin, check_prompt, of_which
from lens_widgets.errors import InputError
from lens_widgets.interventions.code import mask_argument

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_NEURON = '''

def neuron_activations(fwd_hooks):
    """What enters the MLP's output weights, of L{layer}N{neuron}: [prompt, pos], NaN at padding."""
    name = "blocks.{layer}.mlp.hook_post"
    with torch.no_grad(), model.hooks(fwd_hooks=fwd_hooks):
        _, cache = model.run_with_cache(tokens, names_filter=[name]{mask})
    lengths = torch.tensor({lengths}, device=tokens.device)
    padding = torch.arange(tokens.shape[1], device=tokens.device) >= lengths[:, None]
    return cache[name][..., {neuron}].float().masked_fill(padding, torch.nan)


activations = {call}


def places(sign):
    """Where sign * activation is largest, in all prompts: value, prompt, position, token id."""
    flat = (sign * activations).flatten().nan_to_num(nan=-torch.inf)
    found = []
    for i in flat.topk({k}).indices.tolist():
        prompt, pos = divmod(i, tokens.shape[1])
        found.append((float(activations[prompt, pos]), prompt, pos, int(tokens[prompt, pos])))
    return found


highest, lowest = places(1), places(-1)
'''

_STRONGEST = '''

layers = {layers}
names = [f"blocks.{{layer}}.mlp.hook_post" for layer in layers]


def neurons(fwd_hooks):
    """All MLP neurons of prompt {prompt}, by layer: [pos, neuron]."""
    with torch.no_grad(), model.hooks(fwd_hooks=fwd_hooks):
        _, cache = model.run_with_cache(tokens, names_filter=names{mask})
    return [cache[name][{prompt}, :{length}].float() for name in names]


values = neurons(fwd_hooks)
sizes = torch.cat([value[{pos}].abs() for value in values])
owners = [(layer, i) for layer, value in zip(layers, values) for i in range(value.shape[1])]
strongest = [owners[i] for i in sizes.topk(min({k}, len(sizes))).indices.tolist()]
activations = torch.stack([values[layers.index(layer)][:, i] for layer, i in strongest])
'''

_CHANGE = """before = neurons([])
activations -= torch.stack([before[layers.index(layer)][:, i] for layer, i in strongest])
"""


def neuron_script(
    session: Session, layer: int, neuron: int, which: Which = "current", *, k: int = 5
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``activations``
    [prompt, pos] of one neuron, and ``highest`` and ``lowest``: the ``k`` places of all prompts
    where it is so, as (value, prompt, pos, token id).

    The numbers of ``neuron_activations`` and ``top_tokens``. InputError for models whose MLPs have
    no such neurons.
    """
    check_mlp(session, layer)
    check_neuron(session.facts.hooks[f"blocks.{layer}.mlp.hook_post"][-1], neuron)
    lengths = session.prompt_set.lengths.tolist()
    code = _NEURON.format(
        layer=layer,
        neuron=neuron,
        mask=mask_argument(session),
        lengths=lengths,
        call=of_which("neuron_activations", which),
        k=min(_positive(k), sum(lengths)),
    )
    return begin(session, ["activations", "highest", "lowest"], which) + code


def strongest_script(
    session: Session, pos: int, which: Which = "current", *, prompt: int = 0, k: int = 5
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``strongest``: the
    ``k`` neurons (layer, neuron) of all MLPs with the largest magnitude at a position of a prompt,
    and their ``activations`` [neuron, pos] along it.

    For ``"difference"`` they are those that are strongest under the interventions, and what is
    left is how their activations changed. InputError as for ``neuron_script``.
    """
    check_prompt(session, prompt)
    for layer in session.facts.mlp_layers or (0,):
        check_mlp(session, layer)
    length = int(session.prompt_set.lengths[prompt])
    if not 0 <= pos < length:
        raise InputError(f"pos={pos} is out of range.", f"Positions run from 0 to {length - 1}.")
    code = _STRONGEST.format(
        layers=list(session.facts.mlp_layers),
        prompt=prompt,
        length=length,
        pos=pos,
        mask=mask_argument(session),
        k=_positive(k),
    )
    change = _CHANGE if which == "difference" else ""
    return begin(session, ["strongest", "activations"], which) + code + change


def _positive(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise InputError(f"k={k!r} must be a positive integer.", "For example k=5.")
    return k
