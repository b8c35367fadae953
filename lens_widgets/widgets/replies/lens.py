"""Replies with the logit lens, a window of positions at a time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lens_widgets.analysis.attribution.accumulated import accumulated, contributions
from lens_widgets.analysis.attribution.decomposition import decompose
from lens_widgets.analysis.attribution.readout import DEFINITIONS
from lens_widgets.analysis.attribution.stages import Stage, model_stages
from lens_widgets.analysis.labels import standard_error
from lens_widgets.analysis.logit_lens.lens import (
    TARGET_NAMES,
    LensTarget,
    lens_at,
    lens_of,
    lens_target,
    path_at,
    target_tokens,
)
from lens_widgets.analysis.logit_lens.lens_script import lens_script
from lens_widgets.errors import InputError, near
from lens_widgets.prompts.prompt_set import answer_id
from lens_widgets.session.session import Session
from lens_widgets.widgets.replies.common import check_prompt, summary
from lens_widgets.widgets.replies.tokens import token_info, tokens
from lens_widgets.wire.arrays import exact, integers

MAX_COLUMNS = 64
"""Positions of one reply: with a hundred stages its arrays stay under 200 kB."""

DEFAULT_COLUMNS = 16
MAX_K = 50
DEFAULT_PINS = 3


def lens(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The likeliest token of each stage and position of a window, and the target's rank."""
    shown = tokens(session, args)
    prompt, length = shown["prompt"], len(shown["tokens"])
    count = min(max(args.get("count", DEFAULT_COLUMNS), 1), MAX_COLUMNS, length)
    start = min(max(args.get("start", length), 0), length - count)
    places = torch.arange(start, start + count, device=session.device)
    stages = model_stages(session, args["incl_mid"])
    target = _target(session, args)
    options: dict[str, Any] = {"stages": stages, "target": target, "k": 1}
    found, before = lens_of(session, args["which"], prompt, places, **options)
    token, was = found.tokens[..., 0], before[..., 0]
    known = torch.cat([token.flatten(), was.flatten()]).unique().tolist()
    wanted = target_tokens(session, prompt, target)[places].tolist()
    return {
        "summary": shown["summary"],
        "tokens": shown,
        "which": args["which"],
        "stages": [stage.name for stage in stages],
        "layers": [stage.layer for stage in stages],
        "start": start,
        "token": integers(token),
        "was": integers(was),
        "prob": exact(found.probs[..., 0]),
        "rank": integers(found.rank),
        "target_prob": exact(found.target_prob),
        "kl": exact(found.kl),
        "texts": [token_info(session, i) for i in known],
        "targets": [None if i < 0 else token_info(session, i) for i in wanted],
        "target": TARGET_NAMES[target],
        "d_vocab": session.facts.d_vocab,
    }


def lens_cell(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The k likeliest tokens of one stage at one position, before and after."""
    prompt = check_prompt(session, args["prompt"])
    pos = _position(session, prompt, args["pos"])
    stages = _ending_in_final(session, args)
    target = _target(session, args)
    k = min(max(args["k"], 1), MAX_K, session.facts.d_vocab)
    place = torch.tensor([pos], device=session.device)
    runs = {"baseline": session.run(()), "current": session.run()}
    found = {
        which: lens_at(session, run, prompt, place, stages=stages, target=target, k=k)
        for which, run in runs.items()
    }
    wanted = int(target_tokens(session, prompt, target)[pos])
    tops = torch.cat([one.tokens[0, 0] for one in found.values()]).tolist()
    ids = list(dict.fromkeys([*tops, *([wanted] if wanted >= 0 else [])]))
    paths = {w: path_at(session, run, prompt, pos, ids, stages) for w, run in runs.items()}
    told: list[dict[str, Any]] = [
        {
            "token": token_info(session, token),
            **{which: float(path.prob[0, i]) for which, path in paths.items()},
            **{f"{which}_rank": int(path.rank[0, i]) for which, path in paths.items()},
        }
        for i, token in enumerate(ids)
    ]
    by_id = {one["token"]["id"]: one for one in told}
    top = [one for one in told if one["token"]["id"] in set(tops)]
    return {
        "summary": summary(session),
        "prompt": prompt,
        "stage": args["stage"],
        "pos": pos,
        "predictions": sorted(top, key=lambda one: -one["current"]),
        "target": by_id.get(wanted),
        **{f"{which}_kl": float(one.kl[0, 0]) for which, one in found.items()},
    }


def lens_path(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """Pinned tokens from stage to stage at one position, before and after."""
    prompt = check_prompt(session, args["prompt"])
    pos = _position(session, prompt, args["query_pos"])
    stages = model_stages(session, args["incl_mid"])
    pins = [answer_id(session.model, i, f"pins[{n}]") for n, i in enumerate(args["pins"])]
    ids = pins or _default_pins(session, prompt, pos)
    clean = path_at(session, session.run(()), prompt, pos, ids, stages)
    now = path_at(session, session.run(), prompt, pos, ids, stages)
    return {
        "summary": summary(session),
        "prompt": prompt,
        "pos": pos,
        "stages": [stage.name for stage in stages],
        "tokens": [token_info(session, i) for i in ids],
        "baseline_prob": exact(clean.prob.T),
        "current_prob": exact(now.prob.T),
        "baseline_rank": integers(clean.rank.T),
        "current_rank": integers(now.rank.T),
        "d_vocab": session.facts.d_vocab,
    }


def lens_lines(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The metric's logits stage by stage, and what each part adds, before and after."""
    prompt = check_prompt(session, args["prompt"])
    chosen = None if args["scope"] == "mean" else prompt
    clean, now = session.run(()), session.run()
    names, before = contributions(session, clean)
    _, after = contributions(session, now)
    stages = model_stages(session, args["incl_mid"])
    return {
        "summary": summary(session),
        "accumulated": _curve(
            [stage.name for stage in stages],
            accumulated(session, clean, args["incl_mid"]),
            accumulated(session, now, args["incl_mid"]),
            chosen,
        ),
        "parts": _curve(names, before, after, chosen),
        "units": "logits",
        "definition": f"{_sentence(DEFINITIONS[decompose(session).readout.target])}; through the "
        "final norm with the scale it had at the end.",
    }


def lens_token(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The single token that a text is, to be pinned."""
    return token_info(session, answer_id(session.model, args["text"], "token"))


def lens_code(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """The lens as TransformerLens code."""
    return {"code": lens_script(session, incl_mid=args["incl_mid"])}


def _curve(names: list[str], before: Tensor, after: Tensor, prompt: int | None) -> dict[str, Any]:
    """Of values [prompt, name]: means with standard errors, or one prompt's."""
    told: dict[str, Any] = {"names": names}
    for label, values in (("baseline", before), ("current", after), ("change", after - before)):
        mean = values.mean(dim=0) if prompt is None else values[prompt]
        unknown = torch.full_like(mean, float("nan"))
        told[label] = exact(mean)
        told[f"{label}_sem"] = exact(standard_error(values) if prompt is None else unknown)
    return told


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _target(session: Session, args: dict[str, Any]) -> LensTarget:
    wish = args["lens_target"]
    return lens_target(session, None if wish == "auto" else wish)


def _position(session: Session, prompt: int, pos: int | None) -> int:
    """A position of the prompt: selections may come from a longer one."""
    last = int(session.positions[prompt])
    return last if pos is None else min(max(pos, 0), last)


def _ending_in_final(session: Session, args: dict[str, Any]) -> list[Stage]:
    """The stage asked for and the final one, which it is compared with."""
    stages = {stage.name: stage for stage in model_stages(session, args["incl_mid"])}
    final = list(stages.values())[-1]
    stage = stages.get(args["stage"])
    if stage is None:
        hint = near(args["stage"], stages) or f"Stages run from 0_pre to {final.name}."
        raise InputError(f"stage={args['stage']!r} is not a stage of this model.", hint)
    return [stage] if stage is final else [stage, final]


def _default_pins(session: Session, prompt: int, pos: int) -> list[int]:
    if session.answer_tokens is not None:
        return list(dict.fromkeys(session.answer_tokens[prompt].tolist()))
    final = model_stages(session)[-1:]
    place = torch.tensor([pos], device=session.device)
    k = min(DEFAULT_PINS, session.facts.d_vocab)
    run = session.run()
    found = lens_at(session, run, prompt, place, stages=final, target="next", k=k)
    return [int(i) for i in found.tokens[0, 0].tolist()]
