"""The residual stream from stage to stage, named as TransformerLens names it: ``0_pre``, ``0_mid``,
..., ``final_post``.

Source: ``ActivationCache.accumulated_resid``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.parts import check_stream
from lens_widgets.engine.trials import BEFORE_MLP
from lens_widgets.session.run import Run

if TYPE_CHECKING:
    from lens_widgets.session.session import Session

FINAL = "ln_final.hook_in"


@dataclass(frozen=True)
class Stage:
    """The stream as it enters a layer (``pre``), between its attention and its MLP (``mid``), or as
    it leaves the last one (``post``)."""

    layer: int
    kind: Literal["pre", "mid", "post"]
    written: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "final_post" if self.kind == "post" else f"{self.layer}_{self.kind}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The activations that sum to it.

        ``mid`` is not read from ``hook_resid_mid``: what is written there reaches the MLP alone.
        """
        if self.kind == "post":
            return (FINAL,)
        entering = f"blocks.{self.layer}.hook_in"
        if self.kind == "pre":
            return (entering,)
        return entering, *self.written


def model_stages(session: Session, incl_mid: bool = True) -> list[Stage]:
    """All stages in the model's order; ``mid`` where a layer's MLP comes after its attention."""
    facts = session.facts
    check_stream(facts)
    found: list[Stage] = []
    for layer in range(facts.n_layers):
        found.append(Stage(layer, "pre"))
        hooks = facts.layers.writes(layer)
        before_mlp = tuple(hook for part, hook in hooks.items() if part in BEFORE_MLP)
        # Where parts do not add up to the stream, none of their sums is a state of it.
        has_mid = f"blocks.{layer}.hook_resid_mid" in facts.hooks and not facts.no_sum
        if incl_mid and has_mid and before_mlp:
            found.append(Stage(layer, "mid", before_mlp))
    return [*found, Stage(facts.n_layers - 1, "post")]


def read_stages(
    run: Run, stages: Sequence[Stage], read: Callable[[Tensor], Float[Tensor, "*n d_model"]]
) -> list[Float[Tensor, "*n d_model"]]:
    """What ``read`` takes of each stage's stream [prompt, pos, d_model]; one more run at most."""
    found = run.activations(sorted({name for stage in stages for name in stage.parts}))
    taken: list[Tensor] = []
    for stage in stages:
        first, *rest = (read(found[name]) for name in stage.parts)
        taken.append(sum(rest, start=first))
    return taken


def edited_past_norm(session: Session, run: Run) -> bool:
    """Whether this run's interventions act where no stage of the stream can show it."""
    past = ("ln_final.hook_scale", "ln_final.hook_normalized", "ln_final.hook_out")
    return run is not session.run(()) and any(
        item.site.hook in past or item.site.hook.startswith(("unembed.", "hook_unembed"))
        for item in session.interventions.active
    )
