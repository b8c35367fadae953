"""Prompts with their answers and corrupted partners, before any session has seen them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from lens_widgets.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Pair = tuple["str | int", "str | int"]


Prompts = TypeVar("Prompts", bound="tuple[str, ...] | Tensor")


@dataclass(frozen=True, eq=False)
class PromptPairs(Generic[Prompts]):
    """What :class:`lens_widgets.Session` takes: ``lw.Session(model, pairs)`` uses the prompts, the
    answers and the corrupted prompts.

    Attributes:
        prompts: texts, or token ids [prompt, pos].
        answers: one (correct, wrong) pair per prompt, or None.
        corrupted: each prompt's partner, of the same token length, or None.
        metric: a function of the logits that belongs to these prompts, or None. It is used when
            asked for: ``lw.Session(model, pairs, metric=pairs.metric)``.
    """

    prompts: Prompts
    answers: tuple[Pair, ...] | None = None
    corrupted: Prompts | None = None
    metric: Callable[[Float[Tensor, "prompt pos d_vocab"]], Float[Tensor, "prompt"]] | None = None

    def __len__(self) -> int:
        return len(self.prompts)


def check_count(argument: str, value: object, least: int) -> None:
    """InputError unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(
            f"{argument}={value!r} is not a whole number of at least {least}.",
            f"For example {argument}={max(least, 8)}.",
        )
