"""The logit lens: what the model would predict if it stopped at each stage of the residual stream.

Each stage goes through the final norm, with the statistics that stage itself has, and the
unembedding. Source: nostalgebraist, interpreting GPT: the logit lens (2020), as in
TransformerLens's ``tools.analysis.logit_lens``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.attention.patterns import Which
from lens_widgets.analysis.attribution.stages import Stage, edited_past_norm, read_stages
from lens_widgets.engine.forward import unembed
from lens_widgets.engine.model import TransformerModel, call_there
from lens_widgets.errors import InputError
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

LensTarget = Literal["answer", "next"]
TARGETS = ("answer", "next")
TARGET_NAMES: dict[LensTarget, str] = {
    "answer": "the correct answer",
    "next": "the true next token",
}

CHUNK_ELEMENTS = 1 << 23
"""Logits held at once, over stages and positions together: 32 MiB a copy in float32."""

NO_TOKEN = -1


@dataclass(frozen=True)
class Lens:
    """The lens at some positions of one prompt, on the model's device.

    ``rank`` (0 = first) and ``target_prob`` are those of the target token, -1 and NaN where a
    position has none. ``kl`` in nats: of the stage's distribution from the run's final one.
    """

    tokens: Int[Tensor, "stage pos k"]
    probs: Float[Tensor, "stage pos k"]
    rank: Int[Tensor, "stage pos"]
    target_prob: Float[Tensor, "stage pos"]
    kl: Float[Tensor, "stage pos"]


@dataclass(frozen=True)
class Path:
    """Chosen tokens from stage to stage at one position: probability, rank (0 = first), logit."""

    prob: Float[Tensor, "stage token"]
    rank: Int[Tensor, "stage token"]
    logit: Float[Tensor, "stage token"]


def lens_target(session: Session, target: str | None = None) -> LensTarget:
    """Which token's rank is told: the answer's where there are answers, or the true next token's.

    InputError for the answer in a session without answers.
    """
    answers = session.answer_tokens is not None
    if target is None:
        return "answer" if answers else "next"
    if target == "answer" and not answers:
        raise InputError(
            "target='answer' needs answers.",
            'Pass answers=[(" Mary", " John")] to lw.Session, or choose target="next".',
        )
    return "answer" if target == "answer" else "next"


def target_name(session: Session, target: LensTarget) -> str:
    """Whose rank is told, in words."""
    answers = session.prompt_set.answers
    several = answers is not None and any(len(ids) > 1 for ids in answers.correct)
    return "the first correct answer" if several and target == "answer" else TARGET_NAMES[target]


def target_tokens(session: Session, prompt: int, target: LensTarget) -> Int[Tensor, "pos"]:
    """The target at each position of one prompt, of several correct answers the first;
    ``NO_TOKEN`` where there is none."""
    length = int(session.prompt_set.lengths[prompt])
    if target == "answer":
        assert session.answer_tokens is not None
        return session.answer_tokens[prompt, 0].expand(length)
    following = session.tokens[prompt, :length].roll(-1)
    return following.where(session.prompt_set.predicted[prompt, :length], NO_TOKEN)


def lens_at(
    session: Session,
    run: Run,
    prompt: int,
    positions: Int[Tensor, "pos"],
    *,
    stages: Sequence[Stage],
    target: LensTarget,
    k: int,
    tokens: Int[Tensor, "stage pos k"] | None = None,
) -> Lens:
    """The lens of ``run`` at some positions of one prompt.

    The last of ``stages`` is the model's final one. With ``tokens``, ``probs`` are theirs in place
    of those of the ``k`` likeliest.
    """
    session, prompt, run = session.around(prompt, run)
    wanted = target_tokens(session, prompt, target)[positions]
    parts: list[Lens] = []
    for chunk, groups in _logits(session, run, stages, prompt, positions):
        found: list[Lens] = []
        final: _Final | None = None
        for chosen, logits in groups:
            # The last stage comes first: all others are compared with it.
            final = _final(logits[0]) if final is None else final
            asked = None if tokens is None else tokens[chosen, chunk]
            found.append(_cells(logits, final, wanted[chunk], k, asked))
        parts.append(_joined([*found[1:], found[0]], 0))
    return _joined(parts, 1)


def lens_of(
    session: Session,
    which: Which,
    prompt: int,
    positions: Int[Tensor, "pos"],
    *,
    stages: Sequence[Stage],
    target: LensTarget,
    k: int,
) -> tuple[Lens, Int[Tensor, "stage pos k"]]:
    """The lens of the baseline or the current run; or current minus baseline.

    A difference has the current run's likeliest tokens, and how each of their probabilities, the
    target's rank and probability, and the divergence changed. Second, the tokens that were
    likeliest before; of a lens that is no difference, its own.
    """
    chosen: dict[str, Any] = {"stages": stages, "target": target, "k": k}
    clean = session.run(())
    if which == "baseline":
        lens = lens_at(session, clean, prompt, positions, **chosen)
        return lens, lens.tokens
    now = lens_at(session, session.run(), prompt, positions, **chosen)
    if which == "current":
        return now, now.tokens
    before = lens_at(session, clean, prompt, positions, tokens=now.tokens, **chosen)
    # A position without a target has no change of rank either; 0 says so as -1 cannot.
    change = Lens(
        now.tokens,
        now.probs - before.probs,
        now.rank - before.rank,
        now.target_prob - before.target_prob,
        now.kl - before.kl,
    )
    return change, before.tokens


def path_at(
    session: Session,
    run: Run,
    prompt: int,
    position: int,
    tokens: Sequence[int],
    stages: Sequence[Stage],
) -> Path:
    """Some tokens' way through the stages at one position of one prompt."""
    session, prompt, run = session.around(prompt, run)
    ids = torch.tensor(list(tokens), dtype=torch.long, device=session.device)
    positions = torch.tensor([position], device=session.device)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for _, groups in _logits(session, run, stages, prompt, positions):
        for _, group in groups:
            logits = group[:, 0]
            chosen = logits[:, ids]
            probs = (chosen - logits.logsumexp(dim=-1, keepdim=True)).exp()
            # One token at a time: never [stage, token, d_vocab].
            ranks = [(logits > chosen[:, i, None]).sum(dim=-1) for i in range(len(ids))]
            found.append((probs, torch.stack(ranks, dim=1), chosen))
    ordered = [*found[1:], found[0]]
    prob, rank, logit = (torch.cat(part) for part in zip(*ordered, strict=True))
    return Path(prob, rank, logit)


Group = tuple[slice, Float[Tensor, "stage pos d_vocab"]]
"""Which stages, and their logits."""


def _logits(
    session: Session, run: Run, stages: Sequence[Stage], prompt: int, positions: Int[Tensor, "pos"]
) -> Iterator[tuple[slice, Iterator[Group]]]:
    """Chunks of positions, each with the last stage's logits and then groups of earlier stages'.

    Never more than ``CHUNK_ELEMENTS`` of them at once, or one row of the vocabulary.
    """
    rows = max(1, CHUNK_ELEMENTS // session.prompt_set.n_logits)
    streams = read_stages(run, stages, lambda activation: activation[prompt, positions])
    past_norm = edited_past_norm(session, run)
    for start in range(0, len(positions), rows):
        chunk = slice(start, min(start + rows, len(positions)))

        def groups(chunk: slice = chunk) -> Iterator[Group]:
            last = len(streams) - 1
            if past_norm:
                final = run.logits[prompt, positions[chunk]].float()
            else:
                final = _read(run, streams[last][chunk])
            yield slice(last, last + 1), final[None]
            at_once = max(1, rows // (chunk.stop - chunk.start))
            for first in range(0, last, at_once):
                chosen = slice(first, min(first + at_once, last))
                yield chosen, _read(run, torch.stack([s[chunk] for s in streams[chosen]]))

        yield chunk, groups()


def _read(run: Run, resid: Float[Tensor, "*n d_model"]) -> Float[Tensor, "*n d_vocab"]:
    """Logits of a stream as if it were the final one, in float32."""
    rows = resid.reshape(1, -1, resid.shape[-1])

    def read(model: TransformerModel) -> Tensor:
        return unembed(model, call_there(model.ln_final, rows))

    return run.compute(read).float().reshape(*resid.shape[:-1], -1)


@dataclass(frozen=True)
class _Final:
    """The final distribution at each position, and the sum of p log p."""

    probs: Float[Tensor, "pos d_vocab"]
    plogp: Float[Tensor, "pos"]


def _final(logits: Float[Tensor, "pos d_vocab"]) -> _Final:
    norm = logits.logsumexp(dim=-1)
    probs = (logits - norm[:, None]).exp_()
    return _Final(probs, torch.einsum("pv,pv->p", probs, logits) - norm)


def _cells(
    logits: Float[Tensor, "stage pos d_vocab"],
    final: _Final,
    wanted: Int[Tensor, "pos"],
    k: int,
    tokens: Int[Tensor, "stage pos k"] | None,
) -> Lens:
    # Sums over the vocabulary, one pass each: nothing as large as the logits is made.
    norm = logits.logsumexp(dim=-1)
    cross = torch.einsum("pv,spv->sp", final.probs, logits) - norm
    known = wanted >= 0
    index = wanted.clamp(min=0)[None, :, None].expand(len(logits), -1, 1)
    target = logits.gather(-1, index)
    rank = (logits > target).sum(dim=-1)
    prob = (target[..., 0] - norm).exp()
    top = logits.topk(k, dim=-1).indices
    asked = top if tokens is None else tokens
    return Lens(
        tokens=top,
        probs=(logits.gather(-1, asked) - norm[..., None]).exp(),
        rank=rank.where(known, rank.new_tensor(NO_TOKEN)),
        target_prob=prob.where(known, prob.new_tensor(float("nan"))),
        # Rounding alone can make it negative.
        kl=(final.plogp - cross).clamp(min=0),
    )


def _joined(parts: Sequence[Lens], dim: int) -> Lens:
    fields = ("tokens", "probs", "rank", "target_prob", "kl")
    return Lens(*(torch.cat([getattr(part, name) for part in parts], dim=dim) for name in fields))
