"""What every intervention is: a frozen value that knows its checks, its hooks and its code.

A kind of intervention is one file with one frozen dataclass. Writing the class is all there is to
it: the session, its file, its code and the views learn from the class what they need to know.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, ClassVar, Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from lens_widgets.engine.components import Component, Reader
from lens_widgets.engine.forward import Hook
from lens_widgets.engine.probe import ModelFacts
from lens_widgets.engine.shares import ReplacedShares
from lens_widgets.engine.stream import StreamParts
from lens_widgets.engine.written import Source
from lens_widgets.errors import InputError, check_choice, near
from lens_widgets.interventions.checks import Positions, normal_positions
from lens_widgets.interventions.hook_code import edited_part, hook_function
from lens_widgets.interventions.site import Site
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span

OtherRun = Literal["clean", "corrupted"]


class RunContext(Protocol):
    """What an intervention may know of the session that it acts in."""

    @property
    def facts(self) -> ModelFacts:
        """Shape, device, dtype and hooks of the model."""

    @property
    def prompt_set(self) -> PromptSet:
        """The prompts as the model sees them."""

    @property
    def device(self) -> torch.device:
        """Where the model runs."""

    @property
    def stream(self) -> StreamParts:
        """How the parts of the model read and write its residual stream; InputError where that is
        no sum of what they write."""

    def clean_activation(self, name: str) -> Float[Tensor, "prompt pos *axes"]:
        """An activation of the run without interventions."""

    def corrupted_activation(self, name: str) -> Float[Tensor, "prompt pos *axes"]:
        """The same on the corrupted prompts."""

    def clean_mean(self, name: str) -> Float[Tensor, "*axes"]:
        """Of an activation [prompt, pos, *axes] of the run without interventions, its mean over
        positions and over all of the session's prompts: the context's can be some of them."""

    def mean_written(self, writers: Sequence[int]) -> Source:
        """The same mean of what some writers of the stream's graph write."""


_KINDS: dict[str, type[Intervention]] = {}


class Intervention(ABC):
    """One change to a forward. Values only: the session supplies prompts and activations.

    A subclass is a frozen dataclass whose fields are numbers, text, tuples of them, a
    ``Component`` or a ``Reader``, or arrays where it says in ``saved`` and ``from_saved`` how they
    are kept.
    """

    toggled_as: ClassVar[tuple[str, ...]] = ()
    """The kinds by which ``session.interventions.toggle(component, kind)`` makes one of these."""

    replaces: ClassVar[bool] = True
    """Whether what the model computed at the site is gone, and not only added to."""

    together: ClassVar[bool] = False
    """Whether all in force of its kind act as one; then ``replaced_shares`` says what they do, and
    ``code_together`` writes them out."""

    positions: Positions

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        known = _KINDS.get(cls.__name__)
        # A cell that is run again defines its classes again; two classes of one name would be
        # told apart by no file.
        if known is not None and (known.__module__, known.__qualname__) != (
            cls.__module__,
            cls.__qualname__,
        ):
            raise TypeError(f"{known.__module__} has an intervention called {cls.__name__} already")
        _KINDS[cls.__name__] = cls

    @property
    def acts_at(self) -> tuple[int, ...] | Span | None:
        """The ``positions`` it acts at, as a tuple without repeats; None for all."""
        return normal_positions(self.positions)

    @property
    @abstractmethod
    def site(self) -> Site:
        """The hook this acts on."""

    # --- in words ---------------------------------------------------------------------------

    @property
    @abstractmethod
    def label(self) -> str:
        """The component or hook, as shown in lists."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """One word for what is done: zero, mean, resample, patch, steer."""

    @property
    def act(self) -> str:
        """What is done with the component, as a verb: "ablate", "patch"."""
        return self.kind

    @property
    def detail(self) -> str:
        """Where it acts, in words."""
        positions = self.acts_at
        if positions is None:
            return "all positions"
        if isinstance(positions, Span):
            return f"at {positions.name}"
        return f"position{'s' * (len(positions) > 1)} {', '.join(map(str, positions))}"

    # --- in the model -----------------------------------------------------------------------

    @property
    def other_run(self) -> OtherRun | None:
        """The run whose activation at the site it takes its values from, if it does."""
        return None

    @abstractmethod
    def validate(self, facts: ModelFacts, prompts: PromptSet) -> None:
        """Raises InputError when this cannot act on the model and prompts."""

    @abstractmethod
    def hooks(self, context: RunContext) -> list[Hook]:
        """TransformerLens ``(name, fn)`` pairs that do this to a forward over the prompts."""

    def replaced_shares(self, context: RunContext) -> ReplacedShares:
        """What it replaces in the inputs of readers; of kinds that act ``together``."""
        raise NotImplementedError

    def of_prompts(self, rows: slice) -> Intervention:
        """The same for some of the prompts it was made for, which are run by themselves."""
        positions = self.acts_at
        if not isinstance(positions, Span):
            return self
        return replace(self, positions=positions.of_prompts(rows))  # type: ignore[type-var]

    # --- as code ----------------------------------------------------------------------------

    def reads(self, context: RunContext) -> list[str]:
        """The hooks of the ``other_run`` that its code takes values from."""
        return [self.site.hook]

    @classmethod
    def code_together(
        cls, items: Sequence[Any], active: Sequence[Intervention], context: RunContext
    ) -> str:
        """Python lines that put all of ``items`` in force beside the others that are ``active``;
        of kinds that act ``together``. ``fwd_hooks`` has the others."""
        raise NotImplementedError

    @abstractmethod
    def edit_code(self, part: str, prompts: PromptSet | None) -> list[str]:
        """Lines of Python that change ``part``, an expression such as ``activation[:, :, 3]``.

        They may use ``activation``, ``hook_name``, and of the ``other_run`` the dict ``clean`` or
        ``corrupted`` from hook names to activations.
        """

    def code(self, context: RunContext | None = None) -> str:
        """Python lines that append to ``fwd_hooks``; see ``Interventions.to_code``."""
        prompts = None if context is None else context.prompt_set
        part = edited_part(self.site, self.acts_at, prompts)
        name = f"{self.kind}_{self.label}"
        return hook_function(name, self.site.hook, self.edit_code(part, prompts))

    # --- in lists ---------------------------------------------------------------------------

    @classmethod
    def toggled(cls, component: Component | str, kind: str) -> Intervention:
        """What ``toggle(component, kind)`` puts in force; of kinds that have ``toggled_as``."""
        raise NotImplementedError

    def switched_with(self, other: Intervention) -> bool:
        """Whether one switch stands for both: of a component there is one ablation at a time."""
        return self == other

    # --- in files ---------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """The fields for a file, by name: numbers, text, tuples of them, None, or numpy arrays."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {
            name: value.saved()
            if isinstance(value, Span)
            else str(value)
            if isinstance(value, (Component, Reader))
            else value
            for name, value in values.items()
        }

    @classmethod
    def from_saved(cls, values: Mapping[str, Any]) -> Intervention:
        """The intervention that was ``saved``; its constructor checks the values again."""
        return cls(**values)


def intervention_kind(name: str) -> type[Intervention]:
    """The class of that name; InputError when none has been defined."""
    if name not in _KINDS:
        raise InputError(
            f"there is no intervention called {name!r}.",
            f"{near(name, _KINDS)} Import the module that defines it.".strip(),
        )
    return _KINDS[name]


def toggled_intervention(component: Component | str, kind: str) -> Intervention:
    """What ``toggle`` puts in force; InputError for a kind that nothing is toggled as."""
    owners = {word: cls for cls in _KINDS.values() for word in cls.__dict__.get("toggled_as", ())}
    check_choice("kind", kind, tuple(owners))
    return owners[kind].toggled(component, kind)
