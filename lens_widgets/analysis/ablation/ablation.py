"""What each component is worth: the metric with it ablated, minus the metric without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from lens_widgets.analysis.labels import labelled
from lens_widgets.engine.components import Component
from lens_widgets.engine.current import one_call
from lens_widgets.engine.hooks import hook_kind
from lens_widgets.engine.parts import ATTENTION, HEADS, MLP, check_layers, layers_with
from lens_widgets.engine.variants import Variant
from lens_widgets.errors import check_choice
from lens_widgets.interventions.ablate import KINDS, Ablate
from lens_widgets.interventions.base import Intervention

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

Over = Literal["head", "mlp", "attn"]
Kind = Literal["zero", "mean", "resample"]
PARTS: dict[Over, str] = {"head": HEADS, "mlp": MLP, "attn": ATTENTION}


@dataclass(frozen=True)
class Effect:
    """One finished cell: change of the metric [prompt] when ``component`` is ablated as well."""

    component: Component
    change: Float[Tensor, "prompt"]


def ablation_effects(
    session: Session,
    kind: Kind = "zero",
    over: Over = "head",
    *,
    max_memory_gb: float | None = None,
) -> Iterator[Effect]:
    """Exact effects, one by one as they are known, on top of the session's interventions."""
    active = session.interventions.active
    before = session.run(active).metric
    components = sweep_components(session, over)
    ablated = {i.component for i in active if isinstance(i, Ablate)}
    for component in components:
        if component in ablated:
            yield Effect(component, torch.zeros_like(before))
    rest = [component for component in components if component not in ablated]

    def variants(some: Session, chosen: Sequence[Component]) -> list[Variant]:
        return [ablation_variant(some, Ablate(component, kind)) for component in chosen]

    for index, after in session.sweep_by_parts(rest, variants, max_memory_gb):
        yield Effect(rest[index], after - before)


def ablation_variant(session: Session, ablate: Ablate) -> Variant:
    """One ablation of a head, an MLP or an attention layer, as the engine's sweep takes it."""
    part = Component.parse(ablate.component)
    assert part.layer is not None
    everywhere = torch.ones(session.tokens.shape, dtype=torch.bool, device="cpu")
    reach = hook_kind(part.hook).reach(everywhere)
    return Variant(part.layer, ablate.hooks(session)[0], *reach)


def sweep_components(session: Session, over: Over) -> list[Component]:
    """The components of a sweep, in the model's order."""
    facts = session.facts
    layers = layers_with(facts, PARTS[over])
    if over != "head":
        return [Component(over, layer) for layer in layers]
    return [Component("head", layer, head) for layer in layers for head in range(facts.n_heads)]


@one_call()
def ablation_sweep(
    session: Session,
    kind: Kind = "zero",
    over: Over = "head",
    *,
    per_prompt: bool = False,
    max_memory_gb: float | None = None,
) -> xr.DataArray:
    """What the metric becomes when each part is ablated by itself: after minus before, exact.

    Each value equals one hooked forward; variants are computed together. On top of the session's
    interventions.

    Args:
        session: whose prompts, metric and interventions.
        kind: what takes the output's place: ``"zero"``; ``"mean"``, its mean over the session's
            prompts and positions in the clean run; ``"resample"``, what it is on the corrupted
            prompts.
        over: ``"head"``, ``"mlp"`` or ``"attn"`` (whole attention layers).
        per_prompt: keep the prompts apart instead of their mean.
        max_memory_gb: what may be used on top of the model; by default a share of what is free.

    Returns:
        Dims layer, head (or layer), in the metric's units, with ``sem``, the standard error over
        the prompts; a leading dim prompt with ``per_prompt``. NaN where a layer has no such part.
        ``attrs["before"]`` is the metric before.

    Raises:
        InputError: an unknown ``kind`` or ``over``; no layer with such a part; no corrupted
            prompts for ``"resample"``; memory for not even one variant.

    Source:
        Knockouts as in Wang et al., Interpretability in the Wild (2022); in TransformerLens one
        ``run_with_hooks`` for each part.

    Examples:
        >>> effect = lw.analysis.ablation_sweep(session)
        >>> effect.stack(part=("layer", "head")).idxmin().item()
        (1, 4)
    """
    check_choice("kind", kind, KINDS)
    check_choice("over", over, ("head", "mlp", "attn"))
    facts, n_prompts = session.facts, session.prompt_set.n_prompts
    check_layers(facts, f"over={over!r}", PARTS[over])
    shape = [n_prompts, facts.n_layers] + ([facts.n_heads] if over == "head" else [])
    values = torch.full(shape, float("nan"), device=session.device)
    for effect in ablation_effects(session, kind, over, max_memory_gb=max_memory_gb):
        part = effect.component
        index = (
            (slice(None), part.layer) if part.head is None else (slice(None), part.layer, part.head)
        )
        values[index] = effect.change
    attrs = {
        "units": session.metric.units,
        "metric": session.metric.name,
        "definition": f"metric after {kind} ablation minus before",
        "before": float(session.current.mean()),
    }
    dims = ("layer", "head") if over == "head" else ("layer",)
    return labelled(values, dims, {}, attrs, per_prompt)


def intervention_effects(session: Session) -> dict[str, float]:
    """For each switched-on entry: the metric with all active minus the metric without this one."""
    entries = [entry for entry in session.interventions.entries if entry.enabled]
    everything = tuple(entry.intervention for entry in entries)
    current = session.run(everything).metric
    result = {}
    for entry in entries:
        others: tuple[Intervention, ...] = tuple(
            other.intervention for other in entries if other.key != entry.key
        )
        result[entry.key] = float((current - session.metric_with(others)).mean())
    return result
