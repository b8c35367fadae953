"""The logit lens as labelled arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lens_widgets.analysis.attention.patterns import WHICH, Which, token_texts
from lens_widgets.analysis.attribution.stages import Stage, model_stages
from lens_widgets.analysis.logit_lens.lens import (
    NO_TOKEN,
    TARGETS,
    Lens,
    LensTarget,
    lens_of,
    lens_target,
    path_at,
    target_name,
)
from lens_widgets.engine.current import one_call
from lens_widgets.errors import InputError, check_choice
from lens_widgets.prompts.answers import answer_id
from lens_widgets.prompts.token_text import token_text

if TYPE_CHECKING:
    from lens_widgets.session.session import Session


@one_call()
def logit_lens(
    session: Session,
    k: int = 5,
    *,
    which: Which = "current",
    incl_mid: bool = True,
    target: str | None = None,
    prompt: int | None = None,
    positions: Sequence[int] | None = None,
) -> xr.Dataset:
    """What each stage of the residual stream would predict if the model ended there.

    Under the session's interventions; each stage is given to the final norm and the unembedding.
    For ``which="difference"`` all but the tokens are current minus baseline, with the tokens that
    are likeliest now; a rank that does not exist has not changed.

    Args:
        session: whose prompts and interventions.
        k: how many of the likeliest tokens.
        which: ``"current"``, under the interventions; ``"baseline"``, without them; or
            ``"difference"``.
        incl_mid: also between attention and MLP, in layers where one follows the other.
        target: whose rank: ``"answer"`` (the default with answers) at every position, or
            ``"next"``, the true next token of each.
        prompt: only this one; all by default.
        positions: only these; all by default.

    Returns:
        Dims prompt, stage, pos, k: ``tokens`` (ids, likeliest first), their ``text`` and ``probs``;
        ``rank`` (0 is first) and ``target_prob`` of the target; ``kl`` from the final distribution
        to the stage's, in nats. The last stage is the model's own prediction. Positions past a
        prompt's end hold -1 or NaN, as do targets that do not exist.

    Raises:
        InputError: ``k``, ``prompt`` or ``positions`` out of range; no answers for ``"answer"``.

    Source:
        nostalgebraist, interpreting GPT: the logit lens (2020); TransformerLens's
        ``ActivationCache.accumulated_resid``.

    Examples:
        >>> lens = lw.analysis.logit_lens(session, k=1, positions=[14])
        >>> str(lens["text"].sel(prompt=0, stage="final_post").item())
        '·Mary'
    """
    check_choice("which", which, WHICH)
    if target is not None:
        check_choice("target", target, TARGETS)
    chosen = lens_target(session, target)
    _check_range("k", k, 1, session.prompt_set.n_logits)
    prompts = range(session.prompt_set.n_prompts) if prompt is None else [prompt]
    for index in prompts:
        _check_range("prompt", index, 0, session.prompt_set.n_prompts - 1)
    longest = session.tokens.shape[1]
    positions = list(range(longest) if positions is None else positions)
    for index, position in enumerate(positions):
        _check_range(f"positions[{index}]", position, 0, longest - 1)
    if not positions:
        raise InputError("positions is empty.", "Give at least one, or leave it out.")
    asked = _Asked(which, positions, model_stages(session, incl_mid), chosen, k)
    return _dataset(session, [_padded(session, row, asked) for row in prompts], prompts, asked)


@one_call()
def lens_path(
    session: Session,
    tokens: Sequence[str | int],
    *,
    prompt: int = 0,
    pos: int | None = None,
    incl_mid: bool = True,
) -> xr.Dataset:
    """Chosen tokens from stage to stage of the residual stream, at one position.

    Under the session's interventions; each stage is given to the final norm and the unembedding.

    Args:
        session: whose prompts and interventions.
        tokens: single tokens, as text or ids.
        prompt: which prompt, from 0.
        pos: the position; the prompt's last one by default.
        incl_mid: also between attention and MLP, in layers where one follows the other.

    Returns:
        Dims stage, token: ``prob`` (probability), ``rank`` (0 is first) and ``logit`` (logits);
        ``text`` names the tokens.

    Raises:
        InputError: what is not a single token; ``prompt`` or ``pos`` out of range.

    Source:
        nostalgebraist, interpreting GPT: the logit lens (2020); TransformerLens's
        ``ActivationCache.accumulated_resid``.

    Examples:
        >>> path = lw.analysis.lens_path(session, [" Mary", " John"])
        >>> int(path["rank"].sel(stage="final_post")[0])
        0
    """
    _check_range("prompt", prompt, 0, session.prompt_set.n_prompts - 1)
    last = int(session.positions[prompt])
    position = last if pos is None else pos
    _check_range("pos", position, 0, last)
    ids = [answer_id(session.model, token, f"tokens[{i}]") for i, token in enumerate(tokens)]
    if not ids:
        raise InputError("tokens is empty.", 'Name at least one, for example [" Mary"].')
    stages = model_stages(session, incl_mid)
    path = path_at(session, session.run(), prompt, position, ids, stages)
    columns = {
        "prob": (path.prob, "probability"),
        "rank": (path.rank, "rank, 0 is first"),
        "logit": (path.logit, "logits"),
    }
    return xr.Dataset(
        {
            name: (("stage", "token"), values.cpu().numpy(), {"units": units})
            for name, (values, units) in columns.items()
        },
        coords={
            "stage": [stage.name for stage in stages],
            "token": ids,
            "text": ("token", [token_text(session.model.tokenizer, i) for i in ids]),
        },
        attrs={"metric": session.metric.name, "prompt": prompt, "pos": position},
    )


@dataclass(frozen=True)
class _Asked:
    which: Which
    positions: list[int]
    stages: list[Stage]
    target: LensTarget
    k: int


def _padded(session: Session, prompt: int, asked: _Asked) -> Lens:
    """The lens of one prompt at all positions asked for, those past its end empty."""
    length = int(session.prompt_set.lengths[prompt])
    inside = [i for i, position in enumerate(asked.positions) if position < length]
    device = session.device
    here = torch.tensor([asked.positions[i] for i in inside], dtype=torch.long, device=device)
    shape = (len(asked.stages), len(asked.positions))

    def blank(value: float, *rest: int) -> Tensor:
        return torch.full((*shape, *rest), value, device=device)

    none, unknown, k = NO_TOKEN, float("nan"), asked.k
    no_rank = 0 if asked.which == "difference" else none
    empty = Lens(blank(none, k), blank(unknown, k), blank(no_rank), blank(unknown), blank(unknown))
    if inside:
        options: dict[str, Any] = {"stages": asked.stages, "target": asked.target, "k": k}
        lens, _ = lens_of(session, asked.which, prompt, here, **options)
        for name, values in vars(empty).items():
            values[:, inside] = getattr(lens, name)
    return empty


def described(session: Session, which: Which, target: LensTarget) -> dict[str, tuple[str, str]]:
    """Units and definition of each number of a ``Lens``, by its field."""
    named = target_name(session, target)
    change = "change of the " if which == "difference" else ""
    return {
        "probs": ("probability", f"{change}probability of each of the tokens"),
        "rank": ("ranks" if change else "rank, 0 is first", f"{change}rank of {named}"),
        "target_prob": ("probability", f"{change}probability of {named}"),
        "kl": ("nats", f"{change}KL divergence from the final distribution to the stage's"),
    }


def _dataset(
    session: Session, lenses: list[Lens], prompts: Sequence[int], asked: _Asked
) -> xr.Dataset:
    dims = ("prompt", "stage", "pos")
    columns = {
        "tokens": ("token id", "likeliest next tokens, likeliest first"),
        **described(session, asked.which, asked.target),
    }
    arrays: dict[str, Any] = {}
    for name, (units, definition) in columns.items():
        values = torch.stack([getattr(lens, name) for lens in lenses]).cpu().numpy()
        attrs = {"units": units, "definition": definition}
        arrays[name] = ((*dims, "k")[: values.ndim], values, attrs)
    ids = arrays["tokens"][1]
    tokenizer = session.model.tokenizer
    texts = {int(i): "" if i == NO_TOKEN else token_text(tokenizer, int(i)) for i in np.unique(ids)}
    shown = np.array([texts[int(i)] for i in ids.ravel()]).reshape(ids.shape)
    arrays["text"] = ((*dims, "k"), shown, {"definition": "the tokens as text"})
    coords: dict[str, Any] = {
        "prompt": list(prompts),
        "stage": [stage.name for stage in asked.stages],
        "pos": asked.positions,
        "k": range(asked.k),
    }
    if len(prompts) == 1:
        labels = [f"{text} {pos}" for pos, text in enumerate(token_texts(session, prompts[0]))]
        coords["token"] = ("pos", [labels[p] if p < len(labels) else "" for p in asked.positions])
    attrs = {
        "metric": session.metric.name,
        "target": target_name(session, asked.target),
        "which": asked.which,
    }
    return xr.Dataset(arrays, coords=coords, attrs=attrs)


def _check_range(argument: str, value: object, low: int, high: int) -> None:
    good = isinstance(value, int) and not isinstance(value, bool)
    if not good or not low <= value <= high:  # type: ignore[operator]
        raise InputError(f"{argument}={value!r} is out of range.", f"It runs from {low} to {high}.")
