"""One architecture to be checked, and the list of what is checked on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import lens_widgets as lw
from lens_widgets.engine.current import one_call
from lens_widgets.errors import InputError
from tests.architectures import build, plain
from tests.unit import reference
from tests.unit.every_question import session_of
from tests.unit.reference import Hook
from tests.unit.right.plain import PlainRun, Twin


class Case:
    """A session of two prompts, in which a head (else an MLP) is ablated, beside plain runs.

    Of an architecture by its name, or of a ``model`` with Hugging Face's own of the same weights.
    """

    def __init__(self, name: str, model: Any = None, hf: Any = None) -> None:
        self.name = name
        self.session = session_of(build(name) if model is None else model)
        self.model: Any = self.session.model
        self.twin = Twin(plain(name) if hf is None else hf, self.model)
        self.facts = self.session.facts
        self.ablated, self.edits = self._ablate()
        self.run = cache(self._run)

    def close(self) -> None:
        """Lets go of everything."""
        self.session.close()

    @property
    def prompts(self) -> range:
        """Their indices."""
        return range(self.session.prompt_set.n_prompts)

    @property
    def layers(self) -> range:
        """Their indices."""
        return range(self.facts.n_layers)

    def has(self, layer: int, part: str) -> bool:
        """Whether a layer has an activation."""
        return f"blocks.{layer}.{part}" in self.run(0).activations

    def neurons(self, layer: int) -> str:
        """The part of a layer that holds what its MLP's output map is given."""
        found = ("mlp.out", "mlp.dense_out")
        return f"blocks.{layer}." + next(
            part for part in found if self.has(layer, f"{part}.hook_in")
        )

    def has_heads(self, layer: int) -> bool:
        """Whether what a layer's attention hands on is laid out by heads."""
        z = self.run(0).activations.get(f"blocks.{layer}.attn.hook_z")
        return z is not None and z.dim() == 3 and z.shape[1] == self.facts.n_heads

    def _run(self, prompt: int, *, now: bool = True, corrupted: bool = False) -> PlainRun:
        """A prompt's plain run: ``now`` under the ablation, else without."""
        prompts = self.session.prompt_set
        tokens = prompts.corrupted_tokens if corrupted else prompts.tokens
        assert tokens is not None
        alone = tokens[prompt, : int(prompts.lengths[prompt])][None]
        return PlainRun(self.model, alone, self.edits if now else ())

    def _ablate(self) -> tuple[str, tuple[Hook, ...]]:
        head = min(1, self.facts.n_heads - 1)
        for layer in range(self.facts.n_layers):
            for component, hook, index in (
                (f"L{layer}H{head}", "attn.hook_z", head),
                (f"L{layer}.mlp", "hook_mlp_out", None),
            ):
                try:
                    self.session.interventions.add(lw.Ablate(component))
                except InputError:
                    continue
                edit = reference.write(f"blocks.{layer}.{hook}", 0.0, head=index)
                return component, (edit,)
        return "", ()


@dataclass(frozen=True)
class Check:
    """``function`` fails where a number is wrong, and passes an ``InputError`` on.

    ``against``: what the numbers are held against, for the documentation.
    """

    name: str
    against: str
    function: Callable[[Case], None]

    def __call__(self, case: Case) -> None:
        """Makes the check; the model is looked at once for all of it."""
        with one_call():
            self.function(case)


LISTED: dict[str, Check] = {}
"""Every check of a module that was imported, by name."""


def check(name: str, against: str) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Lists a function as a check."""

    def listed(function: Callable[[Case], None]) -> Callable[[Case], None]:
        LISTED[name] = Check(name, against, function)
        return function

    return listed


def ask(case: Case, view: type, question: str, **arguments: Any) -> Any:
    """A view's answer."""
    return view(case.session).ask(question, **arguments)
