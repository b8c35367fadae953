"""Activation patching: which activations carry the answer from the clean to the corrupted run.

After Meng et al. (2022) and TransformerLens's ``patching``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.attention.patterns import token_texts
from lens_widgets.analysis.labels import labelled
from lens_widgets.analysis.patching.nodes import (
    Cell,
    Grid,
    make_grid,
    node_kind,
    patch_variant,
)
from lens_widgets.engine.current import one_call
from lens_widgets.engine.hooks import HookKind
from lens_widgets.engine.variants import Variant
from lens_widgets.errors import InputError, check_choice
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Into = Literal["corrupted", "clean"]
INTO = ("corrupted", "clean")


@one_call()
def patch_sweep(
    session: Session,
    node: str,
    by_pos: bool = False,
    *,
    into: Into = "corrupted",
    per_prompt: bool = False,
    normalize: bool = False,
    max_memory_gb: float | None = None,
) -> xr.DataArray:
    """The metric of one run after putting a single activation of the other run in its place, exact.

    Each value equals one hooked forward; variants are computed together, and cells that are known
    are not computed again. The session's interventions are in force in both runs.

    Args:
        session: whose prompts, corrupted prompts, metric and interventions.
        node: ``"resid_pre"``, ``"attn_out"`` or ``"mlp_out"`` by position; ``"z"``, ``"q"``,
            ``"k"``, ``"v"`` or ``"pattern"`` of heads.
        by_pos: heads position by position (the query position for patterns).
        into: ``"corrupted"`` patches clean activations into the corrupted run, ``"clean"`` the
            reverse.
        per_prompt: keep the prompts apart instead of their mean.
        normalize: 0 for the run that is patched, 1 for the metric of the other one.
        max_memory_gb: what may be used on top of the model; by default a share of what is free.

    Returns:
        Dims layer, pos for the stream and the outputs of layers; layer, head, and pos with
        ``by_pos``, for heads; a leading dim prompt with ``per_prompt``. In the metric's units, or a
        share with ``normalize``; ``sem`` is the standard error over the prompts. NaN where a prompt
        has no such position or a layer no such activation. ``attrs["clean"]`` and
        ``attrs["corrupted"]`` are the metrics of the two runs.

    Raises:
        InputError: no corrupted prompts; an unknown ``node``, or one that this model does not have
            or whose edits it ignores; ``normalize`` where both runs have the same metric.

    Source:
        Meng et al., Locating and Editing Factual Associations in GPT (2022); Wang et al.,
        Interpretability in the Wild (2022); TransformerLens's ``patching.get_act_patch_*``.

    Examples:
        >>> heads = lw.analysis.patch_sweep(session, "z", normalize=True)
        >>> heads.stack(part=("layer", "head")).idxmax().item()
        (1, 4)
    """
    check_choice("into", into, INTO)
    grid = make_grid(session, node, by_pos)
    values = empty_map(session, grid)
    for cell, metric in patch_effects(session, grid, None, max_memory_gb, into=into):
        put(values, grid, cell, metric)
    return labelled_map(session, grid, values, per_prompt, normalize, into, {"estimate": False})


def patch_effects(
    session: Session,
    grid: Grid,
    cells: Sequence[Cell] | None = None,
    max_memory_gb: float | None = None,
    *,
    into: Into = "corrupted",
) -> Iterator[tuple[Cell, Float[Tensor, "prompt"]]]:
    """The metric [prompt] of each cell as it is known; ``cells`` chooses some, in any order."""
    wanted = [(grid, grid.cells if cells is None else cells)]
    for _, cell, metric in effects_of_maps(session, wanted, max_memory_gb, into=into):
        yield cell, metric


def effects_of_maps(
    session: Session,
    wanted: Sequence[tuple[Grid, Sequence[Cell]]],
    max_memory_gb: float | None = None,
    *,
    into: Into = "corrupted",
) -> Iterator[tuple[int, Cell, Float[Tensor, "prompt"]]]:
    """The same for cells of several maps in one sweep: (which map, cell, metric)."""
    base, _ = both_runs(session, into)
    rest: list[tuple[int, Cell]] = []
    for index, (grid, cells) in enumerate(wanted):
        known = known_cells(base, grid)
        for cell in cells:
            if cell in known:
                yield index, cell, known[cell]
            else:
                rest.append((index, cell))
    if not rest:
        return
    kinds = [node_kind(grid.node) for grid, _ in wanted]

    def variants(some: Session, cells: Sequence[tuple[int, Cell]]) -> list[Variant]:
        return _variants(some, kinds, cells, into)

    for number, metric in session.sweep_by_parts(
        rest, variants, max_memory_gb, corrupted=into == "corrupted"
    ):
        index, cell = rest[number]
        known_cells(base, wanted[index][0])[cell] = metric
        yield index, cell, metric


def _variants(
    session: Session, kinds: Sequence[HookKind], cells: Sequence[tuple[int, Cell]], into: Into
) -> list[Variant]:
    """Cells as the engine's sweep takes them, each with the kind of node that its number names."""
    base, source = both_runs(session, into)
    # Kept in the order of first use: a dictionary from a place to its row.
    places = list(dict.fromkeys((index, cell.layer) for index, cell in cells))
    names = {place: kinds[place[0]].name(place[1]) for place in places}
    given, replaced = (run.activations(list(names.values())) for run in (source, base))
    differs = _differing([(kinds[i], name) for (i, _), name in names.items()], given, replaced)
    found = []
    for index, cell in cells:
        name = names[index, cell.layer]
        found.append(patch_variant(kinds[index], cell, given[name], differs[name]))
    return found


def _differing(
    places: Sequence[tuple[HookKind, str]], given: dict[str, Tensor], replaced: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Where two runs differ at each hook, on the host in one go: a GPU is waited for
    once."""
    found = [kind.differing(given[name], replaced[name]) for kind, name in places]
    flat = torch.cat([one.flatten() for one in found]).cpu()
    parts = flat.split([one.numel() for one in found])
    return {
        name: part.view(one.shape)
        for (_, name), one, part in zip(places, found, parts, strict=True)
    }


def both_runs(session: Session, into: Into) -> tuple[Run, Run]:
    """The run that is patched, and the one that the values come from."""
    corrupted, clean = session.corrupted_run(), session.run()
    return (corrupted, clean) if into == "corrupted" else (clean, corrupted)


def known_cells(base: Run, grid: Grid) -> dict[Cell, Tensor]:
    """Exact values of earlier maps into a run, kept as long as the run is."""
    known: dict[Cell, Tensor] = base.derived.setdefault(f"patched {grid.node}", {})
    return known


def empty_map(session: Session, grid: Grid) -> Float[Tensor, "prompt *cell"]:
    """A map of which nothing is known."""
    shape = (session.prompt_set.n_prompts, *grid.shape)
    return torch.full(shape, float("nan"), device=session.device)


def put(values: Tensor, grid: Grid, cell: Cell, metric: Tensor) -> None:
    """Writes one cell's metric [prompt] into a map [prompt, *cell]."""
    place = [getattr(cell, dim) for dim in grid.dims]
    values[(slice(None), *place)] = metric


def without_padding(
    session: Session, grid: Grid, values: Float[Tensor, "prompt *cell"]
) -> Float[Tensor, "prompt *cell"]:
    """NaN at positions that a prompt does not have."""
    if "pos" not in grid.dims:
        return values
    lengths = session.prompt_set.lengths
    beyond = torch.arange(grid.shape[-1], device=lengths.device)[None] >= lengths[:, None]
    return values.masked_fill(beyond.view(len(lengths), *[1] * (values.dim() - 2), -1), torch.nan)


def both_metrics(session: Session) -> tuple[Float[Tensor, "prompt"], Float[Tensor, "prompt"]]:
    """The metric of the clean and of the corrupted run, under the interventions.

    InputError where it is no number: nothing can be told to be restored.
    """
    metrics = session.current, session.corrupted_run().metric
    for argument, metric in zip(("prompts", "corrupted"), metrics, strict=True):
        if not bool(metric.isfinite().all()):
            raise InputError(
                f"{argument}: under the interventions the {session.metric.label} is NaN or "
                f"infinite: {metric.tolist()}.",
                "Undo the last intervention, or steer with a smaller scale.",
            )
    return metrics


UNITS: dict[Into, str] = {"corrupted": "fraction restored", "clean": "fraction broken"}
"""What a normalised value is: how much of the way from the run that is patched to the other one."""


def normalized(session: Session, values: Tensor, into: Into) -> Tensor:
    """Values on the scale on which the run that is patched is 0 and the other one 1.

    Of the means, as in TransformerLens's demos: single prompts can have no difference at all.
    InputError when the means have none either.
    """
    high, low = (float(metric.mean()) for metric in both_metrics(session))
    if abs(high - low) <= 1e-6 * max(1.0, abs(high)):
        raise InputError(
            f"normalize: the metric is {high:.4g} on the clean and on the corrupted prompts, which "
            "leaves nothing to restore.",
            "Choose other corrupted prompts or another metric, or normalize=False.",
        )
    start, end = (low, high) if into == "corrupted" else (high, low)
    return (values - start) / (end - start)


def definition(session: Session, grid: Grid, into: Into) -> str:
    """What a map shows, in one line."""
    return f"{session.metric.label} of the {into} run after patching {grid.node}"


def labelled_map(
    session: Session,
    grid: Grid,
    values: Float[Tensor, "prompt *cell"],
    per_prompt: bool,
    normalize: bool,
    into: Into,
    attrs: dict[str, Any],
) -> xr.DataArray:
    """A map [prompt, *cell] as its function returns it, ``attrs`` with what all maps tell."""
    clean, corrupted = both_metrics(session)
    values = without_padding(session, grid, values)
    if normalize:
        values = normalized(session, values, into)
    attrs = {
        "units": UNITS[into] if normalize else session.metric.units,
        "metric": session.metric.name,
        "definition": definition(session, grid, into),
        "clean": float(clean.mean()),
        "corrupted": float(corrupted.mean()),
        "into": into,
        **attrs,
    }
    coords: dict[str, Any] = {}
    if "pos" in grid.dims:
        texts = token_texts(session, int(session.prompt_set.lengths.argmax()))
        coords["token"] = ("pos", [f"{t} {i}" for i, t in enumerate(texts)])
    return labelled(values, grid.dims, coords, attrs, per_prompt, ragged=True)
