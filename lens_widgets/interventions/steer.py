"""Adding a direction to an activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lens_widgets.engine.components import Component
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention, RunContext
from lens_widgets.interventions.checks import (
    Positions,
    check_positions,
    check_target,
    finite_scale,
    normal_positions,
    parse_target,
)
from lens_widgets.interventions.site import Site, adding, position_mask
from lens_widgets.prompts.prompt_set import PromptSet


@dataclass(frozen=True)
class Steer(Intervention):
    """Adds ``scale * vector`` to an activation.

    Args:
        hook: a hook as in ``"blocks.2.hook_resid_pre"``, or a component.
        vector: a direction, [d] with the length of the activation's last dimension.
        scale: how much of it.
        positions: where; all by default. Negative ones count from each prompt's end.

    Raises:
        InputError: a vector of another length, or that is not finite; what names no activation.

    Examples:
        >>> direction = model.W_U[:, 300]
        >>> steered = session.run([lw.Steer("blocks.3.hook_resid_post", direction, scale=4.0)])
    """

    hook: Component | str
    vector: Tensor | Sequence[float] = field(repr=False)
    scale: float = 1.0
    positions: Positions = None

    replaces = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "hook", parse_target(self.hook))
        try:
            # Where a tensor is, it stays; a list does not follow the default device.
            device = self.vector.device if isinstance(self.vector, Tensor) else "cpu"
            vector = torch.as_tensor(self.vector, dtype=torch.float32, device=device).detach()
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
        check_positions(prompts, self.acts_at)
        shape = facts.hooks[self.site.hook]
        if not self.site.hook_kind.holds_vectors or len(shape) < 3:
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

    def hooks(self, context: RunContext) -> list[Hook]:
        self.validate(context.facts, context.prompt_set)
        added = self.scale * torch.tensor(self.vector, device=context.device)
        return [adding(self.site, added, position_mask(context.prompt_set, self.acts_at))]

    def edit_code(self, part: str, prompts: PromptSet | None) -> list[str]:
        return [
            f"vector = torch.tensor({list(self.vector)}, device=activation.device)",
            f"{part} += {self.scale!r} * vector.to(activation.dtype)",
        ]

    def saved(self) -> dict[str, Any]:
        return {**super().saved(), "vector": np.array(self.vector, dtype=np.float32)}
