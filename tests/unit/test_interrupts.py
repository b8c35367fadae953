"""An interrupt of the kernel stops what views compute, where no cell runs that it would be for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import lens_widgets as lw
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.jupyter import cells
from tests.models import fresh
from tests.unit.changed_models import session_of
from tests.unit.waiting import Outcome, wait_for


def ended(kernel: Any) -> None:
    """What ipykernel does as a cell ends."""
    CELL_PAUSE.end()
    signal.signal(signal.SIGINT, kernel.saved_sigint_handler)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An IPython in the middle of a cell, as ipykernel runs one."""
    monkeypatch.setattr(cells, "_installed", set())
    before = signal.getsignal(signal.SIGINT)
    message = {"header": {"msg_type": "execute_request"}}
    yield SimpleNamespace(
        events=SimpleNamespace(register=lambda *_: None),
        kernel=SimpleNamespace(
            get_parent=lambda _channel: message, saved_sigint_handler=signal.SIG_IGN
        ),
    )
    CELL_PAUSE.end()
    signal.signal(signal.SIGINT, before)


def sweep(session: lw.Session) -> Outcome:
    """Work of a view that goes on until it is stopped."""
    outcome, begun = Outcome(), threading.Event()

    def parts() -> Iterator[None]:
        while True:
            begun.set()
            yield

    session.submit(("sweep",), parts, outcome.done, outcome.failed)
    wait_for(begun)
    return outcome


def test_an_interrupt_between_cells_stops_the_sweeps_of_all_models(shell: SimpleNamespace) -> None:
    cells.install_cell_pause(shell)
    ended(shell.kernel)
    sessions = [session_of(fresh(name)) for name in ("gpt2", "llama")]
    sweeps = [sweep(session) for session in sessions]
    os.kill(os.getpid(), signal.SIGINT)
    for outcome in sweeps:
        ((kind, error),) = outcome.answers()
        assert kind == "failed"
        # Under this name the page is told of it.
        assert type(error).__name__ == "Interrupted"


def test_somebody_elses_handler_stays(shell: SimpleNamespace) -> None:
    theirs = signal.default_int_handler
    shell.kernel.saved_sigint_handler = theirs
    cells.install_cell_pause(shell)
    assert shell.kernel.saved_sigint_handler is theirs
