"""A function of the user's as a metric: where it reads, and what it is handed.

Logits of prompts of different lengths have padding behind the shorter ones. A function that reads
``logits[:, -1]`` means each prompt's last position; one that reads ``logits[:, 3]`` counts from the
beginning. Which of the two it does is tried once, with other values in the padding and with more of
it, instead of being guessed: what it must not depend on does not change what it returns.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lens_widgets.engine.current import check_cancelled
from lens_widgets.errors import InputError
from lens_widgets.prompts.prompt_set import PromptSet

Logits = Float[Tensor, "prompt pos d_vocab"]
CountsFrom = Literal["start", "end"]


class OwnMetric:
    """``function`` of logits as one number a prompt, checked."""

    def __init__(self, function: Callable[[Logits], Any]) -> None:
        self._function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.units = str(getattr(function, "units", "metric units"))
        self.counts_from: CountsFrom = "start"
        """Where the function counts positions from; known once it was called on prompts of
        different lengths, and the same thing on others."""
        self._tried: Int[Tensor, "prompt"] | None = None
        self._settled = False

    def settled(self) -> OwnMetric:
        """The same for some of the prompts that it was tried on: where it counts from is known."""
        settled = copy(self)
        settled._settled = True
        return settled

    def gives(self, values: Float[Tensor, "prompt"], logits: Logits, prompts: PromptSet) -> bool:
        """Whether it works on these prompts, and has these values."""
        try:
            return _same(values, self(logits, prompts))
        except InputError:
            return False

    def __call__(self, logits: Logits, prompts: PromptSet) -> Float[Tensor, "prompt"]:
        """The metric of each prompt; InputError for what is no such number."""
        if prompts.attention_mask is None:
            return self._value(logits, prompts)
        if self._tried is not prompts.lengths and not self._settled:
            self.counts_from = self._found(logits.detach(), prompts)
            self._tried = prompts.lengths
        if self.counts_from == "end":
            logits = ends_aligned(logits, prompts.lengths)
        return self._value(logits, prompts)

    def _found(self, logits: Logits, prompts: PromptSet) -> CountsFrom:
        """Where it counts from, tried on the logits of one run."""
        filled = _refilled(logits, prompts.lengths)
        plain = self._attempt(logits)
        if _same(plain, self._attempt(filled)):
            longer = self._attempt(torch.cat([filled, filled[:, :1] + 1], dim=1))
            # A function that holds something of the width of these prompts counts from the start.
            if longer is None or _same(plain, longer):
                return "start"
        # One copy of the logits at a time besides the refilled ones: they can be gigabytes.
        aligned = self._attempt(ends_aligned(logits, prompts.lengths))
        filled = ends_aligned(filled, prompts.lengths)
        wider = self._attempt(torch.cat([filled[:, :1] + 1, filled], dim=1))
        if _same(aligned, wider):
            return "end"
        # What is no metric at all is told as such.
        self._value(logits, prompts)
        lengths = prompts.lengths.tolist()
        raise InputError(
            f"metric {self.name!r} reads logits behind the end of a prompt: prompts are "
            f"{min(lengths)} to {max(lengths)} tokens long.",
            "Count positions from the end, as in logits[:, -1], or from the start where every "
            "prompt has them, or use prompts of one length.",
        )

    def _attempt(self, logits: Logits) -> Tensor | None:
        """What the function returns, or None where it does not work."""
        check_cancelled()
        try:
            with torch.no_grad():
                values = self._function(logits)
        except Exception:
            return None
        return values if isinstance(values, Tensor) else None

    def _value(self, logits: Logits, prompts: PromptSet) -> Float[Tensor, "prompt"]:
        try:
            values = self._function(logits)
        except Exception as error:
            raise InputError(
                f"metric {self.name!r} raised {type(error).__name__}: {error}",
                f"It was called with logits of shape {list(logits.shape)}.",
            ) from error
        if not isinstance(values, Tensor) or values.shape != (prompts.n_prompts,):
            came = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise InputError(
                f"metric {self.name!r} must return a tensor of shape [{prompts.n_prompts}], one "
                f"value per prompt; got {came}.",
                "Do not average over prompts: lens_widgets does that.",
            )
        values = values.float()
        if not logits.requires_grad:
            values = values.detach()
        if not bool(values.isfinite().all()):
            raise InputError(
                f"metric {self.name!r} returned values that are not finite: {values.tolist()}.",
                "Check for logs of zero and for padding positions.",
            )
        return values


def ends_aligned(logits: Logits, lengths: Int[Tensor, "prompt"]) -> Logits:
    """The logits with each prompt's last position at -1, and what was padding in front."""
    width = logits.shape[1]
    places = torch.arange(width, device=logits.device)[None] + lengths[:, None]
    rows = torch.arange(len(lengths), device=logits.device)[:, None]
    return logits[rows, places % width]


def _refilled(logits: Logits, lengths: Int[Tensor, "prompt"]) -> Logits:
    """The same logits with other values in the padding: uneven ones, which no softmax hides."""
    behind = torch.arange(logits.shape[1], device=logits.device)[None] >= lengths[:, None]
    other = torch.linspace(-9.0, 5.0, logits.shape[2], device=logits.device).to(logits.dtype)
    return torch.where(behind[..., None], other, logits)


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None or first.shape != second.shape:
        return False
    return torch.allclose(first.float(), second.float(), rtol=1e-4, atol=1e-5, equal_nan=True)
