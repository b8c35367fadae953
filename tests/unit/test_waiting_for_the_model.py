"""Nothing is held while the model or a cell is waited for: what one thread waits for stops nobody.

In each test a widget's work waits for a cell to end, and the cell asks for the same thing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import lens_widgets as lw
from lens_widgets.engine import current, locks
from lens_widgets.engine.access import access_for
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.engine.gradients import Slopes
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS
from tests.unit.page import Page
from tests.unit.spies import spy
from tests.unit.waiting import Outcome, in_thread, join, wait_for, wait_until


@pytest.fixture
def session() -> Iterator[lw.Session]:
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    yield session
    CELL_PAUSE.end()


class Waiting:
    """Work of the worker that waits for the cell which runs now."""

    def __init__(self, session: lw.Session, work: Callable[[lw.Session], Any]) -> None:
        self.outcome, waits = Outcome(), threading.Event()
        frozen = session.frozen()
        session.submit(
            ("waiting",),
            lambda: work(frozen),
            self.outcome.done,
            self.outcome.failed,
            lambda _: waits.set(),
        )
        wait_for(waits)


def _in_a_cell(session: lw.Session, widget: Any, cell: Callable[[], Any]) -> tuple[Any, Any]:
    """What both gave; the cell ends before the widget's work may go on."""
    CELL_PAUSE.begin()
    waiting, inline = Waiting(session, widget), Outcome()

    def run() -> None:
        try:
            inline.done(cell())
        except BaseException as error:
            inline.failed(error)

    thread = in_thread(run)
    thread.join(10)
    stuck = thread.is_alive()
    CELL_PAUSE.end()
    join(thread)
    assert not stuck, "the cell waited for the widget, which waits for the cell"
    return waiting.outcome.value(), inline.value()


HOOK_Q = "blocks.1.attn.hook_q"


def test_a_cell_reads_a_run_whose_activation_a_widget_waits_for(session: lw.Session) -> None:
    _in_a_cell(
        session,
        lambda frozen: frozen.run(()).activation(HOOK_Q),
        lambda: lw.analysis.attribution(session),
    )


READINGS: dict[str, Callable[[lw.Session], Any]] = {
    "activation": lambda s: s.run(()).activation(HOOK_Q),
    "uncached": lambda s: s.run(()).uncached_activation(HOOK_Q),
    "logits": lambda s: s.run([lw.Ablate("L1H2")]).logits,
    "logits of a prompt": lambda s: s.run([lw.Ablate("L1H2")]).logits_of(1),
    "loss": lambda s: s.run([lw.Ablate("L1H2")]).loss_per_token,
    "edited run": lambda s: s.run([lw.Ablate("L0H1")]).metric,
    "corrupted run": lambda s: s.corrupted_run().metric,
    "resampled": lambda s: s.run([lw.Ablate("L0H1", "resample")]).metric,
    "gradients": lambda s: s.gradients(Slopes([HOOK_Q])).gradients[HOOK_Q],
    "sweep": lambda s: torch.tensor(lw.analysis.ablation_sweep(s).values),
    "lens": lambda s: torch.tensor(lw.analysis.logit_lens(s)["probs"].values),
}


@pytest.mark.parametrize("name", READINGS)
def test_what_a_widget_waits_for_a_cell_has_at_once(session: lw.Session, name: str) -> None:
    reading = READINGS[name]
    session.run([lw.Ablate("L1H2")])
    waited, had = _in_a_cell(session, reading, lambda: reading(session))
    torch.testing.assert_close(waited, had, atol=1e-5, rtol=1e-5, equal_nan=True)


def test_both_are_given_the_first_result(session: lw.Session) -> None:
    items = [lw.Ablate("L0H1")]
    waited, had = _in_a_cell(
        session, lambda frozen: frozen.run(items).logits, lambda: session.run(items).logits
    )
    assert waited is had


def test_an_observer_that_waits_for_a_run_stops_no_change(session: lw.Session) -> None:
    """A page's edit of a prompt is done in the worker, and so are the calls of its observers."""
    page, seen = Page(session), Outcome()
    begun = threading.Event()

    def observe(_change: Any) -> None:
        if current.token() is not None:
            # A cell begins between the change and its announcement.
            CELL_PAUSE.begin()
            begun.set()
            seen.done(session.run([lw.Ablate("L0H3")]).metric)

    session.observe(observe, "revision")
    sent = page.send(
        "session/edit_prompt",
        prompt=0,
        text="w7 w6 w7 w8 w9 w10",
        correct="w30",
        wrong="w31",
        corrupted=None,
    )
    wait_for(begun)
    cell = in_thread(lambda: session.interventions.toggle("L1H1"))
    cell.join(10)
    stuck = cell.is_alive()
    CELL_PAUSE.end()
    join(cell)
    assert not stuck
    assert torch.equal(seen.value(), session.run([lw.Ablate("L0H3")]).metric)
    assert page.answer(sent)["kind"] == "reply"


def test_observers_find_the_list_and_its_revision_together(session: lw.Session) -> None:
    seen: list[tuple[int, int]] = []

    def observe(_change: Any) -> None:
        seen.append((len(session.interventions), session.revision))
        assert not session.lock.held

    session.observe(observe, "revision")
    session.interventions.observe(observe, "entries")
    session.selection.observe(observe, "layer")
    session.interventions.toggle("L0H1")
    session.interventions.undo()
    session.selection.update(layer=1)
    assert seen == [(1, 1), (1, 1), (0, 2), (0, 2), (0, 2)]


def test_an_observer_that_fails_is_heard_after_the_others_were_told(session: lw.Session) -> None:
    seen: list[str] = []

    def fail(_change: Any) -> None:
        raise ZeroDivisionError("in an observer")

    session.interventions.observe(fail, "entries")
    session.observe(lambda _: seen.append("revision"), "revision")
    with pytest.raises(ZeroDivisionError, match="in an observer"):
        session.interventions.toggle("L0H1")
    assert seen == ["revision"]
    assert not session.lock.held


def test_a_cell_does_not_wait_for_a_widget_that_waits_for_another_thread(
    session: lw.Session,
) -> None:
    """A thread of the user's may be on the model for long; the cell that begins is not stopped."""
    inside, release, done = threading.Event(), threading.Event(), Outcome()
    access = access_for(session.model)

    def hold(_model: Any, _check: Any) -> None:
        inside.set()
        wait_for(release)

    mine = in_thread(lambda: access.exclusively(hold))
    wait_for(inside)
    frozen = session.frozen()
    begun = threading.Event()

    def work() -> Tensor:
        begun.set()
        return frozen.run([lw.Ablate("L0H2")]).metric

    session.submit(("x",), work, done.done, done.failed)
    wait_for(begun)
    cell = in_thread(CELL_PAUSE.begin)
    cell.join(10)
    stuck = cell.is_alive()
    release.set()
    join(mine)
    join(cell)
    CELL_PAUSE.end()
    assert not stuck
    done.value()


# --- which thread runs the model ----------------------------------------------------------------

ASKED: dict[str, Callable[[lw.Session], Any]] = {
    "run": lambda s: s.run([lw.Ablate("L1H2")]).logits,
    "ablation": lambda s: lw.analysis.ablation_sweep(s),
    "resample": lambda s: lw.analysis.ablation_sweep(s, "resample"),
    "patching": lambda s: lw.analysis.patch_sweep(s, "z"),
    "estimate": lambda s: lw.analysis.estimate_sweep(s, "z"),
    "metric": lambda s: s.metric_with([lw.Ablate("L0H1")]),
    "attribution": lambda s: lw.analysis.attribution(s),
    "lens": lambda s: lw.analysis.logit_lens(s),
    "activation": lambda s: s.run(()).activation(HOOK_Q),
}


@pytest.mark.parametrize("model_name", ["gpt2", "gptj"])
@pytest.mark.parametrize("name", ASKED)
def test_no_forward_runs_in_the_callers_thread(
    monkeypatch: pytest.MonkeyPatch, name: str, model_name: str
) -> None:
    """An interrupt of a cell lands in its thread: there it would meet hooks being removed."""
    model = tiny(model_name)
    session = lw.Session(model, PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
    threads: set[threading.Thread] = set()
    modules = [*model.blocks, model.ln_final, model.unembed]

    def note(module: Any, _args: Any, _kwargs: Any) -> None:
        threads.add(threading.current_thread())

    hooks = [part.register_forward_pre_hook(spy(note), with_kwargs=True) for part in modules]
    try:
        ASKED[name](session)
    finally:
        for hook in hooks:
            hook.remove()
    assert threads or name in ("attribution",)
    assert threading.main_thread() not in threads


def test_a_model_is_made_known_outside_the_callers_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    from lens_widgets.engine import access
    from lens_widgets.engine.probe import probe

    threads: list[threading.Thread] = []

    def watched(model: Any) -> Any:
        threads.append(threading.current_thread())
        return probe(model)

    monkeypatch.setattr(access, "probe", watched)
    fresh = access.ModelAccess(tiny("gpt2"))
    fresh.facts()
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_the_door_refuses_a_callers_own_thread(session: lw.Session) -> None:
    with pytest.raises(RuntimeError, match="worker or by run_inline alone"):
        access_for(session.model)._alone(lambda model, check: None, None)


# --- the watch over locks -----------------------------------------------------------------------


@pytest.fixture
def violations() -> Iterator[list[str]]:
    """What is done wrong on purpose here is not held against the test."""
    yield locks.violations
    locks.violations.clear()


def test_the_tests_run_with_watched_locks() -> None:
    assert locks.WATCHED


def test_locks_are_taken_in_one_order_alone(violations: list[str]) -> None:
    early, late = locks.lock("session"), locks.lock("trace")
    with early, late:
        pass
    with pytest.raises(locks.LockOrderError, match="taking 'session' while holding 'trace'"), late:
        early.acquire()
    assert len(violations) == 1
    assert late.acquire(blocking=False)
    late.release()


def test_two_locks_of_one_kind_are_not_held_together(violations: list[str]) -> None:
    one, other = locks.lock("trace"), locks.lock("trace")
    with pytest.raises(locks.LockOrderError), one:
        other.acquire()
    again = locks.lock("session", reentrant=True)
    with again, again:
        pass
    assert len(violations) == 1


@pytest.mark.parametrize("kind", ["session", "runs", "trace", "worker", "messages", "registry"])
def test_waiting_for_the_model_with_a_lock_held_is_refused(
    session: lw.Session, violations: list[str], kind: str
) -> None:
    with pytest.raises(locks.LockOrderError, match="while holding"), locks.lock(kind):
        session.run([lw.Ablate("L0H2")])
    with pytest.raises(locks.LockOrderError, match="holding"), locks.lock(kind):
        CELL_PAUSE.begin()
    assert not CELL_PAUSE.active
    assert len(violations) == 2


def test_a_hook_or_metric_that_asks_for_a_run_is_told_that_it_cannot_have_one() -> None:
    """Its forward would meet the outer one's hooks; in the worker it would wait for a cell that
    waits for the outer one."""
    session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS)
    items = [lw.Ablate("L0H1")]

    def metric(logits: Tensor) -> Tensor:
        return logits[:, -1, 5] - session.metric_with(items)

    asking = lw.Session(tiny("gpt2"), PROMPTS, metric=metric)
    with pytest.raises(InputError, match="in the middle of another"):
        lw.analysis.ablation_sweep(asking)
    assert session.metric_with(items).isfinite().all()


def test_an_unknown_kind_of_lock_is_refused() -> None:
    with pytest.raises(ValueError, match="'gate' is not one of"):
        locks.lock("gate")


def test_every_lock_of_the_package_has_a_name() -> None:
    """A lock that nobody watches could be held while the model is waited for."""
    from pathlib import Path

    root = Path(lw.__file__).parent
    plain = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if path.name != "locks.py"
        for text in [path.read_text(encoding="utf-8")]
        if "threading.Lock(" in text or "threading.RLock(" in text or "Condition()" in text
    ]
    assert plain == []


def test_a_lock_is_given_back_after_an_error(session: lw.Session) -> None:
    with pytest.raises(InputError):
        session.interventions.remove("nothing of that name")
    other = Outcome()
    join(in_thread(lambda: other.done(session.interventions.toggle("L0H1"))))
    assert other.value() is True
    wait_until(lambda: not session.lock.held)
