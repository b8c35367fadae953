"""The backward passes behind estimates: the gradient at one run, along the way between the two
runs, or by RelP's rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from lens_widgets.engine.forward import BlockCall
from lens_widgets.engine.gradients import Passed, Slopes
from lens_widgets.engine.relp import RelP
from lens_widgets.errors import InputError, check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Method = Literal["gradient", "integrated", "relp"]
METHODS: tuple[Method, ...] = ("gradient", "integrated", "relp")

IG_STEPS = 5
"""Of the published code of EAP-IG."""


@dataclass(frozen=True)
class Estimation:
    """How slopes are found: one of ``METHODS``; ``ig_steps`` is read by ``"integrated"`` alone, and
    ``detach_patterns`` by ``"relp"``."""

    method: Method = "gradient"
    ig_steps: int = IG_STEPS
    detach_patterns: bool = False


GRADIENT = Estimation()


def check_estimation(
    method: Any, ig_steps: Any, detach_patterns: Any, known: Mapping[str, Method]
) -> Estimation:
    """The arguments of a function that estimates; InputError for what they cannot be.

    ``known``: the methods by the names that the function has for them.
    """
    check_choice("method", method, tuple(known))
    if not isinstance(ig_steps, int) or isinstance(ig_steps, bool) or ig_steps < 1:
        raise InputError(
            f"ig_steps={ig_steps!r} must be a whole number of at least 1.",
            f"{IG_STEPS} is usual; more steps come nearer to the integral.",
        )
    if detach_patterns and known[method] != "relp":
        raise InputError(
            f"detach_patterns=True is a rule of RelP, and method={method!r} has none.",
            "Leave it out, or choose method='relp'.",
        )
    return Estimation(known[method], ig_steps, bool(detach_patterns))


def passes(
    session: Session,
    wanted: Slopes,
    run: str,
    estimation: Estimation,
    of_run: Sequence[str] = (),
) -> Iterator[Passed]:
    """The passes whose gradients are averaged; the first is at ``run``, ``"corrupted"`` or
    ``"clean"``, and has the activations of that run named in ``of_run``, too.

    One pass, but for ``"integrated"``: the streams that enter the first block lie between those of
    the two runs, at ``k / m`` of the way from ``run``, ``k = 0 .. m - 1``. That is the grid of
    EAP-IG's published code for the corrupted run, and the sum over it an integral's left one.
    """
    corrupted = run == "corrupted"
    first = replace(wanted, watched=list(dict.fromkeys([*wanted.watched, *of_run])))
    if estimation.method == "integrated":
        start, end = _streams(session, corrupted)
        for step in range(estimation.ig_steps):
            stream = start + step / estimation.ig_steps * (end - start)
            asked = replace(wanted if step else first, stream=stream)
            yield session.gradients(asked, corrupted=corrupted)
        return
    relp = RelP(estimation.detach_patterns) if estimation.method == "relp" else None
    yield session.gradients(replace(first, relp=relp), corrupted=corrupted)


def _streams(session: Session, corrupted: bool) -> tuple[Tensor, Tensor]:
    """What enters the first block of the run that is asked for, and of the other one."""
    runs = session.corrupted_run(), session.run()
    start, end = (run.trace.calls for run in (runs if corrupted else reversed(runs)))
    if not start or not end:
        # Said in words by the pass itself.
        empty = torch.zeros(0, device=session.device)
        return empty, empty
    for layer, (one, other) in enumerate(zip(start, end, strict=True)):
        if not _same_arguments(one, other):
            raise InputError(
                f"method='integrated': layer {layer} is told the tokens beside the stream in this "
                "model, so that there are no runs between the two.",
                "Use method='gradient' or 'relp'.",
            )
    return start[0].resid, end[0].resid


def _same_arguments(one: BlockCall, other: BlockCall) -> bool:
    pairs = zip(_tensors((one.args, one.kwargs)), _tensors((other.args, other.kwargs)), strict=True)
    return all(
        first is second or (first.shape == second.shape and torch.equal(first, second))
        for first, second in pairs
    )


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return (
        [each for item in value for each in _tensors(item)]
        if isinstance(value, tuple | list)
        else []
    )
