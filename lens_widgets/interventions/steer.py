"""Adding a direction to an activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lens_widgets.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.errors import InputError
from lens_widgets.interventions import code
from lens_widgets.interventions.base import (
    Intervention,
    Site,
    fitted,
    is_pattern,
    of_site,
    position_mask,
)
from lens_widgets.interventions.checks import (
    check_positions,
    check_target,
    finite_scale,
    normal_positions,
    parse_target,
)

if TYPE_CHECKING:
    from lens_widgets.engine.probe import ModelFacts
    from lens_widgets.prompts.prompt_set import PromptSet
    from lens_widgets.session.runs import PromptRuns
    from lens_widgets.session.session import Session


@dataclass(frozen=True)
class Steer(Intervention):
    """Adds ``scale * vector`` to a hook's activation. ``vector`` has its last dimension's
    length."""

    hook: Component | str
    vector: Tensor | Sequence[float] = field(repr=False)
    scale: float = 1.0
    positions: tuple[int, ...] | int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hook", parse_target(self.hook))
        try:
            vector = torch.as_tensor(self.vector, dtype=torch.float32).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"vector must hold numbers; got {type(self.vector).__name__}.",
                "Pass the direction to add: a one-dimensional tensor or a list of numbers.",
            ) from error
        if vector.dim() != 1 or not bool(vector.isfinite().all()):
            raise InputError(
                f"vector must be one-dimensional and finite; got shape {list(vector.shape)}.",
                "Pass the direction to add, of the length of the hook's last dimension.",
            )
        # A tuple, so that equal interventions compare and hash equal.
        object.__setattr__(self, "vector", tuple(vector.tolist()))
        object.__setattr__(self, "scale", finite_scale(self.scale))
        object.__setattr__(self, "positions", normal_positions(self.positions))

    @property
    def kind(self) -> str:
        return "steer"

    @property
    def site(self) -> Site:
        return Site.of(self.hook)

    @property
    def label(self) -> str:
        return str(self.hook)

    @property
    def detail(self) -> str:
        return f"{self.scale:g} × vector · {super().detail}"

    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        check_target(facts, self.hook)
        check_positions(prompts, self.places)
        shape = facts.hooks[self.site.hook]
        if is_pattern(self.site.hook) or len(shape) < 3:
            raise InputError(
                f"hook={self.site.hook!r} holds no vectors to steer.",
                "Choose a hook of shape [prompt, pos, ..., d], such as blocks.0.hook_resid_post.",
            )
        size = shape[-1]
        if len(self.vector) != size:
            raise InputError(
                f"vector has length {len(self.vector)}; {self.site.hook} has {size}.",
                "Take a vector from the same hook.",
            )

    def hooks(self, session: Session | PromptRuns) -> list[Hook]:
        self.validate(session.facts, session.prompt_set)
        site, mask = self.site, position_mask(session, self.places)
        added = self.scale * torch.tensor(self.vector, device=session.device)

        def steer(activation: Tensor, hook: Any) -> Tensor:
            edited = activation.clone()
            part = of_site(edited, site)
            change = added.to(part.dtype).expand_as(part)
            part += change if mask is None else change * fitted(mask, part, site)
            return edited

        return [(site.hook, steer)]

    def code(self, session: Session | None = None) -> str:
        return code.steer(self, session)
