"""A session's metric written out: a plain function of the logits, as scripts use it."""

from __future__ import annotations

from lens_widgets.interventions.code import mask_argument
from lens_widgets.prompts.token_text import token_text
from lens_widgets.session.measured import MeasuredModel

_FINAL = "final = logits[rows, last].float()\n    "
_PAIRS = {
    "logit_diff": "return final[rows, answers[:, 0]] - final[rows, answers[:, 1]]",
    "log_prob": "return final.log_softmax(dim=-1)[rows, answers[:, 0]]",
    "prob": "return final.softmax(dim=-1)[rows, answers[:, 0]]",
}
_SETS = {
    "logit_diff": "return (final.gather(1, answers) * weights).sum(dim=-1)",
    "log_prob": """log_probs = final.log_softmax(dim=-1).gather(1, answers)
    return (log_probs * weights).sum(dim=-1)""",
    "prob": "return (final.softmax(dim=-1).gather(1, answers) * (weights > 0)).sum(dim=-1)",
}
_LOSS = """nats = -logits[:, :-1].float().log_softmax(dim=-1).gather(-1, {following}[..., None])
    real = {predicted}
    return (nats[..., 0] * real).sum(dim=1) / real.sum(dim=1)"""
_KL = """pair = [x[rows, last].float().log_softmax(dim=-1) for x in (reference, logits)]
    before, after = pair
    return (before.exp() * (before - after)).sum(dim=-1)"""
_ENDS = "torch.stack([row.roll(-n, dims=0) for row, n in zip(logits, {lengths})])"


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
    own = name is None and callable(session.requested_metric)
    if own and not is_written_out(session):
        if not _counts_from_end(session):
            return ""
        lines = ["", "own_metric = metric"]
        body = f"return own_metric({_ENDS.format(lengths=session.prompt_set.lengths.tolist())})"
    elif own:
        lines, body = [], _own(session)
    else:
        name = name or session.metric.name
        lines, body = _needed(session, name), _body(session, name)
    lines += ["", "", "def metric(logits):  # [prompt, pos, d_vocab] -> [prompt]", f"    {body}"]
    return "\n".join(lines)


def _body(session: MeasuredModel, name: str) -> str:
    if name == "loss":
        return _LOSS.format(**loss_parts(session))
    if name == "kl":
        return _KL
    return _FINAL + (_SETS if _in_sets(session, name) else _PAIRS)[name]


def loss_parts(session: MeasuredModel) -> dict[str, str]:
    """Code for the next token of each position but the last, as an index, and for where a prompt
    has one that the model has a logit for; ``tokens`` and ``last`` are in scope."""
    following = "tokens[:, 1:]"
    predicted = "torch.arange(tokens.shape[1] - 1, device=tokens.device) < last[:, None]"
    n_logits = session.prompt_set.n_logits
    if n_logits >= session.facts.d_vocab:
        return {"following": following, "predicted": predicted}
    return {
        "following": f"{following}.clamp(max={n_logits - 1})",
        "predicted": f"({predicted}) & ({following} < {n_logits})",
    }


def _in_sets(session: MeasuredModel, name: str) -> bool:
    """Whether a metric is a mean or a sum over several answers of a prompt."""
    answers = session.prompt_set.answers
    assert answers is not None
    read = (*answers.correct, *(answers.wrong if name == "logit_diff" else ()))
    return any(len(ids) > 1 for ids in read)


def _counts_from_end(session: MeasuredModel) -> bool:
    own, padded = session.metric.own, session.prompt_set.attention_mask is not None
    return padded and own is not None and own.counts_from == "end"


def _needed(session: MeasuredModel, name: str) -> list[str]:
    prompts, device = session.prompt_set, "device=tokens.device"
    lines = [f"last = torch.tensor({prompts.positions.tolist()}, {device})"]
    if name != "loss":
        lines.append(f"rows = torch.arange({prompts.n_prompts}, {device})")
    if name in _PAIRS:
        # The share of a wrong answer in a metric of the correct ones is 0.
        lines += answer_lines(session, correct_only=name != "logit_diff")
    if name == "kl":
        run = f"model.run_with_hooks(tokens, fwd_hooks=[]{mask_argument(session)})"
        lines += ["with torch.no_grad():", f"    reference = {run}"]
    return lines


def expected(session: MeasuredModel) -> tuple[str, ...]:
    """What a script that measures the metric needs in scope."""
    return ("model", "tokens") if is_written_out(session) else ("model", "tokens", "metric")


def _own(session: MeasuredModel) -> str:
    text: str = session.requested_metric.code().strip()
    if _counts_from_end(session):
        ends = _ENDS.format(lengths=session.prompt_set.lengths.tolist())
        text = f"logits = {ends}  # each prompt's last position at -1\n{text}"
    return text.replace("\n", "\n    ")


def answer_lines(session: MeasuredModel, *, correct_only: bool = False) -> list[str]:
    """Lines that define ``answers`` [prompt, answer], the ids of the correct tokens and, behind
    them, of the wrong ones; where a prompt has several of a kind also ``weights``, what the logit
    of each counts in the logit difference, or with ``correct_only`` in a mean of correct ones."""
    answers = session.prompt_set.answers
    assert answers is not None
    lines = ["answers = torch.tensor(", "    ["]
    rows = zip(answers.tokens.tolist(), answers.correct, answers.wrong, strict=True)
    for row, correct, wrong in rows:
        texts = [
            " or ".join(token_text(session.model.tokenizer, token) for token in ids)
            for ids in (correct, wrong)
        ]
        lines.append(f"        {row},  # {', not '.join(text for text in texts if text)}")
    lines += ["    ],", "    device=tokens.device,", ")"]
    if any(len(ids) > 1 for ids in (*answers.correct, *answers.wrong)):
        shares = answers.correct_weights if correct_only else answers.weights
        written = [[float(f"{share:.9g}") for share in row] for row in shares.tolist()]
        lines.append(f"weights = torch.tensor({written}, device=tokens.device)")
    return lines
