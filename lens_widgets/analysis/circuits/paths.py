"""Path patching: what senders tell receivers along direct paths, or through MLPs.

Source: Wang et al., Interpretability in the Wild (2022), section 3.1; Goldowsky-Dill et al.,
Localizing Model Behavior with Path Patching (2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.circuits.edges import differing
from lens_widgets.analysis.labels import labelled
from lens_widgets.analysis.patching.patching import INTO, UNITS, Into, both_metrics, normalized
from lens_widgets.engine.current import one_call
from lens_widgets.engine.shares import GivenInputs
from lens_widgets.engine.variants import Variant
from lens_widgets.errors import InputError, check_choice

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

CHUNK = 16
"""Senders whose paths are followed together."""


@one_call()
def path_patch(
    session: Session,
    senders: Sequence[str | Sequence[str]] | None = None,
    receivers: str | Sequence[str] = "logits",
    *,
    through_mlps: bool = False,
    into: Into = "corrupted",
    normalize: bool = False,
    per_prompt: bool = False,
    max_memory_gb: float | None = None,
) -> xr.DataArray:
    """The metric of one run after what a sender tells some receivers is another run's, exact.

    First the receivers' inputs are made in a run in which the sender writes what it writes in the
    other run and all heads, and without ``through_mlps`` all MLPs, write what they did. Then the
    run is made anew with these inputs; all but the receivers read what is there. The session's
    interventions are in force in both runs. A direct path to one receiver is an edge; its code is
    that of ``lw.Cut``, see ``edge_sweep``.

    Args:
        session: whose prompts, corrupted prompts, metric and interventions.
        senders: parts as in ``"L0H1"``, ``"L0.mlp"`` or ``"embed"``, one at a time; a list of
            several are patched together; all that come before a receiver if left out.
        receivers: inputs as in ``"L1H4.q"`` or ``"logits"``, one or a list, patched together.
        through_mlps: whether MLPs on the way hear the sender and one another.
        into: ``"corrupted"`` tells the corrupted run what clean senders say, ``"clean"`` the
            reverse.
        normalize: 0 for the run that is patched, 1 for the metric of the other one.
        per_prompt: keep the prompts apart instead of their mean.
        max_memory_gb: what may be used on top of the model; by default a share of what is free.

    Returns:
        Dims sender, of several together joined by ``"+"``; a leading dim prompt with
        ``per_prompt``. In the metric's units, or a share with ``normalize``; ``sem`` is the
        standard error over the prompts. ``attrs["clean"]`` and ``attrs["corrupted"]`` are the
        metrics of the two runs, ``attrs["receivers"]`` the receivers.

    Raises:
        InputError: no corrupted prompts; an unknown sender or receiver, or a sender that comes
            after all receivers; a model whose stream is no sum of what its parts write.

    Source:
        Wang et al., Interpretability in the Wild (2022); Goldowsky-Dill et al., Localizing Model
        Behavior with Path Patching (2023).

    Examples:
        >>> heads = lw.analysis.path_patch(session, ["L1H4", "L1H5"], "logits")
        >>> str(heads.idxmax("sender").item())
        'L1H4'
    """
    check_choice("into", into, INTO)
    graph = session.stream.graph
    read = [receivers] if isinstance(receivers, str) else list(receivers)
    if not read:
        raise InputError("receivers is empty.", "Pass 'logits', or inputs as in ['L1H4.q'].")
    numbers = sorted({graph.reader(name) for name in read})
    groups = _senders(session, senders, numbers)
    values = torch.full((session.prompt_set.n_prompts, len(groups)), torch.nan, device="cpu")
    for index, metric in path_effects(session, groups, numbers, through_mlps, into, max_memory_gb):
        values[:, index] = metric.detach().float().cpu()
    clean, corrupted = both_metrics(session)
    if normalize:
        values = normalized(session, values, into)
    names = [graph.reader_names[number] for number in numbers]
    how = "through MLPs" if through_mlps else "along direct paths"
    attrs = {
        "units": UNITS[into] if normalize else session.metric.units,
        "metric": session.metric.name,
        "definition": f"{session.metric.label} of the {into} run after patching what each sender "
        f"tells {', '.join(names)} {how}",
        "clean": float(clean.mean()),
        "corrupted": float(corrupted.mean()),
        "into": into,
        "receivers": names,
        "through_mlps": through_mlps,
        "estimate": False,
    }
    labels = ["+".join(graph.writer_names[number] for number in group) for group in groups]
    return labelled(values, ("sender",), {"sender": labels}, attrs, per_prompt)


def path_effects(
    session: Session,
    groups: Sequence[Sequence[int]],
    receivers: Sequence[int],
    through_mlps: bool,
    into: Into,
    max_memory_gb: float | None = None,
) -> Iterator[tuple[int, Float[Tensor, "prompt"]]]:
    """The metric [prompt] with each group of senders patched, as it is known."""
    both_metrics(session)

    def variants(some: Session, chosen: Sequence[Sequence[int]]) -> list[Variant]:
        return _variants(some, chosen, receivers, through_mlps, into)

    # What is followed of many senders at once is a stream for each receiver.
    for start in range(0, len(groups), CHUNK):
        chunk = groups[start : start + CHUNK]
        for index, metric in session.sweep_by_parts(
            chunk, variants, max_memory_gb, corrupted=into == "corrupted"
        ):
            yield start + index, metric


def _variants(
    session: Session,
    groups: Sequence[Sequence[int]],
    receivers: Sequence[int],
    through_mlps: bool,
    into: Into,
) -> list[Variant]:
    """Receivers that read what they would if only the senders wrote something else."""
    stream, corrupted = session.stream, into == "corrupted"
    graph = stream.graph
    writers = sorted({number for group in groups for number in group})
    base = session.written(writers, corrupted=corrupted)
    other = session.written(writers, corrupted=not corrupted)
    changes = {
        number: (other.write([number]) - base.write([number]))[0].float() for number in writers
    }
    masks = differing(stream, other, base)
    run = session.corrupted_run() if corrupted else session.run()
    # Of each group how far the stream is from the base run's: [prompt, pos, d_model].
    moved = [torch.zeros_like(changes[group[0]]) for group in groups]
    given: list[dict[int, Tensor]] = [{} for _ in groups]
    last = max(graph.read_at(graph.readers[number]) for number in receivers)
    for moment in range(last + 1):
        for group, far in zip(groups, moved, strict=True):
            for number in group:
                if graph.written_at(graph.writers[number]) == moment:
                    far += changes[number]
        written: list[tuple[Tensor, Tensor]] = []
        for number, reader in enumerate(graph.readers):
            if graph.read_at(reader) != moment:
                continue
            follow = through_mlps and reader.kind == "mlp"
            if number not in receivers and not follow:
                continue
            there = session.read_streams([number], corrupted=corrupted)[number]
            streams = [(there.float() + far).to(there.dtype) for far in moved]
            if number in receivers:
                for row, one in enumerate(streams):
                    given[row][number] = one
            if follow and reader.layer is not None:
                before = run.activation(f"blocks.{reader.layer}.hook_mlp_out")
                after = session.mlp_writes(reader.layer, streams, corrupted=corrupted)
                own = graph.writer(f"L{reader.layer}.mlp")
                for group, far, one in zip(groups, moved, after, strict=True):
                    # What is a sender itself writes what the other run has.
                    if own not in group:
                        written.append((far, one.float() - before.float()))
        for far, change in written:
            far += change
    found = []
    for group, streams_of in zip(groups, given, strict=True):
        at = torch.stack([masks[number] for number in group]).any(dim=0)
        onward = at.long().cummax(dim=1).values.bool()
        inputs = GivenInputs(stream, streams_of)
        found.append(Variant(inputs.first_layer, None, onward, onward, onward, (), inputs))
    return found


def _senders(
    session: Session, senders: Sequence[str | Sequence[str]] | None, receivers: Sequence[int]
) -> list[tuple[int, ...]]:
    """The numbers of writers that are patched together; InputError for what no receiver hears."""
    graph = session.stream.graph
    heard = graph.mask[:, list(receivers)].any(dim=1)
    if senders is None:
        return [(number,) for number in heard.nonzero()[:, 0].tolist()]
    if isinstance(senders, str) or not isinstance(senders, Sequence) or not senders:
        raise InputError(
            f"senders={senders!r} is not a list of parts.", "Pass a list such as ['L0H1', 'L0H2']."
        )
    groups: list[tuple[int, ...]] = []
    for sender in senders:
        names: Any = [sender] if isinstance(sender, str) else list(sender)
        numbers = tuple(sorted({graph.writer(name) for name in names}))
        deaf = [number for number in numbers if not bool(heard[number])]
        if deaf or not numbers:
            name = graph.writer_names[deaf[0]] if deaf else sender
            raise InputError(
                f"sender {name!r}: all receivers read the stream before it writes to it.",
                "A sender comes before at least one receiver.",
            )
        groups.append(numbers)
    return groups
