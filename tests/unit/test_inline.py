"""What a cell asks for itself, and what an interrupt or an error leaves behind: nothing."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.engine import current
from lens_widgets.engine.access import access_for
from lens_widgets.errors import InputError
from tests.models import fresh, leftovers, tiny, traces
from tests.unit import reference
from tests.unit.cases import ANSWERS, PROMPTS, rows, state
from tests.unit.waiting import Outcome, in_thread, join, wait_for, wait_until


@pytest.fixture(autouse=True)
def _interrupts_arrive() -> Iterator[None]:
    """A shell starts what it runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Meddling(lw.Ablate):
    """Does something of its own in the middle of a forward, then ablates."""

    during: Callable[[], None] = print

    def hooks(self, session: Any) -> list[Any]:
        ((name, edit),) = super().hooks(session)

        def meddle(activation: Tensor, hook: Any) -> Tensor | None:
            self.during()
            return edit(activation, hook)

        return [(name, meddle)]


def _still_right(session: lw.Session) -> None:
    """The model is clean, and both doors to it still open."""
    assert leftovers() == {}
    plain = reference.logits(session.model, rows(session)[0])
    torch.testing.assert_close(session.run(()).logits[0], plain, atol=1e-6, rtol=0)
    edit = reference.write("blocks.1.attn.hook_z", 0.0, head=1)
    edited = reference.logits(session.model, rows(session)[0], [edit])
    torch.testing.assert_close(
        session.run([lw.Ablate("L1H1")]).logits[0], edited, atol=1e-5, rtol=0
    )
    outcome = Outcome()
    derived = session.with_interventions([lw.Ablate("L1H1")])
    session.submit(("after",), lambda: derived.current, outcome.done, outcome.failed)
    assert torch.equal(outcome.value(), derived.current)


@pytest.mark.parametrize("component", ["L0H1", "L1H2", "embed"])
def test_an_interrupt_reaches_the_cell_and_leaves_no_hook(
    session: lw.Session, component: str
) -> None:
    before = state(session)
    with pytest.raises(KeyboardInterrupt):
        session.run([Meddling(component, during=_thread.interrupt_main)])
    assert state(session) == before
    _still_right(session)


def test_an_interrupt_stops_the_forward_at_its_next_block(session: lw.Session) -> None:
    stopped: list[bool] = []
    later: list[bool] = []

    def interrupt() -> None:
        token = current.token()
        assert token is not None
        # As Jupyter does: a signal, which wakes the waiting cell.
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        wait_until(lambda: token.cancelled)
        stopped.append(True)

    items = [
        Meddling("L0H1", during=interrupt),
        Meddling("L1H1", during=lambda: later.append(True)),
    ]
    with pytest.raises(KeyboardInterrupt):
        session.run(items)
    assert (stopped, later) == ([True], [])
    _still_right(session)


def test_an_interrupted_sweep_leaves_no_hook(session: lw.Session) -> None:
    times: list[int] = []

    def second_time() -> None:
        times.append(1)
        if len(times) == 2:
            _thread.interrupt_main()

    session.interventions.add(Meddling("L0H1", during=second_time))
    with pytest.raises(KeyboardInterrupt):
        lw.analysis.ablation_sweep(session)
    session.interventions.clear()
    assert len(times) >= 2
    _still_right(session)


def test_an_interrupt_while_the_session_is_made_leaves_no_hook() -> None:
    calls: list[int] = []

    def metric(logits: Tensor) -> Tensor:
        calls.append(1)
        _thread.interrupt_main()
        return logits[:, 0, 0]

    with pytest.raises(KeyboardInterrupt):
        lw.Session(tiny("gpt2"), PROMPTS, metric=metric)
    # Where the function counts positions from is tried first; the interrupt comes meanwhile.
    assert calls
    _still_right(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS))


def test_an_error_in_a_hook_reaches_the_cell_and_leaves_no_hook(session: lw.Session) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in a hook")

    before = state(session)
    with pytest.raises(ZeroDivisionError, match="in a hook"):
        session.run([Meddling("L0H1", during=fail)])
    assert state(session) == before
    _still_right(session)


def test_an_error_in_a_hook_of_the_worker_is_answered_and_leaves_no_hook(
    session: lw.Session,
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in a hook")

    outcome = Outcome()
    session.submit(
        ("x",),
        lambda: session.run([Meddling("embed", during=fail)]),
        outcome.done,
        outcome.failed,
    )
    assert str(outcome.error()) == "in a hook"
    _still_right(session)


def test_cancelling_in_the_middle_of_a_forward_leaves_no_hook(session: lw.Session) -> None:
    outcome = Outcome()
    stop = Meddling("L0H1", during=lambda: session.cancel(("x",)))
    session.submit(("x",), lambda: session.run([stop]), outcome.done, outcome.failed)
    assert type(outcome.error()).__name__ == "Cancelled"
    _still_right(session)


def test_closing_the_session_stops_its_work(session: lw.Session) -> None:
    outcome, other = Outcome(), lw.Session(session.model, PROMPTS, answers=ANSWERS)
    stop = Meddling("L0H1", during=session.close)
    session.submit(("x",), lambda: session.run([stop]), outcome.done, outcome.failed)
    assert type(outcome.error()).__name__ == "Cancelled"
    _still_right(other)


def test_all_usual_work_leaves_no_hook(session: lw.Session) -> None:
    session.interventions.add(lw.Ablate("L0H1", "mean"))
    session.interventions.add(lw.Steer("blocks.0.hook_resid_post", torch.ones(32)))
    lw.analysis.ablation_sweep(session, "resample")
    lw.analysis.attribution(session)
    session.run().activation("blocks.0.attn.hook_q")
    _still_right(session)


def test_runs_asked_for_at_once_from_many_threads_are_all_right(session: lw.Session) -> None:
    names = [f"L{layer}H{head}" for layer in range(2) for head in range(4)]
    alone = {n: lw.Session(session.model, PROMPTS).run([lw.Ablate(n)]).logits for n in names}
    together: dict[str, Tensor] = {}

    def run(name: str) -> None:
        together[name] = session.run([lw.Ablate(name)]).logits

    threads = [in_thread(partial(run, name)) for name in names]
    for thread in threads:
        join(thread)
    for name in names:
        assert torch.equal(together[name], alone[name])


def test_a_cell_waits_for_a_slice_of_the_worker_and_both_are_right(session: lw.Session) -> None:
    inside, release, outcome = threading.Event(), threading.Event(), Outcome()

    def hold() -> None:
        inside.set()
        wait_for(release)

    held = Meddling("L0H1", during=hold)
    session.submit(("x",), lambda: session.run([held]), outcome.done, outcome.failed)
    wait_for(inside)
    inline = Outcome()
    cell = in_thread(lambda: inline.done(session.run([lw.Ablate("L1H2")])))
    release.set()
    join(cell)
    edit = reference.write("blocks.1.attn.hook_z", 0.0, head=2)
    expected = reference.logits(session.model, rows(session)[0], [edit])
    torch.testing.assert_close(inline.value().logits[0], expected, atol=1e-5, rtol=0)
    assert torch.equal(outcome.value().metric, session.run([lw.Ablate("L0H1")]).metric)


def test_one_model_has_one_handle_for_all_sessions(session: lw.Session) -> None:
    assert access_for(session.model) is access_for(session.model)
    assert access_for(session.model) is not access_for(tiny("llama"))


@pytest.mark.parametrize("is_permanent", [True, False])
def test_the_users_own_hooks_stay_and_count(is_permanent: bool) -> None:
    model = fresh("gpt2")
    clean = lw.Session(model, PROMPTS, answers=ANSWERS).baseline

    def mine(activation: Tensor, hook: Any) -> Tensor:
        return activation * 0.5

    model.add_hook("blocks.0.hook_mlp_out", mine, is_permanent=is_permanent)
    before = traces(model)
    session = lw.Session(model, PROMPTS, answers=ANSWERS)
    session.interventions.toggle("L1H2")
    lw.analysis.ablation_sweep(session)
    with pytest.raises(InputError, match=r"hooks of yours run in it, at blocks\.0\.mlp\.hook_out"):
        lw.analysis.attribution(session)
    assert traces(model) == before
    with torch.no_grad():
        expected = model(rows(session)[0])[0, -1]
    got = session.baseline[0].item()
    assert got == pytest.approx(float(expected[30] - expected[31]), abs=1e-5)
    assert not torch.allclose(session.baseline, clean, atol=1e-3)
