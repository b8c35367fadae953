"""Effects of ablations written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.ablation.ablation import Kind
from lens_widgets.analysis.script_parts import begin, check_prompt
from lens_widgets.engine.parts import HEADS, layers_with
from lens_widgets.errors import check_choice
from lens_widgets.interventions.ablate import KINDS, Ablate
from lens_widgets.interventions.code import mask_argument
from lens_widgets.session.metric_code import expected, metric_code

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_EFFECT = '''

def measure(hooks=()):
    with torch.no_grad():
        return metric(model.run_with_hooks(tokens, fwd_hooks=[*fwd_hooks, *hooks]{mask}))


before = measure()
{source}ablated = {ablated}  # what is off already


def effect(name, head=None):
    """Change of the metric when a head, or all that is at a hook, is ablated as well."""
    if (name, head) in ablated:
        return 0.0
    where = (slice(None), slice(None)) if head is None else (slice(None), slice(None), head)

    def ablate(activation, hook):
        activation = activation.clone()
        activation[where] = {value}
        return activation

    return (measure([(name, ablate)]) - before){picked}


'''

_SOURCE = """names = {names}
with torch.no_grad():
    _, source = model.run_with_cache({tokens}, names_filter=names{mask})
"""

_HEADS = """{name} = torch.full((model.cfg.n_layers, model.cfg.n_heads), torch.nan)
for layer in {layers}:
    for head in range(model.cfg.n_heads):
        {name}[layer, head] = effect(f"blocks.{{layer}}.attn.hook_z", head)
"""

_MLPS = """mlp_effects = torch.full((model.cfg.n_layers,), torch.nan)
for layer in {layers}:
    mlp_effects[layer] = effect(f"blocks.{{layer}}.hook_mlp_out")
"""


def ablation_script(session: Session, kind: Kind = "zero", prompt: int | None = None) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``effects`` [layer,
    head] and, of a model with MLPs, ``mlp_effects`` [layer]: the session's metric after ablating
    each part as well, minus before, of one prompt or the mean. One hooked forward a part.

    The numbers of ``ablation_sweep(session, kind)``. A metric of the user's own is expected in
    scope, too. InputError for ``"resample"`` without corrupted prompts.
    """
    check_choice("kind", kind, KINDS)
    check_prompt(session, prompt)
    mlps = session.facts.mlp_layers
    leaves = ["effects", "mlp_effects"] if mlps else ["effects"]
    text = begin(session, leaves, expects=expected(session)) + metric_code(session) + "\n"
    text += _effect(session, kind, ".mean()" if prompt is None else f"[{prompt}]")
    text += _HEADS.format(name="effects", layers=list(layers_with(session.facts, HEADS)))
    return text + ("\n" + _MLPS.format(layers=list(mlps)) if mlps else "")


def loss_effects_code(session: Session, kind: Kind) -> str:
    """Lines that go on where ``fwd_hooks`` are known and leave ``loss_change`` [layer, head]: the
    mean loss with each head ablated as well, minus without."""
    text = metric_code(session, "loss") + "\n" + _effect(session, kind, ".mean()", mlps=False)
    layers = list(layers_with(session.facts, HEADS))
    return text + _HEADS.format(name="loss_change", layers=layers)


def _effect(session: Session, kind: Kind, picked: str, mlps: bool = True) -> str:
    facts, mask = session.facts, mask_argument(session)
    names = [f"blocks.{layer}.attn.hook_z" for layer in layers_with(facts, HEADS)]
    if mlps:
        names += [f"blocks.{layer}.hook_mlp_out" for layer in facts.mlp_layers]
    source, value = "", "0.0"
    if kind == "mean":
        source = _SOURCE.format(names=names, tokens="tokens", mask=mask)
        real = "[attention_mask.bool()]" if mask else ".flatten(0, 1)"
        value = f"source[name]{real}.mean(0)[... if head is None else head]"
    elif kind == "resample":
        session.corrupted_run()
        corrupted = session.prompt_set.corrupted_tokens
        assert corrupted is not None
        source = f"other_tokens = torch.tensor({corrupted.tolist()}, device=tokens.device)\n"
        source += _SOURCE.format(names=names, tokens="other_tokens", mask=mask)
        value = "source[name][where]"
    active = session.interventions.active
    sites = [item.site for item in active if isinstance(item, Ablate)]
    ablated = [(site.hook, site.head) for site in sites]
    return _EFFECT.format(mask=mask, source=source, ablated=ablated, value=value, picked=picked)
