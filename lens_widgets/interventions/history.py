"""The steps of a list of interventions: what was done, in words, and what undoing it leads to."""

from __future__ import annotations

from dataclasses import dataclass

from lens_widgets.interventions.base import Intervention
from lens_widgets.prompts.prompt_set import PromptSet


@dataclass(frozen=True)
class Entry:
    """One line of the list. Switched off, it stays in the list and does nothing."""

    key: str
    intervention: Intervention
    enabled: bool = True


Entries = tuple[Entry, ...]


@dataclass(frozen=True)
class Step:
    """One step of the history: what was done, and the list that undoing (or redoing) it leads to;
    ``prompts`` where it was an edit of a prompt, which left the list alone."""

    words: str
    entries: Entries
    prompts: PromptSet | None = None


def difference(before: Entries, after: Entries) -> str:
    """What was done to a list, in words: "ablate L1H4", "take out L1H4", "switch L1H4 off"."""
    was, now = ({e.key: e for e in entries} for entries in (before, after))
    added = [e for e in after if e.key not in was]
    gone = [e for e in before if e.key not in now]
    switched = [e for e in after if e.key in was and was[e.key].enabled != e.enabled]
    parts = [*_act(added), *_named("take out", gone)]
    for enabled in (True, False):
        mine = [e for e in switched if e.enabled == enabled]
        parts += [f"{words} {'on' if enabled else 'off'}" for words in _named("switch", mine)]
    return ", ".join(parts)


def _act(added: list[Entry]) -> list[str]:
    kinds: dict[str, list[Entry]] = {}
    for entry in added:
        kinds.setdefault(entry.intervention.act, []).append(entry)
    return [text for act, entries in kinds.items() for text in _named(act, entries)]


def _named(act: str, entries: list[Entry]) -> list[str]:
    if not entries:
        return []
    labels = [entry.intervention.label for entry in entries]
    return [f"{act} {labels[0]}" if len(labels) == 1 else f"{act} {len(labels)} parts"]


def lists_of(steps: list[Step]) -> list[Entries]:
    """The lists that steps lead to, without those of prompts."""
    return [step.entries for step in steps if step.prompts is None]


def steps_of(lists: list[Entries], now: Entries, *, back: bool) -> list[Step]:
    """Steps of a saved history, of which each leads to a list and the nearest is last."""
    pairs = zip(lists, [*lists, now][1:], strict=True)
    return [Step(difference(a, b) if back else difference(b, a), a) for a, b in pairs]
