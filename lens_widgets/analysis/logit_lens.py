"""The logit lens as labelled arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from torch import Tensor

from lens_widgets.analysis.lens import (
    NO_TOKEN,
    TARGET_NAMES,
    TARGETS,
    Lens,
    lens_at,
    lens_target,
    path_at,
)
from lens_widgets.analysis.patterns import token_texts
from lens_widgets.analysis.stages import model_stages
from lens_widgets.errors import InputError, check_choice
from lens_widgets.prompt_set import answer_id
from lens_widgets.token_text import token_text

if TYPE_CHECKING:
    from lens_widgets.session import Session


def logit_lens(
    session: Session,
    k: int = 5,
    *,
    incl_mid: bool = True,
    target: str | None = None,
    prompt: int | None = None,
    positions: Sequence[int] | None = None,
) -> xr.Dataset:
    """What each stage of the residual stream would predict, under the session's interventions.

    Dims prompt, stage, pos, k. ``tokens`` (ids, likeliest first) and their ``text``; ``probs``;
    ``rank`` (0 is first) and ``target_prob`` of the target; ``kl`` from the final distribution to
    the stage's, in nats. The last stage is the model's own prediction. Positions past a prompt's
    end hold -1 or NaN, as do targets that do not exist.

    Args:
        session: whose prompts and interventions.
        k: how many of the likeliest tokens.
        incl_mid: also between attention and MLP, in layers where one follows the other.
        target: whose rank: "answer" (the default with answers) at every position, or "next", the
            true next token of each.
        prompt: only this one; all by default.
        positions: only these; all by default.

    Raises:
        InputError: ``k``, ``prompt`` or ``positions`` out of range; no answers for "answer".
    """
    if target is not None:
        check_choice("target", target, TARGETS)
    chosen = lens_target(session, target)
    _check_range("k", k, 1, session.facts.d_vocab)
    prompts = range(session.prompt_set.n_prompts) if prompt is None else [prompt]
    for index in prompts:
        _check_range("prompt", index, 0, session.prompt_set.n_prompts - 1)
    longest = session.tokens.shape[1]
    places = list(range(longest) if positions is None else positions)
    for index, place in enumerate(places):
        _check_range(f"positions[{index}]", place, 0, longest - 1)
    if not places:
        raise InputError("positions is empty.", "Give at least one, or leave it out.")
    lenses = [_padded(session, row, places, chosen, k, incl_mid) for row in prompts]
    return _dataset(session, lenses, list(prompts), places, chosen, incl_mid)


def lens_path(
    session: Session,
    tokens: Sequence[str | int],
    *,
    prompt: int = 0,
    pos: int | None = None,
    incl_mid: bool = True,
) -> xr.Dataset:
    """Chosen tokens from stage to stage at one position, under the session's interventions.

    Dims stage, token: ``prob``, ``rank`` (0 is first) and ``logit``. ``pos`` is the prompt's last
    position by default. InputError for what is not a single token, or out of range.
    """
    _check_range("prompt", prompt, 0, session.prompt_set.n_prompts - 1)
    last = int(session.positions[prompt])
    place = last if pos is None else pos
    _check_range("pos", place, 0, last)
    ids = [answer_id(session.model, token, f"tokens[{i}]") for i, token in enumerate(tokens)]
    if not ids:
        raise InputError("tokens is empty.", 'Name at least one, for example [" Mary"].')
    path = path_at(session, session.run(), prompt, place, ids, incl_mid)
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
            "stage": [stage.name for stage in model_stages(session, incl_mid)],
            "token": ids,
            "text": ("token", [token_text(session.model.tokenizer, i) for i in ids]),
        },
        attrs={"metric": session.metric.name, "prompt": prompt, "pos": place},
    )


def _padded(
    session: Session, prompt: int, places: list[int], target: Any, k: int, incl_mid: bool
) -> Lens:
    """The lens of one prompt at all places asked for, those past its end empty."""
    length = int(session.prompt_set.lengths[prompt])
    inside = [i for i, place in enumerate(places) if place < length]
    here = torch.tensor([places[i] for i in inside], dtype=torch.long, device=session.device)
    shape = (len(model_stages(session, incl_mid)), len(places))
    device = session.device

    def blank(*rest: int, whole: bool = False) -> Tensor:
        value = NO_TOKEN if whole else float("nan")
        return torch.full((*shape, *rest), value, device=device)

    empty = Lens(blank(k, whole=True), blank(k), blank(whole=True), blank(), blank())
    if inside:
        lens = lens_at(session, session.run(), prompt, here, target, k, incl_mid)
        for name, values in vars(empty).items():
            values[:, inside] = getattr(lens, name)
    return empty


def _dataset(
    session: Session,
    lenses: list[Lens],
    prompts: list[int],
    places: list[int],
    target: Any,
    incl_mid: bool,
) -> xr.Dataset:
    dims = ("prompt", "stage", "pos")
    named = TARGET_NAMES[lens_target(session, target)]
    columns: dict[str, tuple[str, bool, str, str]] = {
        "tokens": ("tokens", True, "token id", "likeliest next tokens, likeliest first"),
        "probs": ("probs", True, "probability", "their probabilities"),
        "rank": ("rank", False, "rank, 0 is first", f"rank of {named}"),
        "target_prob": ("target_prob", False, "probability", f"probability of {named}"),
        "kl": ("kl", False, "nats", "KL divergence from the final distribution to the stage's"),
    }
    arrays = {}
    for name, (field, by_k, units, definition) in columns.items():
        values = torch.stack([getattr(lens, field) for lens in lenses]).cpu().numpy()
        attrs = {"units": units, "definition": definition}
        arrays[name] = ((*dims, "k") if by_k else dims, values, attrs)
    ids = arrays["tokens"][1]
    texts = {int(i): "" if i == NO_TOKEN else _text(session, int(i)) for i in set(ids.ravel())}
    shown = [texts[int(i)] for i in ids.ravel()]
    arrays["text"] = (
        (*dims, "k"),
        xr.DataArray(shown).values.reshape(ids.shape),
        {"definition": "the tokens as text"},
    )
    coords: dict[str, Any] = {
        "prompt": prompts,
        "stage": [stage.name for stage in model_stages(session, incl_mid)],
        "pos": places,
        "k": range(ids.shape[-1]),
    }
    if len(prompts) == 1:
        labels = [f"{text} {pos}" for pos, text in enumerate(token_texts(session, prompts[0]))]
        coords["token"] = ("pos", [labels[p] if p < len(labels) else "" for p in places])
    return xr.Dataset(arrays, coords=coords, attrs={"metric": session.metric.name, "target": named})


def _text(session: Session, token: int) -> str:
    return token_text(session.model.tokenizer, token)


def _check_range(argument: str, value: object, low: int, high: int) -> None:
    good = isinstance(value, int) and not isinstance(value, bool)
    if not good or not low <= value <= high:  # type: ignore[operator]
        raise InputError(f"{argument}={value!r} is out of range.", f"It runs from {low} to {high}.")
