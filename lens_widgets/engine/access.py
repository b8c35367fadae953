"""The one door to a model: who may run it, in which thread, and what may be held meanwhile.

Threads. The model is entered in one place, ``ModelAccess.exclusively``, and only from two kinds of
thread: the model's worker, for what a view asks, or a thread that ``run_inline`` started for a
caller that waits. A caller's own thread never runs it: an interrupt of a cell would land in the
middle of a forward, or while hooks are being removed.

While a cell runs, the worker's turns wait for its end, which can take hours. A thread that holds a
lock meanwhile stops everybody who needs it, the cell included, and then nothing ever ends. So:
**nothing is held while waiting for the model or for a cell.** Whoever needs a run computes it first
and takes the lock to store it; two threads may compute the same thing, and the first result stays.

Locks, in the order in which one thread may take them (``engine.locks`` checks it in the tests):

1. ``model``: the model itself, one turn at a time, as forwards see each other's hooks. First in
   the order, so it is taken with nothing else held. All others are held for moments.
2. ``session``: what the views of a session show: interventions, selection, revision. Observers are
   called after it is released, as they may ask for runs.
3. ``runs``: which runs of a prompt set are kept.
4. ``trace``: what one run has at hand.
5. ``pause``: whether a cell runs and how many turns are on the model.
6. ``worker``: the queue of one model's worker.
7. ``messages``: which requests of a page came before.
8. ``registry``: tables of the whole process: each model's access, circuits that are kept.
"""

from __future__ import annotations

import copy
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lens_widgets.engine import current
from lens_widgets.engine.cancel import CancelToken, Interrupted
from lens_widgets.engine.cell_pause import CELL_PAUSE, Preempted
from lens_widgets.engine.forward import Check
from lens_widgets.engine.locks import lock, nothing_held
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.openmp import let_helpers_go
from lens_widgets.engine.probe import ModelFacts, probe
from lens_widgets.engine.structure import Structure, read_structure, structure_changes
from lens_widgets.engine.transformer_lens_private import drop_kept_patterns
from lens_widgets.engine.watch import ModelState, ModelWatch
from lens_widgets.engine.worker import Worker
from lens_widgets.errors import InputError, ModelChangedError, TrainingModeError, first_few

T = TypeVar("T")

STRUCTURE_STANDS_S = 0.1
"""For what views ask for in a row, hooks and modules are looked at once in this time."""

_accesses: weakref.WeakKeyDictionary[Any, ModelAccess] = weakref.WeakKeyDictionary()
_accesses_lock = lock("registry")


@dataclass
class _Seen:
    """What the model was at the first turn of a session, which other accesses can share."""

    state: ModelState | None = None
    looked: tuple[object, int] | None = None
    """At which moment it was last looked at, as ``_moment`` gives it."""
    time: float = 0.0
    """When that was, or when the turn that followed ended, in seconds of the monotonic clock."""
    work: CancelToken | None = None
    """The work for a view that last began to run something."""


class ModelAccess:
    """All access to one model goes through here, so that two forwards never overlap.

    TransformerBridge is not safe against two forwards at once: they see each other's hooks.
    """

    def __init__(self, model: TransformerModel) -> None:
        self._model = weakref.ref(model)
        self._lock = lock("model")
        self.worker = Worker("lens_widgets worker", CELL_PAUSE.wake)
        self._watch = ModelWatch()
        self._facts: ModelFacts | None = None
        self._probed: Structure | None = None
        self._expected: ModelFacts | None = None
        self._seen = _Seen()

    def bound(self, facts: ModelFacts) -> ModelAccess:
        """This access for one session: it refuses to run a model that is no longer ``facts``.

        Lock and worker are shared. What the model is at its first turn belongs to every number of
        the session; after a change they must not be mixed. Bound once more, it is still the first
        turn that counts.
        """
        access = copy.copy(self)
        access._facts = access._expected = facts
        if self._expected is None:
            access._seen = _Seen()
        return access

    def check_unchanged(self) -> None:
        """InputError when the model is no longer what this session's runs were made of.

        For runs that are at hand; whatever is run is checked before. A model that was moved or
        cast is refused where it would be run: what it gave stays true. While a cell runs a view is
        given what it gave before, and a change that the cell makes shows when it is over. Between
        two cells a view is given it at once, and the look that follows its request tells of what
        threads or callbacks changed: reading the weights takes longer than a click may.
        """
        model = self._model()
        if model is None or self._expected is None or current.on_model():
            return
        views = current.waits_for_cells()
        if self._just_looked() or (views and self._looked_since_cell()):
            return
        # Others may be held, so it is only tried for; whose turn it is has looked at the model.
        if (views and CELL_PAUSE.active) or not self._lock.acquire(blocking=False):
            return
        try:
            if not views:
                self._check_seen(model, None)
            elif CELL_PAUSE.enter():
                try:
                    self._check_seen(model, None)
                finally:
                    CELL_PAUSE.leave()
        finally:
            self._lock.release()

    def look(self, *, anew: bool = False) -> None:
        """Looks at the model in a turn of its own: in the worker, once no cell runs.

        Args:
            anew: however recently that was done.

        Raises:
            ModelChangedError, TrainingModeError: it is not what this session's runs were made of.
        """
        if anew:
            self._seen.looked = None
            self._watch.look_anew()
        self.exclusively(lambda model, check: None)

    def look_anew(self) -> None:
        """Said before a run that will be kept: of all that a view asks for, each answer that runs
        something looks at the whole model first, however recently that was done. A call of a user's
        does so anyway."""
        work = current.token()
        if current.waits_for_cells() and work is not self._seen.work:
            self._seen.work, self._seen.looked = work, None
            self._watch.look_anew()

    def _looked_since_cell(self) -> bool:
        """Whether the model was as it should be when it was last looked at, with no cell since."""
        moment = _moment()
        return moment is not None and self._seen.looked == moment

    def _just_looked(self) -> bool:
        """Nobody changes the model in the middle of one call. Between two cells only callbacks of a
        user's own widgets could, and nobody clicks on those and on a view at once."""
        if not self._looked_since_cell():
            return False
        recent = time.monotonic() < self._seen.time + STRUCTURE_STANDS_S
        return recent or not current.waits_for_cells()

    def _check_seen(self, model: TransformerModel, check: Check | None) -> None:
        if self._expected is None or not self._expected.fit(model) or model.training:
            return
        if self._just_looked():
            return
        seen, now = self._seen, time.monotonic()
        # Until it is known to be the same.
        seen.looked = None
        if seen.state is None:
            seen.state = self._watch.state(model, check)
        else:
            self._compare(model, seen.state, check)
        seen.looked, seen.time = _moment(), now

    def _compare(self, model: TransformerModel, before: ModelState, check: Check | None) -> None:
        changes, weights = self._watch.changes(model, before, check)
        if changes:
            raise ModelChangedError(
                f"The model was changed since this session ran it: {first_few(changes, '; ')}.",
                "Change it back, or call session.refresh() to compute everything with it.",
            )
        if weights:
            names = first_few(weights)
            raise ModelChangedError(
                f"The model's weights were changed since this session ran it: {names}.",
                "Call session.refresh() to compute everything with the new ones.",
            )

    def _present(self, check: Check | None) -> TransformerModel:
        """The model, as it was when the session was made; InputError if it is not."""
        model = self.model
        if self._expected is not None:
            changes = self._expected.changes(model)
            if changes:
                raise ModelChangedError(
                    f"The model was changed since this session was made: {', '.join(changes)}.",
                    "Change it back, or call session.refresh().",
                )
            if model.training:
                raise TrainingModeError(
                    "The model was put into training mode: dropout would make numbers random.",
                    "Call model.eval().",
                )
            self._check_seen(model, check)
        return model

    @property
    def model(self) -> TransformerModel:
        """The model; InputError once nobody holds it any more."""
        model = self._model()
        if model is None:
            raise InputError("The model is gone.", "Load it again and make a new lw.Session.")
        return model

    def exclusively(self, work: Callable[[TransformerModel, Check | None], T]) -> T:
        """Runs ``work(model, check)`` with the model to itself: for a cell, or in the worker.

        ``work`` calls ``check`` between blocks. In the worker it waits while a cell runs, and is
        run again from its start when a cell begins meanwhile. InputError when ``work`` itself
        calls this.
        """
        token = current.token()
        if token is None:
            return self.run_inline(lambda: self.exclusively(work))
        if current.on_model():
            raise InputError(
                "A run was asked for in the middle of another, by a metric or a hook.",
                "Compute what it needs beforehand, and let the function use the result.",
            )
        nothing_held("waiting for the model")
        if not current.waits_for_cells():
            with self._lock:
                return self._alone(work, token.check)

        def check() -> None:
            token.check()
            if CELL_PAUSE.active:
                raise Preempted

        while True:
            self._wait_for_cell(token)
            # The cell that begins meanwhile waits for turns that are on the model, and not for
            # one that is itself waiting for another thread's.
            with self._lock:
                if not CELL_PAUSE.enter():
                    continue
                try:
                    return self._alone(work, check)
                except Preempted:
                    continue
                finally:
                    CELL_PAUSE.leave()

    @staticmethod
    def _wait_for_cell(token: CancelToken) -> None:
        waits = CELL_PAUSE.active
        if waits:
            current.waiting(True)
        CELL_PAUSE.wait_until_over(lambda: token.cancelled)
        token.check()
        if waits:
            current.waiting(False)

    def _alone(self, work: Callable[[TransformerModel, Check | None], T], check: Check | None) -> T:
        if current.token() is None:
            raise RuntimeError("a model may be run by its worker or by run_inline alone")
        model = self._present(check)
        try:
            with current.running_model():
                return work(model, check)
        finally:
            drop_kept_patterns(model)
            if self._looked_since_cell():
                # A turn can take longer than a look stands, and the next of a click follows it.
                self._seen.time = time.monotonic()

    def facts(self) -> ModelFacts:
        """What the model is; probed once, and again when it was moved, cast, processed or hooked,
        or modules were replaced."""
        return self.exclusively(lambda model, check: self._known_facts(model))

    def _known_facts(self, model: TransformerModel) -> ModelFacts:
        structure, _ = read_structure(model)
        known, probed = self._facts, self._probed
        if (
            known is None
            or probed is None
            or not known.fit(model)
            or structure_changes(probed, structure)
        ):
            known = self._facts = probe(model)
            # What libraries put on a model when it first runs belongs to it.
            self._probed, _ = read_structure(model)
        return known

    def weights(self) -> tuple[int, ...]:
        """Numbers of which one is another when any weight is: for what is kept by weights alone."""
        return self._watch.weights(self.model)

    def run_inline(self, work: Callable[[], T]) -> T:
        """Runs ``work`` for a caller that waits, such as a cell, and returns its result.

        It runs in a thread of its own: an interrupt then reaches the waiting cell and not the
        forward, which is asked to stop at its next block and so leaves no hook on the model.
        """
        if current.token() is not None:
            return work()
        nothing_held("waiting for the model")
        token, call = CancelToken(), current.call()
        outcome: dict[str, Any] = {}
        go, finished = threading.Event(), threading.Event()

        def body() -> None:
            go.wait()
            try:
                token.check()
                with current.working(token, waits_for_cells=False, call=call):
                    outcome["value"] = work()
            except BaseException as error:
                outcome["error"] = error
            finally:
                finished.set()

        thread = threading.Thread(target=body, name="lens_widgets inline", daemon=True)
        started = False
        try:
            # An interrupt can come inside of start() too: nothing is done before ``go``.
            thread.start()
            started = True
            let_helpers_go()
            go.set()
            finished.wait()
        except BaseException:
            token.cancel()
            go.set()
            if started:
                finished.wait()
            raise
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]


_VIEWS = object()


def _moment() -> tuple[object, int] | None:
    """The call in which this thread is, and after how many cells; all that views ask for between
    two cells is of one moment. None where lines of a user's may run meanwhile."""
    cells = CELL_PAUSE.cells
    if current.waits_for_cells() and cells > 0 and not CELL_PAUSE.active:
        return _VIEWS, cells
    call = current.call()
    return None if call is None else (call, cells)


def stop_work() -> None:
    """Stops whatever views wait for or compute, of all models, as an interrupt asks for."""
    with _accesses_lock:
        accesses = list(_accesses.values())
    for access in accesses:
        access.worker.cancel(lambda key: True, Interrupted)


def access_for(model: TransformerModel) -> ModelAccess:
    """The one access of ``model``."""
    with _accesses_lock:
        access = _accesses.get(model)
        if access is None:
            access = _accesses[model] = ModelAccess(model)
        return access
