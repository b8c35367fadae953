"""Every message of a page gets exactly one answer, whatever is wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import lens_widgets as lw
from lens_widgets.wire.dispatch import Dispatcher
from lens_widgets.wire.messages import ErrorMessage, Step, checked
from tests.models import tiny
from tests.unit.cases import ANSWERS, PROMPTS, state
from tests.unit.page import Page
from tests.unit.waiting import wait_for

PATTERN = {
    "prompt": 0, "show": "current", "layer": 0, "head": 0,
    "attention_mode": "pattern", "head_average": "none",
}  # fmt: skip
ABLATE = {"kind": "zero", "on": True}
GRID = {"ablation_kind": "zero", "prompt": None}


@pytest.fixture
def page(session: lw.Session) -> Page:
    return Page(session)


def _request(**changes: Any) -> dict[str, Any]:
    request = {
        "kind": "request", "id": "r", "slot": "s", "seq": 1, "method": "session/undo", "args": {}
    }  # fmt: skip
    return {**request, **changes}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["message.kind=None"]),
        ([], ["message.kind=None"]),
        ("request", ["message.kind=None"]),
        ({}, ["message.kind=None", "request, cancel"]),
        (_request(kind="reqest"), ["message.kind='reqest'", "request, cancel"]),
        (_request(kind=["request"]), ["message.kind=['request']"]),
        (_request(id=3), ["message.id must be a string; got 3"]),
        (_request(seq="1"), ["message.seq must be an integer"]),
        (_request(slot=None), ["message.slot must be a string"]),
        (_request(args=[]), ["message.args must be an object"]),
        (_request(extra=1), ["message.extra is not a field"]),
        ({"kind": "request", "id": "r"}, ["message.slot is missing"]),
        ({"kind": "cancel"}, ["message.slot is missing"]),
        (
            _request(method="session/undoo"),
            ["message.method='session/undoo'", "Did you mean 'session/undo'?"],
        ),
        (_request(args={"surplus": 1}), ["args.surplus is not a field; it takes none"]),
        (_request(method="session/set_ablated"), ["args.component is missing"]),
        (
            _request(
                method="session/set_ablated",
                args={"component": "L0H0", "kind": "zeros", "on": True},
            ),
            ["args.kind='zeros'", "'zero', 'mean', 'resample'"],
        ),
        (
            _request(method="session/edit_prompt", args={"text": "x" * 70_000}),
            ["message has 701", "64000", "Shorten the prompt"],
        ),
        (_request(args={"nested": float("nan")}), ["args.nested is not a field"]),
        ({"kind": "batch", "messages": 3}, ["message.messages must be a list; got 3"]),
        ({"kind": "batch", "messages": [{"kind": "batch", "messages": []}]}, ["request, cancel"]),
        ({"kind": "batch", "messages": [_request()] * 101}, ["message.messages has 101"]),
    ],
)
def test_a_bad_message_is_answered_once_and_names_the_field(
    session: lw.Session, page: Page, content: Any, parts: list[str]
) -> None:
    before = state(session)
    page.dispatcher.receive(content)
    (answer,) = page.messages
    checked(ErrorMessage, answer, "message")
    for part in parts:
        assert part in f"{answer['error']['message']} {answer['error']['hint']}"
    assert state(session) == before


def test_an_answer_carries_the_requests_id_slot_and_seq(page: Page) -> None:
    page.dispatcher.receive(_request(id="abc", slot="view", seq=7, method="session/code"))
    page.dispatcher.receive(_request(id="abd", slot="view", seq=8, method="session/tokenz"))
    heads = [(m["kind"], m["id"], m["slot"], m["seq"]) for m in page.messages]
    assert heads == [("reply", "abc", "view", 7), ("error", "abd", "view", 8)]


@pytest.mark.parametrize(
    ("method", "args", "parts"),
    [
        ("session/tokens", {"prompt": 2}, ["prompt=2", "out of range"]),
        ("session/tokens", {"prompt": -1}, ["prompt=-1"]),
        ("ablation/predictions", {"prompt": 9}, ["prompt=9"]),
        ("attention/pattern", {**PATTERN, "layer": 2}, ["L2H0"]),
        ("attention/pattern", {**PATTERN, "head": -1}, ["L0H-1"]),
        (
            "session/set_ablated",
            {"component": "L9H9", "kind": "zero", "on": True},
            ["component='L9H9'", "2 layers"],
        ),
        (
            "session/set_ablated",
            {"component": "nonsense", "kind": "zero", "on": True},
            ["component='nonsense'"],
        ),
        ("session/remove", {"key": "i9"}, ["'i9'"]),
        ("session/set_enabled", {"key": "i9", "enabled": True}, ["key='i9'"]),
        (
            "session/edit_prompt",
            {"prompt": 0, "text": "", "correct": "w30", "wrong": "w31"},
            ["Prompt is an empty string"],
        ),
        (
            "session/edit_prompt",
            {"prompt": 0, "text": PROMPTS[0], "correct": "w30 w31", "wrong": "w31"},
            ["Correct answer 'w30 w31' is 2 tokens"],
        ),
        (
            "session/edit_prompt",
            {"prompt": 0, "text": "w5 w6", "correct": "", "wrong": "w31"},
            ["The correct answer is empty"],
        ),
        (
            "session/edit_prompt",
            {"prompt": 0, "text": "w5 w6", "correct": "w30", "wrong": "w31"},
            ["Corrupted prompt is 7 tokens long, prompt is 3"],
        ),
    ],
)
def test_an_error_in_a_handler_reaches_the_page_and_the_session_stays(
    session: lw.Session, page: Page, method: str, args: dict[str, Any], parts: list[str]
) -> None:
    before = state(session)
    error = page.error(method, **args)
    for part in parts:
        assert part in f"{error['message']} {error['hint']}"
    assert error["type"] in ("InputError", "UnusableError")
    assert state(session) == before
    assert page.dataset("session/tokens", prompt=0).attrs["prompt"] == 0


def test_what_an_ablation_lacks_is_said_in_the_view() -> None:
    page = Page(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS))
    error = page.error("session/set_ablated", component="L0H0", kind="resample", on=True)
    assert "needs corrupted prompts" in error["message"]
    assert "corrupted=[...]" in error["hint"]


def test_a_closed_session_answers_with_an_error(session: lw.Session, page: Page) -> None:
    session.close()
    for method, args in (("session/tokens", {"prompt": 0}), ("session/undo", {})):
        error = page.error(method, **args)
        assert error["type"] == "ClosedError"
        assert "lw.Session(model, prompts)" in error["hint"]


@dataclass(frozen=True)
class Method:
    """What a test makes a page ask for."""

    handler: Callable[[Any, dict[str, Any]], Any]
    quick: bool = False
    writes: bool = False
    later: bool = False

    def check(self, args: Any) -> dict[str, Any]:
        given: dict[str, Any] = args
        return given

    def run(self, session: Any, args: dict[str, Any]) -> Any:
        return self.handler(session, args)


class Slow(Page):
    """A page of methods of the test's own."""

    def __init__(self, session: lw.Session, **methods: Method) -> None:
        super().__init__(session)
        self.dispatcher = Dispatcher("slow page", session, methods, self._record)


def _hold(inside: threading.Event, release: threading.Event) -> Method:
    def handler(session: lw.Session, args: dict[str, Any]) -> xr.Dataset:
        inside.set()
        wait_for(release)
        _ = session.run([lw.Ablate("L0H1", positions=args["prompt"])])
        return xr.Dataset()

    return Method(handler)


def test_the_newest_request_of_a_slot_wins(session: lw.Session) -> None:
    inside, release = threading.Event(), threading.Event()
    page = Slow(session, tokens=_hold(inside, release))
    first = page.send("tokens", "view", prompt=0)
    wait_for(inside)
    rest = [page.send("tokens", "view", prompt=number % 2) for number in range(20)]
    other = page.send("tokens", "other", prompt=0)
    release.set()
    page.wait_until(lambda: page.answers(rest[-1]) and page.answers(other))
    kinds = [[m["kind"] for m in page.answers(i)] for i in [first, *rest, other]]
    assert kinds == [["error"]] * 20 + [["reply"], ["reply"]]
    errors = {m["error"]["type"] for i in [first, *rest[:-1]] for m in page.answers(i)}
    assert errors == {"Superseded"}


def test_slots_of_two_pages_do_not_supersede_each_other(session: lw.Session) -> None:
    one, two = Page(session), Page(session)
    sent = [(page, page.send("session/tokens", "view", prompt=0)) for page in (one, two)]
    assert [page.answer(identity)["kind"] for page, identity in sent] == ["reply", "reply"]


def test_a_slot_can_be_stopped(session: lw.Session) -> None:
    inside, release = threading.Event(), threading.Event()
    page = Slow(session, tokens=_hold(inside, release))
    running = page.send("tokens", "view", prompt=0)
    wait_for(inside)
    waiting = page.send("tokens", "other", prompt=0)
    page.cancel("other")
    page.cancel("view")
    release.set()
    assert page.answer(waiting)["error"]["type"] == "Cancelled"
    assert page.answer(running)["error"]["type"] == "Cancelled"
    page.cancel("view")


def test_long_work_tells_how_far_it_is(page: Page) -> None:
    identity = page.send("ablation/grid", **GRID)
    assert page.answer(identity)["kind"] == "reply"
    told = page.progress(identity)
    assert told
    assert told[0]["state"] == "computing"
    assert told[0]["total"] == 10
    assert [m["done"] for m in told] == sorted(m["done"] for m in told)


def test_progress_is_told_at_most_ten_times_a_second(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0 + number / 1000 for number in range(10_000)])
    monkeypatch.setattr("time.monotonic", lambda: next(times))

    def handler(session: lw.Session, args: dict[str, Any]) -> Any:
        for number in range(1000):
            yield Step(number, 1000, "counting")
        return xr.Dataset()

    page = Slow(session, tokens=Method(handler))
    identity = page.send("tokens", prompt=0)
    page.wait_until(lambda: page.answers(identity))
    assert 5 <= len(page.progress(identity)) <= 11


def test_a_reply_that_is_too_large_becomes_an_error(session: lw.Session) -> None:
    numbers = xr.Dataset({"x": ("row", np.zeros(250_001, dtype=np.float32))})
    words = xr.Dataset(attrs={"text": "x" * 1_000_001})
    page = Slow(
        session,
        numbers=Method(lambda s, a: numbers),
        words=Method(lambda s, a: words, quick=True),
        nothing=Method(lambda s, a: xr.Dataset(), quick=True),
    )
    assert "250001 numbers does not fit" in page.error("numbers")["message"]
    assert "exceeds 1000000" in page.error("words")["message"]
    identity = page.send("nothing")
    assert page.answers(identity)[0]["kind"] == "reply"


def test_an_unforeseen_error_is_logged_and_answered(
    session: lw.Session, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(session: lw.Session, args: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("lost")

    page = Slow(session, tokens=Method(broken), undo=Method(broken, quick=True))
    assert page.error("tokens", prompt=0)["type"] == "KeyError"
    assert "lost" in page.error("undo")["message"]
    assert "request failed" in caplog.text


def test_a_quick_change_is_answered_in_place_while_the_worker_is_busy(session: lw.Session) -> None:
    inside, release = threading.Event(), threading.Event()
    slow, page = Slow(session, tokens=_hold(inside, release)), Page(session)
    busy = slow.send("tokens", prompt=0)
    wait_for(inside)
    identity = page.send("session/set_ablated", component="L1H2", kind="zero", on=True)
    assert [m["kind"] for m in page.answers(identity)] == ["reply"]
    assert list(session.interventions) == [lw.Ablate("L1H2")]
    release.set()
    slow.wait_until(lambda: slow.answers(busy))


def test_a_reply_is_about_one_revision_even_when_clicks_come_meanwhile(session: lw.Session) -> None:
    inside, release = threading.Event(), threading.Event()

    def handler(frozen: lw.Session, args: dict[str, Any]) -> xr.Dataset:
        before = frozen.current.clone()
        inside.set()
        wait_for(release)
        same = torch.equal(before, frozen.current)
        return xr.Dataset(attrs={"same": same, "revision": frozen.revision})

    page = Slow(session, tokens=Method(handler))
    identity = page.send("tokens", prompt=0)
    wait_for(inside)
    session.interventions.toggle("L1H2")
    release.set()
    page.wait_until(lambda: page.answers(identity))
    (answer,) = page.answers(identity)
    assert answer["result"]["attrs"] == {"same": True, "revision": 0}
    assert answer["revision"] == 0


def test_a_change_that_arrives_again_is_made_once_and_told_again(
    session: lw.Session, page: Page
) -> None:
    session.interventions.toggle("L0H1")
    session.interventions.toggle("L0H2")
    again = _request(id="again")
    for _ in range(3):
        page.dispatcher.receive(again)
    # Answered after whatever was queued before it.
    page.dataset("session/metric")
    assert [m["kind"] for m in page.answers("again")] == ["reply"]
    page.dispatcher.receive(again)
    page.wait_until(lambda: len(page.answers("again")) == 2)
    first, second = page.answers("again")
    assert first == second
    assert list(session.interventions) == [lw.Ablate("L0H1")]


def test_a_question_is_answered_again_once_its_answer_was_sent(page: Page) -> None:
    """A line that is cut swallows answers, too."""
    asked = {**_request(id="lost"), "method": "session/metric"}
    for count in (1, 2):
        page.dispatcher.receive(asked)
        page.wait_until(lambda count=count: len(page.answers("lost")) == count)
    first, second = page.answers("lost")
    assert first["kind"] == "reply"
    assert first["result"] == second["result"]
