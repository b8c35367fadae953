"""What belongs to one click comes as one message, and its answers leave in one or in few."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
import xarray as xr

import lens_widgets as lw
from lens_widgets.wire import together
from tests.unit.page import Page
from tests.unit.test_dispatch import ABLATE, PATTERN, Method, Slow, _hold, _request
from tests.unit.waiting import wait_for, wait_until


def test_what_comes_together_is_answered_together_each_with_its_own_arrays(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy the machine is.
    monkeypatch.setattr(together, "HOLD_S", 60.0)
    page = Page(session)
    ask = {"args": {"prompt": 0}}
    page.send_batch(
        _request(id="change", slot="c", method="session/set_ablated",
                 args={"component": "L0H1", **ABLATE}),
        _request(id="tokens", slot="t", method="token/stats", **ask),
        {"kind": "cancel", "slot": "nothing"},
        _request(id="bad", slot="b", method="session/tokenz"),
        _request(id="head", slot="h", method="attention/pattern", args=PATTERN),
        _request(id="tokens", slot="t", method="token/stats", **ask),
    )  # fmt: skip
    answers = {name: page.answer(name) for name in ("change", "tokens", "head")}
    assert page.answers("bad")[0]["kind"] == "error"
    assert page.sent == ["batch"]
    assert answers["change"]["revision"] == 1
    alone = Page(session)
    for name, method, args in (
        ("tokens", "token/stats", {"prompt": 0}),
        ("head", "attention/pattern", PATTERN),
    ):
        identity = alone.send(method, **args)
        assert alone.answer(identity)["result"] == answers[name]["result"]
        assert alone.buffers[identity] == page.buffers[name]


def test_an_answer_waits_for_no_companion_that_takes_long(session: lw.Session) -> None:
    inside, release = threading.Event(), threading.Event()
    page = Slow(session, quick=Method(lambda s, a: xr.Dataset()), slow=_hold(inside, release))
    page.send_batch(
        _request(id="quick", slot="q", method="quick"),
        _request(id="slow", slot="s", method="slow", args={"prompt": 0}),
    )
    wait_for(inside)
    page.wait_until(lambda: page.answers("quick"))
    assert page.answers("slow") == []
    release.set()
    page.wait_until(lambda: page.answers("slow"))


def test_answers_together_fit_one_message_or_are_two(session: lw.Session) -> None:
    large = xr.Dataset({"x": ("row", np.zeros(150_000, dtype=np.float32))})
    page = Slow(session, large=Method(lambda s, a: large, quick=True))
    page.send_batch(*(_request(id=name, slot=name, method="large") for name in "abc"))
    page.wait_until(lambda: all(page.answers(name) for name in "abc"))
    assert page.sent == ["reply", "reply", "reply"]


def test_a_thread_that_is_remembered_holds_no_view(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ipykernel keeps threads in a list for a while after they have ended."""
    remembered: list[threading.Timer] = []

    class Remembered(threading.Timer):
        def start(self) -> None:
            remembered.append(self)
            super().start()

    monkeypatch.setattr("threading.Timer", Remembered)
    inside, release = threading.Event(), threading.Event()
    page = Slow(session, quick=Method(lambda s, a: xr.Dataset()), slow=_hold(inside, release))
    page.send_batch(
        _request(id="quick", slot="q", method="quick"),
        _request(id="slow", slot="s", method="slow", args={"prompt": 0}),
    )
    page.wait_until(lambda: page.answers("quick"))
    release.set()
    page.wait_until(lambda: page.answers("slow"))
    assert remembered
    dispatcher = weakref.ref(page.dispatcher)
    del page

    def gone() -> bool:
        # The worker lets go of its last request a moment after it has answered.
        gc.collect()
        return dispatcher() is None

    wait_until(gone)
