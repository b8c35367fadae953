"""Head scores and losses written out as TransformerLens code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.ablation.ablation_script import loss_effects_code
from lens_widgets.analysis.tokens.losses import half_of
from lens_widgets.engine.parts import PATTERN, check_layers
from lens_widgets.interventions.code import mask_argument, script
from lens_widgets.session.metric_code import loss_parts
from lens_widgets.session.selection import SCORE_KINDS

if TYPE_CHECKING:
    from lens_widgets.analysis.ablation.ablation import Kind
    from lens_widgets.session.session import Session

_SCORES = '''

def stripe(kind, row):
    """The (query, key) positions of a prompt's token ids that a kind of score is the mean of."""
    n, half = len(row), (len(row) - 1) // 2
    if kind == "previous":
        return [(q, q - 1) for q in range(1, n)]
    if kind == "current":
        return [(q, q) for q in range(n)]
    if kind == "first":
        return [(q, 0) for q in range(n)]
    if kind == "induction" and half > 0 and row[1 : half + 1] == row[half + 1 :]:
        return [(q, q - half + 1) for q in range(half - 1, n)]
    latest, found = {{}}, []
    for q, token in enumerate(row):
        if token in latest:
            found.append((q, latest[token] + (kind == "induction")))
        latest[token] = q
    return found


names = {{layer: f"blocks.{{layer}}.attn.hook_pattern" for layer in {layers}}}
patterns = {{}}


def keep(name):
    def hook_fn(pattern, hook):
        patterns[name] = pattern.float()
    return hook_fn


with torch.no_grad():
    watched = [*fwd_hooks, *((name, keep(name)) for name in names.values())]
    model.run_with_hooks(tokens, fwd_hooks=watched{mask})
lengths = {lengths}
scores = {{}}  # kind -> [layer, head], the mean over the prompts that have such a stripe
for kind in {kinds}:
    found = []
    for row in {rows}:
        cells = stripe(kind, tokens[row, : lengths[row]].tolist())
        if cells:
            q, k = torch.tensor(cells, device=tokens.device).T
            means = torch.full((model.cfg.n_layers, model.cfg.n_heads), torch.nan, device=q.device)
            for layer, name in names.items():
                means[layer] = patterns[name][row][:, q, k].mean(dim=-1)
            found.append(means)
    if found:
        scores[kind] = torch.stack(found).mean(dim=0)
'''

_LOSSES = """
last = torch.tensor({last}, device=tokens.device)
real = {predicted}
nats = -logits[:, :-1].float().log_softmax(dim=-1).gather(-1, {following}[..., None])[..., 0]
losses = nats.masked_fill(~real, torch.nan){rows}.nanmean(dim=0)  # [pos], nats
"""


def score_script(session: Session, prompt: int | None = None) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``scores``: a tensor
    [layer, head] for each kind, of one prompt or the mean over those that have the stripe."""
    prompts = session.prompt_set
    return _after_run(session, ["scores"]) + _SCORES.format(
        mask=mask_argument(session),
        lengths=prompts.lengths.tolist(),
        kinds=SCORE_KINDS,
        layers=list(check_layers(session.facts, "scores", PATTERN)),
        rows=f"range({prompts.n_prompts})" if prompt is None else f"[{prompt}]",
    )


def effect_script(session: Session, kind: Kind) -> str:
    """What goes on after ``score_script`` and leaves ``loss_change`` [layer, head]: the mean loss
    with each head ablated as well, minus without. One hooked forward a head."""
    return loss_effects_code(session, kind)


def loss_script(session: Session, prompt: int | None = None) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``losses`` [pos] of
    one prompt or the mean, and of a repeated sequence the means over its ``halves``."""
    rows = "" if prompt is None else f"[{prompt} : {prompt + 1}]"
    last = session.prompt_set.positions.tolist()
    text = _LOSSES.format(last=last, rows=rows, **loss_parts(session))
    leaves = ["losses"]
    if (half := half_of(session, prompt)) is not None:
        leaves.append("halves")
        text += f"halves = losses[:{half}].nanmean(), losses[{half}:{2 * half}].nanmean()\n"
    return _after_run(session, leaves) + text


def _after_run(session: Session, leaves: list[str]) -> str:
    return script(list(session.interventions.active), session, leaves)
