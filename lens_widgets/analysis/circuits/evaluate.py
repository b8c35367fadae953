"""Measuring circuits: the metric of a run in which all other edges carry something else.

Several circuits are evaluated in one batched forward.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.analysis.circuits.choose import EdgeMask
from lens_widgets.analysis.circuits.edges import differing, edge_variant
from lens_widgets.engine.shares import ReplacedShares
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.variants import Variant
from lens_widgets.engine.written import NothingWritten, Source
from lens_widgets.errors import InputError, check_choice
from lens_widgets.interventions.ablate import KINDS
from lens_widgets.interventions.checks import check_corrupted

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Kind = Literal["resample", "mean", "zero"]

BOOTSTRAPS = 1000
"""Resamples of the prompts, of which the spread is the standard error of a ratio."""


class Replacement:
    """What the edges outside of a circuit carry, and where that is something else.

    InputError for an unknown kind, and without corrupted prompts for ``"resample"``.
    """

    def __init__(self, session: Session, kind: Kind) -> None:
        check_choice("kind", kind, KINDS)
        if kind == "resample":
            check_corrupted(session.prompt_set, "kind='resample'")
        self.stream: StreamParts = session.stream
        every = range(len(self.stream.graph.writers))
        self.moved = torch.ones(session.tokens.shape, dtype=torch.bool, device="cpu")
        self.source: Source = NothingWritten()
        if kind == "mean":
            self.source = session.mean_written(every)
        elif kind == "resample":
            other = session.written(every, corrupted=True)
            masks = differing(self.stream, other, session.written(every))
            moved = torch.stack(list(masks.values())).any(dim=0)
            # What reads a position that changed may write something else at all later ones.
            self.moved = moved.long().cummax(dim=1).values.bool()
            self.source = other

    def outside(self, mask: EdgeMask) -> ReplacedShares:
        """All edges that are not in ``mask``."""
        pairs = (self.stream.graph.mask & ~mask).nonzero()
        return ReplacedShares(self.stream, pairs, self.source)

    def variant(self, mask: EdgeMask) -> Variant:
        """A circuit as the engine's sweep takes it."""
        shares = self.outside(mask)
        moved = self.moved if len(shares.pairs) else torch.zeros_like(self.moved)
        return Variant(shares.first_layer, None, moved, moved, moved, (shares,))

    def without(self, pair: tuple[int, int]) -> Variant:
        """One more edge that carries something else."""
        return edge_variant(self.stream, pair, self.source, self.moved)


def circuit_metrics(
    session: Session,
    masks: Sequence[EdgeMask],
    kind: Kind = "resample",
    max_memory_gb: float | None = None,
) -> Iterator[tuple[int, Float[Tensor, "prompt"]]]:
    """The metric [prompt] of the run with only the edges of each mask, as it is known."""
    check_choice("kind", kind, KINDS)
    run = session.run()
    known: dict[tuple[str, bytes], Tensor] = run.derived.setdefault("circuits", {})
    keys: list[tuple[str, bytes]] = [(kind, _digest(mask)) for mask in masks]
    rest: dict[tuple[str, bytes], list[int]] = {}
    for index, key in enumerate(keys):
        if key in known:
            yield index, known[key]
        else:
            rest.setdefault(key, []).append(index)
    if not rest:
        return
    found = list(rest.items())

    def variants(some: Session, chosen: Sequence[EdgeMask]) -> list[Variant]:
        replacement = _replacement(some, kind)
        return [replacement.variant(mask) for mask in chosen]

    different = [masks[same[0]] for _, same in found]
    for number, metric in session.sweep_by_parts(different, variants, max_memory_gb):
        key, same = found[number]
        known[key] = metric
        for index in same:
            yield index, metric


def metrics_of(
    session: Session,
    masks: Sequence[EdgeMask],
    kind: Kind = "resample",
    max_memory_gb: float | None = None,
) -> Float[Tensor, "circuit prompt"]:
    """The same of all of them, on the host."""
    found = torch.full((len(masks), session.prompt_set.n_prompts), torch.nan, device="cpu")
    for index, metric in circuit_metrics(session, masks, kind, max_memory_gb):
        found[index] = metric.detach().float().cpu()
    return found


def without_each(
    session: Session,
    mask: EdgeMask,
    pairs: Sequence[tuple[int, int]],
    kind: Kind = "resample",
    max_memory_gb: float | None = None,
) -> Iterator[tuple[int, Float[Tensor, "prompt"]]]:
    """The metric [prompt] of a circuit less one edge, edge by edge as it is known."""

    def variants(some: Session, chosen: Sequence[tuple[int, int]]) -> list[Variant]:
        replacement = _replacement(some, kind)
        return [replacement.without(pair) for pair in chosen]

    def shares(some: Session) -> tuple[ReplacedShares, ...]:
        outside = _replacement(some, kind).outside(mask)
        return (outside,) if len(outside.pairs) else ()

    return session.sweep_by_parts(pairs, variants, max_memory_gb, shares=shares)


def shares_of(
    part: Float[Tensor, "*n prompt"],
    empty: Float[Tensor, "prompt"],
    whole: Float[Tensor, "prompt"],
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """How much of the way from ``empty`` to ``whole`` each has come, of the means over prompts; and
    its standard error: the spread over resamples of the prompts, NaN for a single one.

    InputError where there is no way to come.
    """
    gap = float(whole.mean() - empty.mean())
    if abs(gap) <= 1e-6 * max(1.0, abs(float(whole.mean()))):
        raise InputError(
            f"The metric is {float(whole.mean()):.4g} with all edges and without any, which leaves "
            "no share to tell.",
            "Choose other corrupted prompts or another metric; circuit.metric() gives the metric.",
        )
    share = (part.mean(dim=-1) - empty.mean()) / gap
    n_prompts = len(whole)
    if n_prompts < 2:
        return share, torch.full_like(share, torch.nan)
    generator = torch.Generator(device="cpu").manual_seed(0)
    drawn = torch.randint(n_prompts, (BOOTSTRAPS, n_prompts), generator=generator, device="cpu")
    low, high = empty[drawn].mean(dim=1), whole[drawn].mean(dim=1)
    ratios = (part[..., drawn].mean(dim=-1) - low) / (high - low)
    return share, ratios.nan_to_num(0.0, 0.0, 0.0).std(dim=-1)


def _replacement(session: Session, kind: Kind) -> Replacement:
    run = session.run()
    key = f"replacement {kind}"
    if key not in run.derived:
        run.derived[key] = Replacement(session, kind)
    found: Replacement = run.derived[key]
    return found


def _digest(mask: Bool[Tensor, "writer reader"]) -> bytes:
    return hashlib.blake2b(mask.numpy().tobytes(), digest_size=16).digest()
