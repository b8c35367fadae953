"""One stage at one position, and single tokens through the stages, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.analysis.attribution.stages import Stage, model_stages
from lens_widgets.analysis.logit_lens.lens import LensTarget, lens_at, path_at, target_tokens
from lens_widgets.errors import InputError, near
from lens_widgets.prompts.answers import answer_id

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

DEFAULT_FOLLOWED = 3


@dataclass(frozen=True)
class TopTokens:
    """What a stage would predict at a position: the union of the likeliest tokens of the baseline
    and the current run, likeliest now first, and after them the target where it is not among them.

    ``rank`` 0 is first; ``kl`` in nats, from each run's final distribution to the stage's.
    """

    tokens: list[int]
    target: int | None
    baseline: Float[Tensor, "token"]
    current: Float[Tensor, "token"]
    baseline_rank: Int[Tensor, "token"]
    current_rank: Int[Tensor, "token"]
    baseline_kl: float
    current_kl: float


def top_tokens(
    session: Session,
    prompt: int,
    stage: str,
    pos: int,
    *,
    target: LensTarget,
    incl_mid: bool,
    k: int,
) -> TopTokens:
    """The ``k`` likeliest tokens of both runs at one stage and position, as ``TopTokens``.

    InputError for a stage that the model does not have.
    """
    stages = _ending_in_final(session, stage, incl_mid)
    place = torch.tensor([pos], device=session.device)
    clean, now = session.run(()), session.run()
    before = lens_at(session, clean, prompt, place, stages=stages, target=target, k=k)
    after = lens_at(session, now, prompt, place, stages=stages, target=target, k=k)
    wanted = int(target_tokens(session, prompt, target)[pos])
    tops = torch.cat([after.tokens[0, 0], before.tokens[0, 0]]).unique().tolist()
    ids = tops if wanted < 0 or wanted in tops else [*tops, wanted]
    paths = [path_at(session, run, prompt, pos, ids, stages) for run in (clean, now)]
    listed = paths[1].prob[0, : len(tops)].argsort(descending=True, stable=True).tolist()
    order = [*listed, *range(len(tops), len(ids))]
    return TopTokens(
        tokens=[ids[i] for i in order],
        target=wanted if wanted >= 0 else None,
        baseline=paths[0].prob[0, order],
        current=paths[1].prob[0, order],
        baseline_rank=paths[0].rank[0, order],
        current_rank=paths[1].rank[0, order],
        baseline_kl=float(before.kl[0, 0]),
        current_kl=float(after.kl[0, 0]),
    )


def followed_tokens(session: Session, prompt: int, pos: int, pins: Sequence[int]) -> list[int]:
    """The pinned tokens; without any the prompt's answers, or what is likeliest at the end.

    InputError for a pin that is no token of the model.
    """
    if pins:
        return [answer_id(session.model, token, f"pins[{i}]") for i, token in enumerate(pins)]
    if session.answer_tokens is not None:
        return list(dict.fromkeys(session.answer_tokens[prompt].tolist()))
    final = model_stages(session)[-1:]
    place = torch.tensor([pos], device=session.device)
    k = min(DEFAULT_FOLLOWED, session.prompt_set.n_logits)
    found = lens_at(session, session.run(), prompt, place, stages=final, target="next", k=k)
    return [int(token) for token in found.tokens[0, 0].tolist()]


def _ending_in_final(session: Session, name: str, incl_mid: bool) -> list[Stage]:
    """The stage asked for and the final one, which it is compared with."""
    stages = {stage.name: stage for stage in model_stages(session, incl_mid)}
    final = list(stages.values())[-1]
    stage = stages.get(name)
    if stage is None:
        hint = near(name, stages) or f"Stages run from 0_pre to {final.name}."
        raise InputError(f"stage={name!r} is not a stage of this model.", hint)
    return [stage] if stage is final else [stage, final]
