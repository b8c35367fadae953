"""The list of interventions: order, switches, undo and redo, and who is told."""

from __future__ import annotations

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.unit.cases import ANSWERS, state

A, B, C = lw.Ablate("L0H1"), lw.Ablate("L1.mlp", "mean"), lw.Patch("L1H2")


def _keys(session: lw.Session) -> list[str]:
    return [entry.key for entry in session.interventions.entries]


def test_added_ones_act_in_the_order_added(session: lw.Session) -> None:
    for item in (C, A, B):
        session.interventions.add(item)
    assert list(session.interventions) == [C, A, B]
    assert session.interventions[0] == C
    assert len(session.interventions) == 3
    assert A in session.interventions
    assert lw.Ablate("L0H1", "mean") not in session.interventions
    assert torch.equal(session.current, session.run([C, A, B]).metric)


def test_adding_one_twice_switches_it_on_and_keeps_its_place(session: lw.Session) -> None:
    for item in (A, B):
        session.interventions.add(item)
    session.interventions.set_enabled(_keys(session)[0], False)
    assert list(session.interventions) == [B]
    session.interventions.add(A)
    assert list(session.interventions) == [A, B]


def test_toggle_ablates_and_ends_the_ablation(session: lw.Session) -> None:
    assert session.interventions.toggle("L0H1") is True
    assert list(session.interventions) == [A]
    assert session.interventions.toggle("L0H1", "mean") is False
    assert list(session.interventions) == []
    assert session.interventions.toggle(lw.Component.parse("L1.mlp"), "mean") is True
    assert list(session.interventions) == [B]


def test_toggle_switches_on_what_is_switched_off_as_it_stands(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L0H1", "mean", positions=2))
    (key,) = _keys(session)
    session.interventions.set_enabled(key, False)
    assert session.interventions.toggle("L0H1", "zero") is True
    assert list(session.interventions) == [lw.Ablate("L0H1", "mean", positions=2)]


def test_toggle_leaves_other_interventions_on_the_component_alone(session: lw.Session) -> None:
    patch = lw.Patch("L0H1", source="clean")
    session.interventions.add(patch)
    session.interventions.toggle("L0H1")
    session.interventions.toggle("L0H1")
    assert list(session.interventions) == [patch]


def test_switched_off_ones_stay_in_the_list_and_do_nothing(session: lw.Session) -> None:
    for item in (A, B):
        session.interventions.add(item)
    session.interventions.set_enabled(_keys(session)[0], False)
    assert [entry.enabled for entry in session.interventions.entries] == [False, True]
    assert torch.equal(session.current, session.run([B]).metric)


def test_remove_takes_a_value_a_name_or_a_key(session: lw.Session) -> None:
    for item in (A, B, C, lw.Ablate("L0H1", positions=2)):
        session.interventions.add(item)
    session.interventions.remove(B)
    assert B not in session.interventions
    session.interventions.remove("L0H1")
    assert list(session.interventions) == [C]
    session.interventions.remove(_keys(session)[0])
    assert list(session.interventions) == []


def test_undo_and_redo_walk_through_every_change(session: lw.Session) -> None:
    changes = session.interventions
    steps = [list(changes)]
    changes.add(A)
    steps.append(list(changes))
    changes.toggle("L1.mlp", "mean")
    steps.append(list(changes))
    changes.set_enabled(_keys(session)[0], False)
    steps.append(list(changes))
    changes.remove(B)
    steps.append(list(changes))
    changes.add(C)
    steps.append(list(changes))
    changes.clear()
    steps.append(list(changes))
    assert [len(step) for step in steps] == [0, 1, 2, 1, 0, 1, 0]
    for expected in reversed(steps[:-1]):
        assert changes.undo() is True
        assert list(changes) == expected
    assert changes.undo() is False
    for expected in steps[1:]:
        assert changes.redo() is True
        assert list(changes) == expected
    assert changes.redo() is False


def test_a_new_change_forgets_what_was_undone(session: lw.Session) -> None:
    session.interventions.add(A)
    session.interventions.undo()
    assert state(session)["redoes"]
    session.interventions.add(B)
    assert not state(session)["redoes"]
    session.interventions.undo()
    assert list(session.interventions) == []


def test_a_change_that_changes_nothing_is_not_undone(session: lw.Session) -> None:
    session.interventions.clear()
    assert not session.interventions.undoes
    session.interventions.add(A)
    session.interventions.add(A)
    session.interventions.set_enabled(_keys(session)[0], True)
    session.interventions.undo()
    assert list(session.interventions) == []


def test_observers_are_told_of_every_change_once(session: lw.Session) -> None:
    told: list[int] = []
    revisions: list[int] = []
    session.interventions.observe(lambda change: told.append(len(change["new"])), "entries")
    session.observe(lambda change: revisions.append(change["new"]), "revision")
    session.interventions.add(A)
    session.interventions.toggle("L1.mlp")
    session.interventions.undo()
    session.interventions.redo()
    session.interventions.clear()
    session.interventions.clear()
    assert told == [1, 2, 1, 2, 0]
    assert revisions == [1, 2, 3, 4, 5]


def test_undo_that_no_longer_fits_the_prompts_is_refused(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L0H1", positions=6))
    session.interventions.clear()
    session.set_prompts("w5", answers=ANSWERS[0])
    before = state(session)
    with pytest.raises(InputError, match="positions has 6"):
        session.interventions.undo()
    assert state(session) == before


def test_keys_are_never_used_again(session: lw.Session) -> None:
    seen = set()
    for _ in range(3):
        session.interventions.add(A)
        seen.add(_keys(session)[0])
        session.interventions.clear()
    assert len(seen) == 3


def test_keys_stay_apart_in_a_copy_of_the_list(session: lw.Session) -> None:
    session.interventions.add(A)
    copy = session.frozen()
    copy.interventions.add(B)
    assert len(set(_keys(copy))) == 2
