"""A model that is changed in a cell is noticed without a click, and taken as it is by a refresh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import lens_widgets as lw
from lens_widgets.engine.cell_pause import CELL_PAUSE
from tests.models import fresh
from tests.unit.changed_models import down_projection, in_a_cell, is_right, session_of
from tests.unit.page import Page
from tests.unit.waiting import wait_until


@pytest.fixture(autouse=True)
def _no_cell_is_left() -> Iterator[None]:
    yield
    CELL_PAUSE.end()


@pytest.fixture
def model() -> Any:
    return fresh("gpt2")


def told_of(view: Any) -> str | None:
    """The type of what a page is told of the model."""
    outdated = view.state["outdated"]
    return None if outdated is None else str(outdated["type"])


def test_changed_weights_are_noticed_after_the_cell_and_so_is_changing_them_back(
    model: Any,
) -> None:
    view = lw.AttributionTable(session_of(model))
    weight = down_projection(model).weight.data
    before = weight.clone()
    in_a_cell(lambda: weight.mul_(2))
    wait_until(lambda: told_of(view) == "ModelChangedError")
    assert "weights were changed" in view.state["outdated"]["message"]
    assert "session.refresh()" in view.state["outdated"]["hint"]
    in_a_cell(lambda: weight.copy_(before))
    wait_until(lambda: told_of(view) is None)
    assert view.state["revision"] == 0


def test_a_hook_of_the_users_is_noticed(model: Any) -> None:
    view = lw.AttributionTable(session_of(model))
    handles: list[Any] = []
    in_a_cell(
        lambda: handles.append(
            down_projection(model).register_forward_hook(lambda _m, _i, out: 2 * out)
        )
    )
    wait_until(lambda: told_of(view) == "ModelChangedError")
    in_a_cell(handles[0].remove)
    wait_until(lambda: told_of(view) is None)


def test_refresh_from_a_page_takes_the_model_as_it_is(model: Any) -> None:
    session = session_of(model)
    view, page = lw.AttributionTable(session), Page(session)
    in_a_cell(lambda: down_projection(model).weight.data.mul_(2))
    wait_until(lambda: told_of(view) == "ModelChangedError")
    page.change("refresh")
    assert told_of(view) is None
    assert view.state["prompts_revision"] == 1
    is_right(session)
    in_a_cell(lambda: None)
    page.dataset("session/metric")
    assert told_of(view) is None


def test_training_mode_is_another_thing_than_a_changed_model(model: Any) -> None:
    view = lw.AttributionTable(session_of(model))
    in_a_cell(model.train)
    wait_until(lambda: told_of(view) == "TrainingModeError")
    in_a_cell(model.eval)
    wait_until(lambda: told_of(view) is None)


def test_without_a_view_nothing_is_looked_at(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session, closed = session_of(model), session_of(model)
    lw.AttributionTable(closed)
    closed.close()
    asked: list[Any] = []
    for one in (session, closed):
        monkeypatch.setattr(one, "submit", lambda *args: asked.append(args))
    in_a_cell(lambda: None)
    assert asked == []


def test_what_a_thread_writes_delays_no_answer_and_is_told_in_the_rest_that_follows(
    model: Any,
) -> None:
    session = session_of(model)
    view, page = lw.AttributionTable(session), Page(session)
    in_a_cell(lambda: None)
    before = page.dataset("session/metric")
    down_projection(model).weight.data.mul_(2)
    assert page.dataset("session/metric").identical(before), "as the model was when it ran"
    wait_until(lambda: told_of(view) == "ModelChangedError")
    refused = page.error("session/metric")
    assert "weights were changed" in refused["message"]
