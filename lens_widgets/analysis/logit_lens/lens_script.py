"""The logit lens written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.attribution.stages import model_stages
from lens_widgets.analysis.script_parts import Which, begin
from lens_widgets.errors import InputError
from lens_widgets.interventions.code import mask_argument

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_CODE = '''
from transformer_lens.tools.analysis import logit_lens


def lens(fwd_hooks):
    """What each stage of the residual stream would predict, through the final norm and the
    unembedding: names of stages, token ids and probabilities [stage, prompt, pos, {k}]."""
    with torch.no_grad(), model.hooks(fwd_hooks=fwd_hooks):
        _, cache = model.run_with_cache(tokens{mask})
        found = logit_lens(
            cache, incl_mid={incl_mid}, positions=None, return_type="probs", top_k={k}
        )
    return found.labels, found.readout.top_ids, found.readout.values


stages, ids, probs = lens(fwd_hooks)
'''


_RECURRENT = ("mixer", "linear_attn", "mamba")
"""Parts of layers beside which TransformerLens's lens knows no middle."""


def lens_script(
    session: Session, which: Which = "current", *, incl_mid: bool = True, k: int = 5
) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves the names of the
    ``stages``, and the ``ids`` and ``probs`` [stage, prompt, pos, k] of the likeliest tokens.

    For ``"difference"`` it also leaves ``baseline_ids`` and ``baseline_probs``, as what is
    likeliest can be another token. By TransformerLens's own lens; the numbers of
    ``logit_lens(session, k)``. InputError for stages in the middle of layers where
    TransformerLens's lens has none.
    """
    facts = session.facts
    middles = [stage for stage in model_stages(session, incl_mid) if stage.kind == "mid"]
    recurrent = any(part in _RECURRENT for part in facts.layers.other.values())
    if middles and (recurrent or len(middles) < facts.n_layers):
        raise InputError(
            "incl_mid=True: TransformerLens's lens, which the code calls, takes no stages in the "
            "middle of layers where some of these have none, or are no attention.",
            "Ask with incl_mid=False.",
        )
    code = _CODE.format(mask=mask_argument(session), incl_mid=bool(middles), k=k)
    leaves = ["stages", "ids", "probs"]
    if which == "difference":
        leaves += ["baseline_ids", "baseline_probs"]
        code += "_, baseline_ids, baseline_probs = lens([])\n"
    return begin(session, leaves, which) + code
