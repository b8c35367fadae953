"""A session's metric written out: a plain function of the logits, as scripts use it."""

from __future__ import annotations

from lens_widgets.interventions.code import mask_argument
from lens_widgets.prompts.token_text import token_text
from lens_widgets.session.measured import MeasuredModel

_BODIES = {
    "logit_diff": """final = logits[rows, last].float()
    return final[rows, answers[:, 0]] - final[rows, answers[:, 1]]""",
    "prob": """final = logits[rows, last].float()
    return final.softmax(dim=-1)[rows, answers[:, 0]]""",
    "loss": """nats = -logits[:, :-1].float().log_softmax(dim=-1).gather(-1, tokens[:, 1:, None])
    real = torch.arange(tokens.shape[1] - 1, device=tokens.device) < last[:, None]
    return (nats[..., 0] * real).sum(dim=1) / real.sum(dim=1)""",
    "kl": """pair = [x[rows, last].float().log_softmax(dim=-1) for x in (reference, logits)]
    before, after = pair
    return (before.exp() * (before - after)).sum(dim=-1)""",
}


def is_written_out(session: MeasuredModel) -> bool:
    """False for a metric of the user's own that does not say how it is written.

    One that does has a method ``code() -> str``: the body of a function of ``logits``, in lines
    without indentation, that uses torch and nothing else.
    """
    requested = session.requested_metric
    return not callable(requested) or callable(getattr(requested, "code", None))


def metric_code(session: MeasuredModel, name: str | None = None) -> str:
    """Lines that define ``metric(logits) -> [prompt]``, with what it needs.

    ``name`` writes one of the built-in metrics instead. Nothing for a metric that cannot be
    written out: a script then expects ``metric`` in scope, see ``expected``.
    """
    if name is None and not is_written_out(session):
        return ""
    own = name is None and callable(session.requested_metric)
    name = name or session.metric.name
    body = _own(session) if own else _BODIES[name]
    lines = [] if own else _needed(session, name)
    lines += ["", "", "def metric(logits):  # [prompt, pos, d_vocab] -> [prompt]", f"    {body}"]
    return "\n".join(lines)


def _needed(session: MeasuredModel, name: str) -> list[str]:
    prompts, device = session.prompt_set, "device=tokens.device"
    lines = [f"last = torch.tensor({prompts.positions.tolist()}, {device})"]
    if name != "loss":
        lines.append(f"rows = torch.arange({prompts.n_prompts}, {device})")
    if name in ("logit_diff", "prob"):
        lines += answer_lines(session)
    if name == "kl":
        run = f"model.run_with_hooks(tokens, fwd_hooks=[]{mask_argument(session)})"
        lines += ["with torch.no_grad():", f"    reference = {run}"]
    return lines


def expected(session: MeasuredModel) -> tuple[str, ...]:
    """What a script that measures the metric needs in scope."""
    return ("model", "tokens") if is_written_out(session) else ("model", "tokens", "metric")


def _own(session: MeasuredModel) -> str:
    text: str = session.requested_metric.code()
    return text.strip().replace("\n", "\n    ")


def answer_lines(session: MeasuredModel) -> list[str]:
    """Lines that define ``answers`` [prompt, 2], the ids of the correct and the wrong tokens."""
    pairs = session.prompt_set.answer_tokens
    assert pairs is not None
    lines = ["answers = torch.tensor(", "    ["]
    for correct, wrong in pairs.tolist():
        texts = [token_text(session.model.tokenizer, token) for token in (correct, wrong)]
        lines.append(f"        [{correct}, {wrong}],  # {texts[0]}, not {texts[1]}")
    return [*lines, "    ],", "    device=tokens.device,", ")"]
