"""What each edge carries: the metric after replacing one writer's share of one reader's input.

Edges as in path patching (Wang et al. 2022, Goldowsky-Dill et al. 2023) along direct paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from jaxtyping import Bool, Float
from torch import Tensor

from lens_widgets.analysis.labels import labelled
from lens_widgets.analysis.patching.patching import INTO, UNITS, Into, both_metrics, normalized
from lens_widgets.engine.current import one_call
from lens_widgets.engine.graph import checked_edges
from lens_widgets.engine.hooks import TABLE, Reach, hook_kind
from lens_widgets.engine.shares import ReplacedShares
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.variants import Variant
from lens_widgets.engine.written import Source, Written
from lens_widgets.errors import check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Pair = tuple[int, int]
"""A writer and a reader by their numbers."""


@one_call()
def edge_sweep(
    session: Session,
    edges: Sequence[tuple[str, str]] | None = None,
    into: Into = "corrupted",
    normalize: bool = False,
    per_prompt: bool = False,
    *,
    max_memory_gb: float | None = None,
) -> xr.DataArray:
    """The metric of one run after giving one reader another run's share of one writer, exact.

    Of the reader's input, the sum of all that was written before it, one writer's share is
    replaced; all other readers keep what they read. Each value equals one hooked forward; edges are
    computed together, and those that are known are not computed again. The session's interventions
    are in force in both runs. An edge patched into the clean run is ``lw.Cut(writer, reader)``,
    whose code is ``session.with_interventions([cut]).interventions.to_code()``.

    Args:
        session: whose prompts, corrupted prompts, metric and interventions.
        edges: pairs of a writer and a reader as in ``("L0H1", "L1H4.k")``; all of them if left out.
        into: ``"corrupted"`` puts clean shares into the corrupted run, ``"clean"`` the reverse.
        normalize: 0 for the run that is patched, 1 for the metric of the other one.
        per_prompt: keep the prompts apart instead of their mean.
        max_memory_gb: what may be used on top of the model; by default a share of what is free.

    Returns:
        Dims edge, with the coordinates ``writer`` and ``reader``; a leading dim prompt with
        ``per_prompt``. In the metric's units, or a share with ``normalize``; ``sem`` is the
        standard error over the prompts. ``attrs["clean"]`` and ``attrs["corrupted"]`` are the
        metrics of the two runs.

    Raises:
        InputError: no corrupted prompts; an unknown writer or reader, or an edge that cannot be; a
            model whose stream is no sum of what its parts write; ``normalize`` where both runs have
            the same metric.

    Source:
        Wang et al., Interpretability in the Wild (2022); Goldowsky-Dill et al., Localizing Model
        Behavior with Path Patching (2023); TransformerLens's
        ``patching.get_act_patch_direct_path``.

    Examples:
        >>> found = lw.analysis.edge_sweep(session, [("L1H4", "logits"), ("L1H5", "logits")])
        >>> found.dims, bool(found[0] > found[1])
        (('edge',), True)
    """
    check_choice("into", into, INTO)
    graph = session.stream.graph
    named = checked_edges(graph.edges() if edges is None else edges)
    pairs = [graph.edge(*edge) for edge in named]
    shape = (session.prompt_set.n_prompts, len(pairs))
    values = torch.full(shape, torch.nan, device=session.device)
    places: dict[Pair, list[int]] = {}
    for index, pair in enumerate(pairs):
        places.setdefault(pair, []).append(index)
    for pair, metric in edge_effects(session, list(places), into, max_memory_gb):
        values[:, places[pair]] = metric.float()[:, None]
    clean, corrupted = both_metrics(session)
    if normalize:
        values = normalized(session, values, into)
    attrs = {
        "units": UNITS[into] if normalize else session.metric.units,
        "metric": session.metric.name,
        "definition": f"{session.metric.label} of the {into} run after patching one edge",
        "clean": float(clean.mean()),
        "corrupted": float(corrupted.mean()),
        "into": into,
        "estimate": False,
    }
    coords: dict[str, Any] = {
        "writer": ("edge", [graph.writer_names[writer] for writer, _ in pairs]),
        "reader": ("edge", [graph.reader_names[reader] for _, reader in pairs]),
    }
    return labelled(values, ("edge",), coords, attrs, per_prompt)


def edge_effects(
    session: Session,
    pairs: Sequence[Pair],
    into: Into = "corrupted",
    max_memory_gb: float | None = None,
) -> Iterator[tuple[Pair, Float[Tensor, "prompt"]]]:
    """The metric [prompt] with each edge patched, as it is known: known ones first."""
    base = session.corrupted_run() if into == "corrupted" else session.run()
    known: dict[Pair, Tensor] = base.derived.setdefault("patched edges", {})
    rest = []
    for pair in pairs:
        if pair in known:
            yield pair, known[pair]
        else:
            rest.append(pair)
    if not rest:
        return
    # Both have numbers under the interventions, or nothing can be told.
    both_metrics(session)

    def variants(some: Session, pairs: Sequence[Pair]) -> list[Variant]:
        writers = sorted({writer for writer, _ in pairs})
        source = some.written(writers, corrupted=into == "clean")
        differs = differing(some.stream, source, some.written(writers, corrupted=into != "clean"))
        return [edge_variant(some.stream, pair, source, differs[pair[0]]) for pair in pairs]

    for index, metric in session.sweep_by_parts(
        rest, variants, max_memory_gb, corrupted=into == "corrupted"
    ):
        known[rest[index]] = metric
        yield rest[index], metric


def edge_variant(
    stream: StreamParts, pair: Pair, source: Source, differs: Bool[Tensor, "prompt pos"]
) -> Variant:
    """One edge of which another share is taken, as the engine's sweep takes it.

    ``differs``, on the host: elsewhere the shares are the same.
    """
    reader = stream.graph.readers[pair[1]]
    shares = (ReplacedShares(stream, torch.tensor([pair], device="cpu"), source),)
    if reader.layer is None:
        nowhere = torch.zeros_like(differs)
        return Variant(stream.graph.n_layers, None, nowhere, nowhere, differs, shares)
    part = "mlp.hook_in" if reader.kind == "mlp" else f"attn.hook_{reader.kind}"
    reach: Reach = TABLE[part].reach(differs)
    return Variant(reader.layer, None, *reach, shares)


def differing(
    stream: StreamParts, one: Written, other: Written
) -> dict[int, Bool[Tensor, "prompt pos"]]:
    """Where two runs' writers wrote something else, on the host; by the number of the writer, of
    all whose activations both have. True where that is not known to be equal."""
    found = {
        name: hook_kind(name).differing(value, other.found[name]).cpu()
        for name, value in one.found.items()
    }
    masks: dict[int, Tensor] = {}
    for number, writer in enumerate(stream.graph.writers):
        first, *rest = stream.hooks_of([number])
        if any(name not in found for name in (first, *rest)):
            continue
        # Of heads one by one; what else is named belongs to all of them together.
        own = found[first][:, :, writer.head] if writer.kind == "head" else found[first]
        masks[number] = torch.stack(
            [mask.flatten(2).any(dim=-1) for mask in (own[..., None], *(found[n] for n in rest))]
        ).any(dim=0)
    return masks
