"""A session knows its spans: views show them, files keep them, edits take them along."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.prompts.span import Span
from tests.models import tiny
from tests.unit.cases import ANSWERS
from tests.unit.page import Page

# With <bos> in front: "w7" is at 3 and at 2.
TEXTS = ["w5 w6 w7 w8 w5 w9", "w11 w7 w12 w5"]


@pytest.fixture
def session() -> lw.Session:
    session = lw.Session(tiny("gpt2"), TEXTS, answers=ANSWERS)
    session.spans = lw.Spans(session, here="w7", pair=[[4, 5], [3, 4]], end=-1)
    return session


def _places(session: lw.Session, row: int = 0) -> dict[str, tuple[int, ...]]:
    return {name: span.places[row] for name, span in session.spans.items()}


def test_views_are_told_of_spans_without_a_new_run(session: lw.Session) -> None:
    before, run = session.prompts_revision, session.run(())
    session.spans = lw.Spans(session, S=[("w5", 0), "w5"], end=-1)
    assert session.prompts_revision == before + 1
    assert session.run(()) is run
    told = Page(session).dataset("session/tokens", prompt=1)
    assert told.attrs["spans"] == {"S": [4], "end": [4]}
    # Whoever began before that still has the names of then.
    assert set(session.with_interventions([lw.Ablate("L0H1")]).spans) == {"S", "end"}
    frozen = session.frozen()
    session.spans = None
    assert len(session.spans) == 0
    assert set(frozen.spans) == {"S", "end"}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        # As many tokens in its place: the name goes to the new one.
        ("w5 w6 w40 w8 w5 w9", {"here": (3,), "pair": (4, 5), "end": (6,)}),
        # In front of it one more, one less.
        ("w5 w6 w6 w7 w8 w5 w9", {"here": (4,), "pair": (5, 6), "end": (7,)}),
        ("w6 w7 w8 w5 w9", {"here": (2,), "pair": (3, 4), "end": (5,)}),
        # Behind it.
        ("w5 w6 w7 w8 w5 w1 w9", {"here": (3,), "pair": (4, 5), "end": (7,)}),
        # In its place two: nobody knows which is meant. Of a pair one is gone.
        ("w5 w6 w1 w2 w8 w5 w9", {"here": (), "pair": (5, 6), "end": (7,)}),
        ("w5 w6 w7 w8 w9", {"here": (3,), "pair": (), "end": (5,)}),
    ],
)
def test_an_edit_takes_spans_along(session: lw.Session, text: str, places: Any) -> None:
    before, other = dict(session.spans), _places(session, 1)
    session.edit_prompt(0, text)
    assert _places(session) == places
    assert _places(session, 1) == other
    lost = [name for name, found in places.items() if not found]
    said = [note for note in session.notes if note.startswith("Span ")]
    assert said == [f"Span {n} is nowhere in prompt 1 since it was edited." for n in lost]
    session.interventions.undo()
    assert dict(session.spans) == before
    assert not any(note.startswith("Span ") for note in session.notes)
    session.interventions.redo()
    assert _places(session) == places


def test_an_edit_that_would_move_what_an_intervention_acts_at_is_refused(
    session: lw.Session,
) -> None:
    session.interventions.add(lw.Ablate("L0H1", positions=session.spans["here"]))
    before, texts = dict(session.spans), session.prompt_set.texts
    with pytest.raises(InputError, match=r"L0H1 acts at here, which would be elsewhere"):
        session.edit_prompt(0, "w5 w6 w6 w7 w8 w5 w9")
    assert (dict(session.spans), session.prompt_set.texts) == (before, texts)
    # Where nothing moves, it stays.
    session.edit_prompt(0, "w5 w6 w40 w8 w5 w9")
    session.interventions.clear()
    session.edit_prompt(0, "w5 w6 w6 w40 w8 w5 w9")
    session.interventions.add(lw.Ablate("L0H1", positions=session.spans["here"]))
    session.interventions.undo()
    session.interventions.undo()
    assert _places(session)["here"] == (3,)


def test_other_prompts_have_no_spans(session: lw.Session) -> None:
    session.set_prompts(["w5 w6"], answers=ANSWERS[0])
    assert len(session.spans) == 0
    with pytest.raises(InputError, match="There are none"):
        session.spans["here"]


@pytest.mark.parametrize("wrong", [{"here": 1}, "here", [Span("here", ((1,), (1,)))]])
def test_what_is_no_spans_is_refused(session: lw.Session, wrong: Any) -> None:
    before = dict(session.spans)
    with pytest.raises(InputError, match=r"no lw\.Spans"):
        session.spans = wrong
    other = lw.Session(tiny("gpt2"), ["w5 w6"], answers=ANSWERS[0])
    with pytest.raises(InputError, match="the span here is one of other prompts"):
        other.spans = session.spans
    assert dict(session.spans) == before


def test_a_file_keeps_them(session: lw.Session, tmp_path: Path) -> None:
    path = tmp_path / "named.lens"
    session.save(path)
    again = lw.Session.open(path, session.model)
    assert dict(again.spans) == dict(session.spans)
    again.edit_prompt(0, "w5 w6 w6 w7 w8 w5 w9")
    assert _places(again)["here"] == (4,)


@pytest.mark.parametrize("spans", [[["here", [[3], [99]]]], [["here", [[3]]]], [["here", 1]], [7]])
def test_a_file_with_damaged_spans_is_refused(
    session: lw.Session, tmp_path: Path, spans: Any
) -> None:
    whole, damaged = tmp_path / "whole.lens", tmp_path / "damaged.lens"
    session.save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(damaged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".json"):
                manifest = json.loads(content)
                manifest["prompts"]["spans"] = spans
                content = json.dumps(manifest).encode()
            target.writestr(name, content)
    with pytest.raises(InputError, match=r"damaged|one of other prompts"):
        lw.Session.open(damaged, session.model)
