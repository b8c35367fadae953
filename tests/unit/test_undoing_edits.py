"""Undo says what it would take back, and takes back edits of prompts too."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.errors import InputError
from tests.models import fresh
from tests.unit.cases import ANSWERS, PROMPTS
from tests.unit.page import Page


def test_undo_says_what_it_takes_back(session: lw.Session) -> None:
    changes = session.interventions
    assert (changes.undoes, changes.redoes) == (None, None)
    said = []

    def note() -> None:
        said.append(changes.undoes)

    changes.toggle("L0H1")
    note()
    changes.set_enabled(changes.entries[0].key, False)
    note()
    changes.set_enabled(changes.entries[0].key, True)
    note()
    changes.add(lw.Patch("L1H2"))
    note()
    changes.remove(changes[1])
    note()
    changes.set_all([lw.Patch("L1H2"), lw.Patch("L1H3")])
    note()
    changes.clear()
    note()
    assert said == [
        "ablate L0H1",
        "switch L0H1 off",
        "switch L0H1 on",
        "patch L1H2",
        "take out L1H2",
        "patch 2 parts",
        "take out 3 parts",
    ]
    for words in reversed(said):
        assert changes.undoes == words
        changes.undo()
        assert changes.redoes == words
    assert changes.undoes is None


def test_an_edited_prompt_is_undone_and_redone(session: lw.Session) -> None:
    before = session.tokens.clone(), session.baseline.clone()
    session.interventions.toggle("L0H1")
    session.edit_prompt(0, "w9 w8 w7 w6", answers=ANSWERS, corrupted="w9 w8 w6 w6")
    edited = session.tokens.clone(), session.baseline.clone(), session.current.clone()
    session.interventions.toggle("L1H0")
    changes = session.interventions
    assert changes.undoes == "ablate L1H0"
    changes.undo()
    assert changes.undoes == "the edit of prompt 1"
    revision = session.revision
    changes.undo()
    assert session.revision == revision + 1
    assert torch.equal(session.tokens, before[0])
    assert torch.equal(session.baseline, before[1])
    assert [item.label for item in changes] == ["L0H1"]
    assert (changes.undoes, changes.redoes) == ("ablate L0H1", "the edit of prompt 1")
    changes.redo()
    assert torch.equal(session.tokens, edited[0])
    assert torch.equal(session.baseline, edited[1])
    assert torch.equal(session.current, edited[2])
    changes.redo()
    assert [item.label for item in changes] == ["L0H1", "L1H0"]


def test_a_page_undoes_its_edit(session: lw.Session) -> None:
    page, texts = Page(session), session.prompt_set.texts
    told = page.dataset("session/tokens", prompt=0).attrs
    kept = {name: told[name] for name in ("correct", "wrong", "corrupted")}
    page.change("edit_prompt", prompt=0, text="w9 w8 w7 w6", **kept | {"corrupted": "w9 w8 w6 w6"})
    assert session.prompt_set.texts != texts
    page.change("undo")
    assert session.prompt_set.texts == texts


def test_a_saved_history_says_what_it_undoes(session: lw.Session, tmp_path: Any) -> None:
    session.interventions.toggle("L0H1")
    session.edit_prompt(0, "w9 w8 w7 w6", answers=ANSWERS, corrupted="w9 w8 w6 w6")
    session.interventions.toggle("L1H0")
    session.interventions.undo()
    session.save(tmp_path / "s.lens")
    opened = lw.Session.open(tmp_path / "s.lens", session.model)
    changes = opened.interventions
    # Edits of prompts are not kept with it.
    assert (changes.undoes, changes.redoes) == ("ablate L0H1", "ablate L1H0")
    changes.undo()
    assert list(changes) == []


@pytest.mark.parametrize("how", ["ids", "tensor"])
def test_a_prompt_becomes_token_ids(session: lw.Session, how: str) -> None:
    ids = session.prompt_set.rows()[1][: len(session.prompt_set.rows()[0])]
    given = torch.tensor(ids) if how == "tensor" else ids
    session.edit_prompt(0, given, answers=ANSWERS, corrupted=ids)
    assert session.prompt_set.rows()[0] == ids
    alone = lw.Session(session.model, [ids], answers=ANSWERS[:1])
    torch.testing.assert_close(session.baseline[0], alone.baseline[0])


def test_one_of_a_prompt_and_messages_is_taken(session: lw.Session) -> None:
    for given in ({}, {"prompt": "w5", "messages": [{"role": "user", "content": "w5"}]}):
        with pytest.raises(InputError, match="one of them"):
            session.edit_prompt(0, **given)
    with pytest.raises(InputError, match="no conversation"):
        session.edit_prompt(0, messages="w5")


def test_a_prompt_becomes_a_conversation() -> None:
    model = fresh("gpt2")
    model.tokenizer.chat_template = (
        "{% for message in messages %}{{ message.content }} {% endfor %}w9"
    )
    messages = [{"role": "user", "content": "w6 w7"}]
    session = lw.Session(model, PROMPTS[:1], answers=ANSWERS[:1])
    session.edit_prompt(0, messages=messages, answers=ANSWERS[:1])
    alone = lw.Session(model, messages=messages, answers=ANSWERS[:1])
    assert torch.equal(session.tokens, alone.tokens)
    assert session.prompt_set.template == alone.prompt_set.template
