"""Every edge of the residual stream by slopes: edge attribution patching (Syed et al. 2023), with
integrated gradients (Hanna et al. 2024), or by RelP (Rezaei Jafari et al. 2025).

No input is split by readers for this. What a writer changes is known from two runs; the slope at a
head's query input is the norm's vector-Jacobian product of the slope at its query times ``W_Q``,
and keys and values likewise. So one forward and backward give all edges at once, under grouped
queries too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.analysis.circuits.graph import edge_coords, only_edges
from lens_widgets.analysis.circuits.places import Places
from lens_widgets.analysis.circuits.slopes import ReaderSlopes
from lens_widgets.analysis.labels import labelled
from lens_widgets.analysis.patching.passes import (
    IG_STEPS,
    Estimation,
    Method,
    check_estimation,
    passes,
)
from lens_widgets.analysis.patching.patching import INTO, Into, both_metrics
from lens_widgets.engine.current import one_call
from lens_widgets.engine.gradients import Passed
from lens_widgets.engine.graph import StreamGraph
from lens_widgets.engine.written import Written
from lens_widgets.errors import InputError, check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

EdgeMethod = Literal["eap", "eap-ig", "relp"]
EDGE_METHODS: Mapping[str, Method] = {"eap": "gradient", "eap-ig": "integrated", "relp": "relp"}

CHUNK_BYTES = 64 << 20
"""What all writers wrote is held for so many positions at a time."""

READERS = 96
"""So many readers at most are multiplied with their writers in one go."""

LARGEST = 1 << 28
"""Numbers of a result by position: 1 GB."""


@one_call()
def edge_scores(
    session: Session,
    method: EdgeMethod = "eap",
    run: Into = "corrupted",
    ig_steps: int = IG_STEPS,
    *,
    per_prompt: bool = False,
    per_position: bool = False,
    detach_patterns: bool = False,
) -> xr.DataArray:
    """An estimate of what every edge carries: how the metric moves when one reader alone reads what
    one writer wrote in the clean run.

    What the writer wrote in the clean run minus what it wrote in the corrupted one, times the slope
    of the metric at the reader's input. Two forwards and one backward pass for all edges together;
    the session's interventions are in force in both runs.

    Args:
        session: whose prompts, corrupted prompts, metric and interventions.
        method: ``"eap"``, the gradient; ``"eap-ig"``, its mean over ``ig_steps`` runs between the
            two; ``"relp"``, the slope by RelP's rules (see ``estimate_sweep``).
        run: where the slope is taken: ``"corrupted"`` as in TransformerLens, ``"clean"`` as in the
            code of EAP-IG. Positive is always: the clean value raises the metric. Of ``"eap-ig"``
            the run that its grid begins with.
        ig_steps: runs of ``"eap-ig"``, at ``k / ig_steps`` of the way, ``k`` from 0.
        per_prompt: keep the prompts apart instead of their mean.
        per_position: keep positions apart instead of their sum.
        detach_patterns: with ``"relp"``, attention patterns count as constants.

    Returns:
        Dims writer, reader, and pos with ``per_position``, named as in ``"L1H4"``, ``"L2.mlp"``,
        ``"L2H6.q"``, ``"L1KV0.k"``, ``"logits"``; a leading dim prompt with ``per_prompt``. In the
        metric's units, NaN where there is no edge; ``sem`` is the standard error over prompts. The
        edges of a writer sum to the estimate for the writer itself. ``attrs["clean"]`` and
        ``attrs["corrupted"]`` are the metrics of the two runs.

    Raises:
        InputError: no corrupted prompts, or the clean ones; an unknown ``method`` or ``run``;
            ``ig_steps`` below 1; a model whose stream is no sum, whose blocks cannot be called one
            by one, or that has parts without a rule of RelP.

    Source:
        Syed et al., Attribution Patching Outperforms Automated Circuit Discovery (2023), as
        TransformerLens's ``attribution_patch``; Hanna et al., Have Faith in Faithfulness (2024);
        RelP, Rezaei Jafari et al. (2025).

    Examples:
        >>> scores = lw.analysis.edge_scores(session)
        >>> int(scores.notnull().sum())
        1519
        >>> scores.sel(reader="logits").idxmax().item()
        'L2.mlp'
    """
    estimation = check_estimation(method, ig_steps, detach_patterns, EDGE_METHODS)
    check_choice("run", run, INTO)
    clean, corrupted = both_metrics(session)
    graph = session.stream.graph
    _check_session(session, per_position)
    values = all_edges(session, run, estimation, per_position)
    attrs = {
        "units": session.metric.units,
        "metric": session.metric.name,
        "definition": f"estimated change of the {session.metric.label} when the reader alone reads "
        "what the writer wrote in the clean run",
        "method": method,
        "run": run,
        "estimate": True,
        "clean": float(clean.mean()),
        "corrupted": float(corrupted.mean()),
        **({"ig_steps": ig_steps} if method == "eap-ig" else {}),
    }
    coords: dict[str, Any] = edge_coords(graph)
    dims: tuple[str, ...] = ("writer", "reader")
    if per_position:
        dims = (*dims, "pos")
        texts = token_texts(session, int(session.prompt_set.lengths.argmax()))
        coords["token"] = ("pos", [f"{t} {i}" for i, t in enumerate(texts)])
    return labelled(values, dims, coords, attrs, per_prompt, ragged=per_position)


def all_edges(
    session: Session,
    run: Into,
    estimation: Estimation,
    per_position: bool = False,
) -> Float[Tensor, "prompt writer reader *pos"]:
    """The same as a tensor, prompt by prompt."""
    return session.by_parts(lambda some: _all_edges(some, run, estimation, per_position))


def _all_edges(
    session: Session, run: Into, estimation: Estimation, per_position: bool
) -> Float[Tensor, "prompt writer reader *pos"]:
    graph = session.stream.graph
    slopes = ReaderSlopes(session)
    together = _merged(slopes.groups)
    # The pass is a run as well: what was written in it needs no other.
    of_run = session.stream.hooks_of(range(len(graph.writers)))
    found = list(passes(session, slopes.wanted, run, estimation, of_run))
    shape = (session.prompt_set.n_prompts, len(graph.writers), len(graph.readers))
    if per_position:
        n_pos = int(session.tokens.shape[1])
        totals = torch.full((*shape, n_pos), torch.nan, device=session.device)
    else:
        totals = torch.zeros(shape, device=session.device)
    for places, changes in _changes(session, graph, run, found[0]):
        # Positions and dimensions of a prompt side by side: both are summed over in one go.
        wrote = (
            {}
            if per_position
            else {row: changes[:, own].flatten(1) for row, own in places.by_row()}
        )
        for readers, writers in slopes.groups if per_position else together:
            slope = slopes.mean(found, readers, places)
            if per_position:
                parts = changes[:writers].transpose(0, 1) @ slope.transpose(1, 2)
                totals[places.rows, :writers, readers, places.positions] = parts
                continue
            for row, own in places.by_row():
                read = slope[own].transpose(0, 1).flatten(1)
                totals[row, :writers, readers] += wrote[row][:writers] @ read.T
    return totals if per_position else only_edges(graph, totals)


def _merged(groups: Sequence[tuple[slice, int]]) -> list[tuple[slice, int]]:
    """Groups that follow one another as one, which has the writers of the last: an MLP's reader
    alone, or the fifteen of a layer's attention, would keep a core from half of what it can do."""
    merged: list[tuple[slice, int]] = []
    for readers, writers in groups:
        first = readers.start
        if merged and readers.stop - merged[-1][0].start <= READERS:
            first = merged.pop()[0].start
        merged.append((slice(first, readers.stop), writers))
    return merged


def _changes(
    session: Session, graph: StreamGraph, run: Into, passed: Passed
) -> Iterator[tuple[Places, Float[Tensor, "writer place d_model"]]]:
    """What every writer wrote in the clean run less what it wrote in the corrupted one. ``passed``
    is of ``run``."""
    other = session.written(range(len(graph.writers)), corrupted=run == "clean")
    # The same interventions are in force in both.
    same = Written(other.stream, passed.activations, other.silenced)
    clean, corrupted = (other, same) if run == "corrupted" else (same, other)
    size = 4 * len(graph.writers) * session.model.cfg.d_model
    for places in Places.of(session).split(max(1, CHUNK_BYTES // size)):
        yield places, places.written(graph, clean).sub_(places.written(graph, corrupted))


def _check_session(session: Session, per_position: bool) -> None:
    prompts = session.prompt_set
    assert prompts.corrupted_tokens is not None
    if torch.equal(prompts.tokens, prompts.corrupted_tokens):
        raise InputError(
            "corrupted: these are the clean prompts, so that no edge carries a difference.",
            "Choose corrupted prompts that differ in what matters.",
        )
    if any(item.together for item in session.interventions):
        raise InputError(
            "edge_scores: edges are cut in this session, and what their readers read has no slope "
            "of its own.",
            "Score edges before you cut: session.with_interventions([...]) without the cuts.",
        )
    size = prompts.tokens.numel() * session.stream.graph.mask.numel()
    if per_position and size > LARGEST:
        raise InputError(
            f"per_position=True: {size:,} numbers are too many.",
            "Use fewer or shorter prompts, or leave it out.",
        )
