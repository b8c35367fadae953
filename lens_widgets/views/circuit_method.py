"""Which estimate of edges a view goes by: one that somebody picked, or the best by measurement."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.circuits.edge_scores import EdgeMethod, edge_scores
from lens_widgets.analysis.circuits.edges import edge_effects
from lens_widgets.analysis.circuits.stability import edge_stability
from lens_widgets.analysis.patching.agreement import Agreement, agreement, best_of
from lens_widgets.errors import InputError
from lens_widgets.interventions.cut import Cut
from lens_widgets.session.session import Session
from lens_widgets.wire.messages import Step

Wanted = Literal["best", "eap", "eap-ig", "relp"]
"""A method of estimates, or the one that agrees best with what is known exactly."""

FIRST: tuple[EdgeMethod, ...] = ("eap-ig", "relp", "eap")
"""What stands until methods have been compared: the first that the model has rules for."""

STRONGEST, OTHERS = 10, 20
"""Edges that methods are compared by: the strongest of each, and some of all others."""

SLOW_S = 1.0
"""Comparing takes about as long as the first estimate. Where that was so quick, nothing is shown
before the comparison, so that no picture is replaced at once."""

T = TypeVar("T")


@dataclass(frozen=True)
class Compared:
    """How well each method agrees with ``n_exact`` edges, and which of them does best."""

    agreements: Mapping[EdgeMethod, Agreement]
    best: EdgeMethod
    n_exact: int


def uncut(session: Session) -> Session:
    """The session without its cuts: what is estimated and what is measured is of whole edges."""
    active = session.interventions.active
    rest = [item for item in active if not isinstance(item, Cut)]
    return session if len(rest) == len(active) else session.with_interventions(rest)


def kept_scores(session: Session, method: EdgeMethod) -> tuple[xr.DataArray, xr.DataArray]:
    """Means over prompts and their stability, kept with the run that they are about."""
    base = uncut(session)
    known = base.run().derived
    key = f"edge scores {method}"
    if key not in known:
        each = edge_scores(base, method, per_prompt=True)
        stability = (
            edge_stability(each)
            if each.sizes["prompt"] > 1
            else xr.full_like(each.isel(prompt=0), float("nan"))
        )
        known[key] = each.mean("prompt", keep_attrs=True), stability
    found: tuple[xr.DataArray, xr.DataArray] = known[key]
    return found


def first_method(session: Session) -> EdgeMethod:
    """The first of ``FIRST`` that the model has rules for; InputError where it has for none."""
    refused: InputError | None = None
    for method in FIRST:
        try:
            kept_scores(session, method)
        except InputError as error:
            refused = refused or error
        else:
            return method
    assert refused is not None
    raise refused


def meanwhile(session: Session, wanted: Wanted) -> tuple[EdgeMethod, bool] | None:
    """The method that stands in until methods have been compared, and whether that will take a
    while; None where one is picked, or they have been."""
    if wanted != "best" or _KEY in session.run(()).derived:
        return None
    started = time.monotonic()
    method = first_method(session)
    return method, time.monotonic() - started >= SLOW_S


def method_of(session: Session, wanted: Wanted) -> Generator[Step, None, EdgeMethod]:
    """The method to go by; compares them where that has not been done."""
    if wanted != "best":
        return wanted
    return (yield from compare(session)).best


def compare(session: Session) -> Generator[Step, None, Compared]:
    """Compares all methods with the exact effects of some edges, once for prompts and metric.

    Of the model without interventions, so that what is best is the same whatever is ablated or cut:
    a view does not change its estimate while somebody works with it.
    """
    known = session.run(()).derived
    if _KEY not in known:
        plain = session if not session.interventions.active else session.with_interventions(())
        known[_KEY] = yield from _compared(plain)
    found: Compared = known[_KEY]
    return found


def finished(steps: Generator[Step, None, T]) -> T:
    """What long work comes to, its steps passed over."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            found: T = stop.value
            return found


_KEY = "edge methods compared"


def _compared(session: Session) -> Generator[Step, None, Compared]:
    label = "comparing estimates with exact edges"
    estimates: dict[EdgeMethod, Float[Tensor, "writer reader"]] = {}
    first = first_method(session)
    for done, method in enumerate(FIRST):
        yield Step(done, len(FIRST), label)
        try:
            estimates[method] = torch.from_numpy(kept_scores(session, method)[0].values)
        except InputError:
            continue  # No rules for this model: NaN in the answer.
    pairs = compared_edges(session, list(estimates.values()))
    exact = torch.full((len(pairs),), torch.nan, device="cpu")
    before = float(session.corrupted_run().metric.mean())
    place = {pair: index for index, pair in enumerate(pairs)}
    for done, (pair, metric) in enumerate(edge_effects(session, pairs)):
        yield Step(done, len(pairs), label)
        exact[place[pair]] = float(metric.mean()) - before
    rows, columns = torch.tensor(pairs, device="cpu").T
    found = {name: agreement(each[rows, columns], exact) for name, each in estimates.items()}
    return Compared(found, best_of(found) or first, len(pairs))


def compared_edges(session: Session, estimates: Sequence[Tensor]) -> list[tuple[int, int]]:
    """The strongest edges of each estimate, and some of all others at equal distances."""
    mask = session.stream.graph.mask
    every = mask.nonzero()
    chosen: dict[tuple[int, int], None] = {}
    for scores in estimates:
        order = scores[mask].abs().nan_to_num(0.0).argsort(descending=True)[:STRONGEST]
        chosen |= dict.fromkeys((w, r) for w, r in every[order].tolist())
    step = max(1, len(every) // OTHERS)
    chosen |= dict.fromkeys((w, r) for w, r in every[step // 2 :: step].tolist())
    return list(chosen)
