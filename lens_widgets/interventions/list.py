"""The interventions of a session: ordered, observable, switchable, with undo and redo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import traitlets

from lens_widgets.engine.components import Component
from lens_widgets.engine.locks import StateLock
from lens_widgets.errors import InputError, near
from lens_widgets.interventions import code
from lens_widgets.interventions.base import Intervention, RunContext, toggled_intervention
from lens_widgets.interventions.history import Entries, Entry, Step, difference, lists_of, steps_of
from lens_widgets.interventions.observed import Observed
from lens_widgets.prompts.prompt_set import PromptSet
from lens_widgets.prompts.span import Span

MAX_HISTORY = 200


class Owner(RunContext, Protocol):
    """The session that a list belongs to."""

    lock: StateLock
    """Under it the list is changed."""

    def check_open(self) -> None:
        """Raises ClosedError once the session is closed."""

    def measuring_code(self, interventions: Sequence[Intervention]) -> str:
        """A script that runs by itself and prints the metric under ``interventions``."""

    def count_change(self) -> None:
        """Tells that numbers may have moved; called under the lock."""

    def tell(self) -> None:
        """Tells that undo would take back something else."""

    def take_prompts(self, prompts: PromptSet) -> None:
        """Puts these in the place of the session's prompts: runs the model."""


class Interventions(Observed):
    """``session.interventions``: iterating gives the active ones, in the order they act.

    ``entries`` also has those that are switched off. Observe ``entries`` to follow every change:
    ``session.interventions.observe(handler, "entries")``.
    """

    entries: Entries = traitlets.Tuple(read_only=True)  # type: ignore[assignment]

    def __init__(self, session: Owner, entries: Entries = ()) -> None:
        self._lock = session.lock
        super().__init__()
        self.set_trait("entries", entries)
        self._session = session
        self._undo: list[Step] = []
        self._redo: list[Step] = []
        # Keys of a copied list go on from those it came with.
        self._made = max((int(entry.key[1:]) for entry in entries), default=0)

    @property
    def active(self) -> tuple[Intervention, ...]:
        """The interventions in force."""
        return tuple(entry.intervention for entry in self.entries if entry.enabled)

    def __iter__(self) -> Iterator[Intervention]:
        return iter(self.active)

    def __len__(self) -> int:
        return len(self.active)

    def __contains__(self, item: object) -> bool:
        return item in self.active

    def __getitem__(self, index: int) -> Intervention:
        return self.active[index]

    def __repr__(self) -> str:
        return f"Interventions({list(self.active)!r})"

    def add(self, intervention: Intervention) -> None:
        """Appends one, in force at once. Adding one that is already listed switches it on."""
        self._session.check_open()
        if not isinstance(intervention, Intervention):
            raise InputError(
                f"interventions.add got {type(intervention).__name__}, not an intervention.",
                'Pass lw.Ablate("L1H4"), lw.Patch(...), lw.Cut(...) or lw.Steer(...); '
                'interventions.toggle("L1H4") takes a name.',
            )
        intervention.validate(self._session.facts, self._session.prompt_set)
        with self._lock:
            for entry in self.entries:
                if entry.intervention == intervention:
                    self._set(self._with(entry.key, enabled=True))
                    return
            self._set((*self.entries, self._entry(intervention)))

    def remove(self, intervention: Intervention | str) -> None:
        """Takes one out: an intervention, a component name (its ablations), or an entry's key."""
        self._session.check_open()
        with self._lock:
            kept = tuple(e for e in self.entries if not _matches(e, intervention))
            if len(kept) == len(self.entries):
                labels = [entry.intervention.label for entry in self.entries]
                raise InputError(
                    f"interventions.remove: {intervention!r} is not in the list {labels}.",
                    near(intervention, labels),
                )
            self._set(kept)

    def toggle(self, component: str | Component, kind: str = "zero") -> bool:
        """Ablates a component, or ends its ablation; returns whether it is now ablated.

        An ablation of it that is switched off in the list is switched on as it stands.
        """
        with self._lock:
            on = not any(entry.enabled for entry in self._ablations_of(component, kind))
            self.set_ablated(component, kind, on)
            return on

    def set_ablated(self, component: str | Component, kind: str = "zero", on: bool = True) -> None:
        """Ablates a component, or ends its ablation; nothing changes where that is so already.

        An ablation of it that is switched off in the list is switched on as it stands.
        """
        self._session.check_open()
        with self._lock:
            mine = self._ablations_of(component, kind)
            ablated = any(entry.enabled for entry in mine)
            if not on:
                self._set(tuple(e for e in self.entries if e not in mine or not e.enabled))
            elif mine and not ablated:
                self._set(self._with(mine[-1].key, enabled=True))
            elif not ablated:
                self.add(toggled_intervention(component, kind))

    def set_all(self, wanted: Sequence[Intervention], on: bool = True) -> None:
        """Puts all of them in force, or takes all of them out; one step to undo."""
        self._session.check_open()
        for item in wanted:
            item.validate(self._session.facts, self._session.prompt_set)
        with self._lock:
            if not on:
                self._set(tuple(e for e in self.entries if e.intervention not in wanted))
                return
            entries = tuple(
                replace(e, enabled=True) if e.intervention in wanted else e for e in self.entries
            )
            listed = {e.intervention for e in entries}
            new = [item for item in dict.fromkeys(wanted) if item not in listed]
            self._set((*entries, *(self._entry(item) for item in new)))

    def set_enabled(self, key: str, enabled: bool) -> None:
        """Switches one entry on or off without losing its place in the list."""
        self._session.check_open()
        with self._lock:
            if key not in {entry.key for entry in self.entries}:
                raise InputError(f"key={key!r} is not in the list of interventions.", "")
            self._set(self._with(key, enabled=enabled))

    def clear(self) -> None:
        """Takes all out. ``undo`` brings them back."""
        self._session.check_open()
        self._set(())

    def note_edit(self, words: str, before: PromptSet) -> None:
        """Puts an edit of a prompt, which was just made, among the changes that can be undone."""
        with self._lock:
            self._remember(Step(words, self.entries, before))
            self._session.tell()

    def undo(self) -> bool:
        """Takes back the last change, of the list or of a prompt; False when there is none."""
        return self._travel(self._undo, self._redo)

    def redo(self) -> bool:
        """Makes the last undone change again; False when there is none."""
        return self._travel(self._redo, self._undo)

    @property
    def undoes(self) -> str | None:
        """What ``undo`` would take back, as in "ablate L1H4"; None when there is nothing."""
        return self._undo[-1].words if self._undo else None

    @property
    def redoes(self) -> str | None:
        """What ``redo`` would do again."""
        return self._redo[-1].words if self._redo else None

    @property
    def history(self) -> tuple[list[Entries], list[Entries]]:
        """What ``undo`` and ``redo`` lead to, each with the nearest last; without edits of prompts,
        which leave the list as it is."""
        with self._lock:
            return lists_of(self._undo), lists_of(self._redo)

    def restore(self, entries: Entries, undo: list[Entries], redo: list[Entries]) -> None:
        """Takes over a list with its history, as a saved session had them."""
        for entry in entries:
            entry.intervention.validate(self._session.facts, self._session.prompt_set)
        with self._lock:
            self._undo = steps_of(undo[-MAX_HISTORY:], entries, back=True)
            self._redo = steps_of(redo[-MAX_HISTORY:], entries, back=False)
            keys = [int(e.key[1:]) for state in (entries, *undo, *redo) for e in state]
            self._made = max(keys, default=0)
            self._put(entries)

    def to_code(self, self_contained: bool = False) -> str:
        """A script that expects ``model`` and ``tokens``, imports only torch, leaves ``logits``.

        ``self_contained``: one that runs by itself. It makes the model, or has a line for yours,
        tokenizes the prompts, and prints the metric of each, which it leaves as ``values``.
        """
        if self_contained:
            return self._session.measuring_code(self.active)
        return code.script(self.active, self._session)

    def revalidate(self, prompts: PromptSet) -> None:
        """Raises InputError when a listed intervention cannot act on other prompts."""
        for entry in self.entries:
            try:
                entry.intervention.validate(self._session.facts, prompts)
            except InputError as error:
                raise InputError(
                    f"The intervention on {entry.intervention.label} does not fit the new prompts: "
                    f"{error.message}",
                    "Remove it first, or change the prompts.",
                ) from error

    def check_edit(self, row: int, before: Sequence[int], after: Sequence[int]) -> None:
        """Raises InputError when an edit of prompt ``row``, by its token ids, would leave a listed
        intervention at other tokens than those it was given by name."""
        for entry in self.entries:
            span = entry.intervention.acts_at
            if isinstance(span, Span) and span.edited(row, before, after) != span:
                raise InputError(
                    f"The intervention on {entry.intervention.label} acts at {span.name}, which "
                    "would be elsewhere in the edited prompt.",
                    "Remove it first, or change the prompt without moving that.",
                )

    def _ablations_of(self, component: str | Component, kind: str) -> list[Entry]:
        wanted = toggled_intervention(component, kind)
        return [entry for entry in self.entries if wanted.switched_with(entry.intervention)]

    def _entry(self, intervention: Intervention) -> Entry:
        self._made += 1
        return Entry(f"i{self._made}", intervention)

    def _with(self, key: str, enabled: bool) -> Entries:
        return tuple(replace(e, enabled=enabled) if e.key == key else e for e in self.entries)

    def _set(self, entries: Entries) -> None:
        with self._lock:
            if entries == self.entries:
                return
            self._remember(Step(difference(self.entries, entries), self.entries))
            self._put(entries)

    def _remember(self, step: Step) -> None:
        self._undo = [*self._undo[-MAX_HISTORY + 1 :], step]
        self._redo = []

    def _put(self, entries: Entries) -> None:
        if entries != self.entries:
            # Together with the count, so that a list and its revision are never mixed up.
            self.set_trait("entries", entries)
            self._session.count_change()

    def _travel(self, source: list[Step], target: list[Step]) -> bool:
        self._session.check_open()
        step = source[-1] if source else None
        if step is None:
            return False
        if step.prompts is not None:
            # Runs the model, with no lock held.
            before = self._session.prompt_set
            self._session.take_prompts(step.prompts)
            with self._lock:
                if step in source:
                    source.remove(step)
                target.append(replace(step, prompts=before))
                self._session.tell()
            return True
        with self._lock:
            if not source:
                return False
            step = source[-1]
            for entry in step.entries:
                entry.intervention.validate(self._session.facts, self._session.prompt_set)
            source.pop()
            target.append(replace(step, entries=self.entries))
            self._put(step.entries)
            return True


def _matches(entry: Entry, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return wanted in (entry.key, entry.intervention.label)
    return bool(entry.intervention == wanted)
