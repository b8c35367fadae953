"""While a cell runs, no work of a widget is on the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.engine.cancel import Cancelled
from lens_widgets.engine.cell_pause import CELL_PAUSE, CellPause
from lens_widgets.jupyter import cells
from lens_widgets.jupyter.cells import install_cell_pause
from tests.models import leftovers, tiny
from tests.unit import reference
from tests.unit.cases import ANSWERS, PROMPTS, ROWS, rows
from tests.unit.page import Page
from tests.unit.waiting import Outcome, in_thread, join, wait_for, wait_until


class FakeShell:
    """The part of IPython that announces cells."""

    def __init__(self, inside_cell: bool = False) -> None:
        self.callbacks: dict[str, list[Callable[[Any], None]]] = {}
        self.events = SimpleNamespace(register=self._register)
        message = {"header": {"msg_type": "execute_request"}} if inside_cell else {}
        self.kernel = SimpleNamespace(get_parent=lambda channel: message)

    def _register(self, event: str, callback: Callable[[Any], None]) -> None:
        self.callbacks.setdefault(event, []).append(callback)

    def announce(self, event: str) -> None:
        for callback in self.callbacks[event]:
            callback(None)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeShell]:
    monkeypatch.setattr(cells, "_installed", set())
    shell = FakeShell()
    install_cell_pause(shell)
    yield shell
    CELL_PAUSE.end()


def _submit(session: lw.Session, key: str, work: Callable[[], Any]) -> Outcome:
    outcome = Outcome()
    session.submit((key,), work, outcome.done, outcome.failed, outcome.waits.append)
    return outcome


def test_to_begin_waits_until_the_turn_in_progress_has_left() -> None:
    cell = CellPause()
    assert cell.enter()
    closing = in_thread(cell.begin)
    wait_until(lambda: cell.active)
    assert not cell.enter()
    entered = Outcome()

    def wait_and_enter() -> None:
        cell.wait_until_over(lambda: False)
        entered.done(cell.enter())

    late = in_thread(wait_and_enter)
    assert closing.is_alive()
    cell.leave()
    join(closing)
    assert cell.active
    cell.end()
    join(late)
    assert entered.value() is True


def test_a_waiting_turn_can_be_called_off() -> None:
    cell = CellPause()
    cell.begin()
    stop = threading.Event()
    waiting = in_thread(lambda: cell.wait_until_over(stop.is_set))
    stop.set()
    cell.wake()
    join(waiting)
    assert cell.active
    cell.end()
    cell.begin()


def test_cells_begin_and_end_the_pause(shell: FakeShell) -> None:
    install_cell_pause(shell)
    assert [len(callbacks) for callbacks in shell.callbacks.values()] == [1, 1]
    shell.announce("pre_run_cell")
    assert CELL_PAUSE.active
    shell.announce("post_run_cell")
    assert not CELL_PAUSE.active


def test_a_session_made_in_a_cell_begins_the_pause_for_the_rest_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cells, "_installed", set())
    shell = FakeShell(inside_cell=True)
    install_cell_pause(shell)
    assert CELL_PAUSE.active
    shell.announce("post_run_cell")
    assert not CELL_PAUSE.active


def test_a_widgets_work_waits_for_the_cell_and_says_so(
    session: lw.Session, shell: FakeShell
) -> None:
    shell.announce("pre_run_cell")
    frozen = session.with_interventions([lw.Ablate("L1H2")])
    waits = threading.Event()
    outcome = Outcome()

    def on_wait(state: bool) -> None:
        outcome.waits.append(state)
        waits.set()

    session.submit(("x",), lambda: frozen.current, outcome.done, outcome.failed, on_wait)
    wait_for(waits)
    assert outcome.waits == [True]
    shell.announce("post_run_cell")
    assert torch.equal(outcome.value(), session.run([lw.Ablate("L1H2")]).metric)
    assert outcome.waits == [True, False]


def test_waiting_work_can_be_cancelled_during_the_cell(
    session: lw.Session, shell: FakeShell
) -> None:
    shell.announce("pre_run_cell")
    waits, outcome = threading.Event(), Outcome()
    frozen = session.with_interventions([lw.Ablate("L1H2")])
    session.submit(
        ("x",), lambda: frozen.current, outcome.done, outcome.failed, lambda _: waits.set()
    )
    wait_for(waits)
    session.cancel(("x",))
    assert type(outcome.error()) is Cancelled
    assert CELL_PAUSE.active


def test_the_cells_own_calls_run_at_once(session: lw.Session, shell: FakeShell) -> None:
    shell.announce("pre_run_cell")
    session.interventions.toggle("L1H2")
    edit = reference.write("blocks.1.attn.hook_z", 0.0, head=2)
    expected = reference.logits(session.model, rows(session)[0], [edit])
    torch.testing.assert_close(session.run().logits[0], expected, atol=1e-5, rtol=0)
    assert lw.analysis.ablation_sweep(session).notnull().all()


def test_a_cell_that_begins_preempts_a_turn_which_is_run_again(
    session: lw.Session, shell: FakeShell
) -> None:
    begun = threading.Event()
    cells: list[threading.Thread] = []
    seen: list[bool] = []

    def begin() -> None:
        shell.announce("pre_run_cell")
        begun.set()

    class Watched(lw.Ablate):
        """The first time it is used, a cell begins."""

        def hooks(self, session: Any) -> list[Any]:
            ((name, edit),) = super().hooks(session)

            def watched(activation: Tensor, hook: Any) -> Tensor | None:
                if not cells:
                    cells.append(in_thread(begin))
                    wait_until(lambda: CELL_PAUSE.active)
                seen.append(CELL_PAUSE.active)
                return edit(activation, hook)

            return [(name, watched)]

    frozen = session.with_interventions([Watched("L0H1")])
    outcome = _submit(session, "x", lambda: frozen.current)
    wait_for(begun)
    # The cell has the model to itself, in the middle of the widget's run.
    assert leftovers() == {}
    plain = reference.logits(session.model, rows(session)[0])
    torch.testing.assert_close(plain, session.run(()).logits[0], atol=1e-6, rtol=0)
    shell.announce("post_run_cell")
    assert torch.equal(outcome.value(), session.run([lw.Ablate("L0H1")]).metric)
    assert seen == [True, False]


def test_a_cells_own_forwards_are_bit_identical_while_toggles_are_clicked(
    shell: FakeShell,
) -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    page, model = Page(session), session.model
    with torch.no_grad():
        expected = model(session.tokens)
    sent: list[str] = []
    enough = threading.Event()

    def click() -> None:
        for number in range(40):
            component = f"L{number % 2}H{number % 4}"
            sent.append(
                page.send(
                    "session/set_ablated", component=component, kind="zero", on=number % 16 < 8
                )
            )
            sent.append(page.send("attribution/rows", **ROWS))
            sent.append(page.send("ablation/predictions", prompt=0))
            if number == 10:
                enough.set()

    shell.announce("pre_run_cell")
    clicking = in_thread(click)
    wait_for(enough)
    for _ in range(4):
        for _ in range(8):
            with torch.no_grad():
                assert torch.equal(model(session.tokens), expected)
            assert leftovers() == {}
        shell.announce("post_run_cell")
        shell.announce("pre_run_cell")
    shell.announce("post_run_cell")
    join(clicking)
    answered = [len(page.answers(i)) for i in sent if page.answer(i)]
    assert answered == [1] * len(sent)
    assert any(told["state"] == "waiting" for i in sent for told in page.progress(i))
    metric = page.dataset("session/metric")
    assert metric.attrs["current"] == pytest.approx(float(session.current.mean()), abs=1e-6)
