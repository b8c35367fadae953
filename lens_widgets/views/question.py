"""Questions and commands: typed functions of a session that a page can ask for by name.

A question is a function of the session and of plain values; its arguments are their own schema, and
an ``Answer`` class declares what it gives. It is written inside the class of its view::

    class HeadScoresView(View):
        @question(Scores, first=True)
        @staticmethod
        def scores(session: Session, prompt: int | None) -> xr.Dataset: ...

``view.scores()`` asks it with the view's options, selection and settings filled in; the page asks
``head_scores/scores`` and states all arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_type_hints, overload

import msgspec
import xarray as xr

from lens_widgets.engine import current
from lens_widgets.errors import InputError, near
from lens_widgets.session.session import Session
from lens_widgets.wire.dataset import Answer, check_answer
from lens_widgets.wire.messages import Step, checked

Function = Callable[..., Any]


@dataclass(eq=False)
class Question:
    """One question, or a command (without ``answer_type``), which changes the session.

    ``first``: asked as the view opens. ``quick``: runs no model, so it is answered at once.
    ``writes``: gets the session itself; all others get it frozen, so that no number moves
    meanwhile. ``shared``: asked once for all views of a page. ``later``: nobody waits for it, so it
    is answered in a rest; what it has found it keeps, as it begins anew after each click. Long ones
    are generators that yield ``Step`` and return their answer.
    """

    function: Function
    answer_type: type[Answer] | None = None
    first: bool = False
    quick: bool = False
    writes: bool = False
    shared: bool = False
    later: bool = False
    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, view: None, owner: type) -> Question: ...
    @overload
    def __get__(self, view: Any, owner: type) -> Callable[..., xr.Dataset]: ...
    def __get__(self, view: Any, owner: type) -> Any:
        if view is None:
            return self

        def ask(**given: Any) -> xr.Dataset:
            found: xr.Dataset = view.ask(self.name, **given)
            return found

        ask.__doc__ = self.function.__doc__
        return ask

    @cached_property
    def arguments(self) -> type[msgspec.Struct]:
        """What can be said besides the session; a schema that knows no other field."""
        hints = get_type_hints(self.function, include_extras=True)
        fields: list[Any] = []
        for parameter in list(inspect.signature(self.function).parameters.values())[1:]:
            hint = hints[parameter.name]
            if parameter.default is inspect.Parameter.empty:
                fields.append((parameter.name, hint))
            else:
                fields.append((parameter.name, hint, parameter.default))
        return msgspec.defstruct(
            f"{self.name.title().replace('_', '')}Args",
            fields,
            kw_only=True,
            forbid_unknown_fields=True,
        )

    def takes_none(self, name: str) -> bool:
        """Whether an argument may be None, as ``prompt`` for the mean over prompts."""
        hint = get_type_hints(self.arguments).get(name)
        return type(None) in get_args(hint)

    def check(self, args: Any) -> dict[str, Any]:
        """All arguments, defaults filled in; FieldError names the one that does not fit."""
        found = checked(self.arguments, args, "args")
        return {name: getattr(found, name) for name in self.arguments.__struct_fields__}

    def bind(self, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments from what a view has chosen, and over it those that are given."""
        names = self.arguments.__struct_fields__
        for name in given:
            if name not in names:
                raise InputError(
                    f"{self.name}() got {name!r}.", near(name, names) or f"It takes {names}."
                )
        return {name: known[name] for name in names if name in known} | dict(given)

    def run(self, session: Session, args: dict[str, Any]) -> Any:
        """The answer, checked, or for long work the generator that comes to it."""
        outcome = self.function(session, **args)
        if isinstance(outcome, Generator):
            return self._checked_at_end(outcome)
        return self._checked(outcome)

    def answer(self, session: Session, args: dict[str, Any]) -> xr.Dataset:
        """The answer, however long it takes."""
        with current.one_call():
            outcome = self.run(session, args)
            while isinstance(outcome, Generator):
                try:
                    next(outcome)
                except StopIteration as stop:
                    outcome = stop.value
        found: xr.Dataset = outcome
        return found

    def _checked(self, dataset: Any) -> Any:
        if self.answer_type is None:
            return xr.Dataset()
        check_answer(self.answer_type, dataset)
        return dataset

    def _checked_at_end(self, steps: Generator[Step, None, Any]) -> Generator[Step, None, Any]:
        return self._checked((yield from steps))


def question(
    answer: type[Answer],
    *,
    first: bool = False,
    quick: bool = False,
    shared: bool = False,
    later: bool = False,
) -> Callable[[Any], Question]:
    """Makes a static method a question of the view in whose class it stands."""
    return lambda made: Question(
        _plain(made), answer, first=first, quick=quick, shared=shared, later=later
    )


def command(*, writes: bool = False) -> Callable[[Any], Question]:
    """Makes a static method a command: it changes the session, in place or (``writes``) in the
    worker, where it may run the model."""
    return lambda made: Question(_plain(made), quick=not writes, writes=writes)


def questions_of(owner: type) -> dict[str, Question]:
    """The questions of a class, those of its bases included."""
    found: dict[str, Question] = {}
    for base in reversed(owner.__mro__):
        found |= {n: value for n, value in vars(base).items() if isinstance(value, Question)}
    return found


def _plain(function: Any) -> Function:
    made: Function = function.__func__ if isinstance(function, staticmethod) else function
    return made
