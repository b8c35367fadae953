"""Losses, probabilities and ranks of next tokens as code that needs nothing of lens_widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_widgets.analysis.script_parts import begin, check_prompt
from lens_widgets.interventions.code import mask_argument

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

_CODE = '''

def token_stats(fwd_hooks):
    """Of each true next token [prompt, pos]: its loss in nats, its probability, and its rank, 0 for
    the likeliest; NaN, NaN and -1 where a prompt has no next token."""
    with torch.no_grad():
        logits = model.run_with_hooks(tokens, fwd_hooks=fwd_hooks{mask}).float()
    next_tokens = tokens.roll(-1, dims=1)
    last = torch.tensor({last}, device=tokens.device)
    none = torch.arange(tokens.shape[1], device=tokens.device) >= last[:, None]
{beyond}    next_tokens = next_tokens.masked_fill(none, 0)[..., None]
    loss = -logits.log_softmax(dim=-1).gather(-1, next_tokens)[..., 0]
    rank = (logits > logits.gather(-1, next_tokens)).sum(dim=-1)
    loss = loss.masked_fill(none, torch.nan)
    return loss, (-loss).exp(), rank.masked_fill(none, -1)


'''


def token_script(session: Session, prompt: int | None = None) -> str:
    """A script that expects ``model`` and ``tokens`` [prompt, pos] and leaves ``loss``, ``prob``
    and ``rank`` [prompt, pos], or with ``prompt`` [pos], under the interventions.

    Where there are interventions, ``baseline_loss``, ``baseline_prob`` and ``baseline_rank`` are
    what it is without them. The numbers of ``token_loss`` and of ``TokenView``.
    """
    check_prompt(session, prompt)
    active = session.interventions.active
    names = ["loss", "prob", "rank"]
    leaves = [*names, *(f"baseline_{name}" for name in names)] if active else names
    n_logits, beyond = session.prompt_set.n_logits, ""
    if n_logits < session.facts.d_vocab:
        beyond = f"    none = none | (next_tokens >= {n_logits})  # no logit of these\n"
    code = _CODE.format(mask=mask_argument(session), last=session.positions.tolist(), beyond=beyond)
    picked = ""
    if prompt is not None:
        length = int(session.prompt_set.lengths[prompt])
        picked = f"x[{prompt}, :{length}] for x in "
    lines = [f"{', '.join(names)} = ({picked}token_stats(fwd_hooks))"]
    if active:
        lines.append(f"{', '.join(leaves[3:])} = ({picked}token_stats([]))")
    return begin(session, leaves) + code + "\n".join(lines) + "\n"
