"""What belongs to a model rather than to a session: its lock, its worker, who may run now."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from lens_widgets.engine import current
from lens_widgets.engine.cancel import CancelToken
from lens_widgets.engine.cell_pause import CELL_PAUSE, Preempted
from lens_widgets.engine.forward import Check
from lens_widgets.engine.model import TransformerModel
from lens_widgets.engine.probe import ModelFacts, probe
from lens_widgets.engine.weights import Weights
from lens_widgets.engine.worker import Worker
from lens_widgets.errors import InputError

T = TypeVar("T")

_accesses: weakref.WeakKeyDictionary[Any, ModelAccess] = weakref.WeakKeyDictionary()
_accesses_lock = threading.Lock()


class ModelAccess:
    """All access to one model goes through here, so that two forwards never overlap.

    TransformerBridge is not safe against two forwards at once: they see each other's hooks.
    """

    def __init__(self, model: TransformerModel) -> None:
        self._model = weakref.ref(model)
        self.lock = threading.RLock()
        self.worker = Worker("lens_widgets worker", CELL_PAUSE.wake)
        self._facts: ModelFacts | None = None
        self._expected: ModelFacts | None = None
        self._weights: Weights | None = None

    def bound(self, facts: ModelFacts) -> ModelAccess:
        """This handle for one session: it refuses to run a model that is no longer ``facts``.

        Lock and worker are shared. Numbers of before and after a move or a cast must not be mixed.
        """
        handle = copy.copy(self)
        handle._facts = handle._expected = facts
        handle._weights = Weights(self.model)
        return handle

    def check_weights(self) -> None:
        """InputError when the weights are no longer those that this session's runs were made of.

        A model that was moved or cast is refused where it would be run: what it gave stays true.
        """
        model, expected, weights = self.model, self._expected, self._weights
        if model is None or expected is None or weights is None or not expected.fit(model):
            return
        if not weights.same(model):
            raise InputError(
                "The model's weights were changed since this session ran it.",
                "Call session.refresh() to compute everything with the new ones.",
            )

    def _present(self) -> Any:
        """The model, as it was when the session was made; InputError if it is not."""
        model = self.model
        if model is None:
            raise InputError("The model is gone.", "Load it again and make a new lw.Session.")
        if self._expected is not None:
            changes = self._expected.changes(model)
            if changes:
                raise InputError(
                    f"The model was changed since this session was made: {', '.join(changes)}.",
                    "Change it back, or call session.refresh().",
                )
            self.check_weights()
            if model.training:
                raise InputError(
                    "The model was put into training mode: dropout would make numbers random.",
                    "Call model.eval().",
                )
        return model

    @property
    def model(self) -> Any:
        return self._model()

    def slice(self, work: Callable[[TransformerModel, Check | None], T]) -> T:
        """Runs ``work(model, check)`` under the lock, for whoever runs now: a cell, or the worker.

        ``work`` calls ``check`` between blocks. In the worker a slice waits while a cell runs, and
        is run again from its start when a cell begins meanwhile.
        """
        token = current.token()
        if token is None or not current.gated():
            with self.lock:
                return self._alone(work, None if token is None else token.check)

        def check() -> None:
            token.check()
            if CELL_PAUSE.closed:
                raise Preempted

        while True:
            waits = CELL_PAUSE.closed
            if waits:
                current.waiting(True)
            if not CELL_PAUSE.enter(lambda: token.cancelled):
                token.check()
            try:
                if waits:
                    current.waiting(False)
                with self.lock:
                    return self._alone(work, check)
            except Preempted:
                continue
            finally:
                CELL_PAUSE.leave()

    def _alone(self, work: Callable[[TransformerModel, Check | None], T], check: Check | None) -> T:
        model = self._present()
        try:
            return work(model, check)
        finally:
            # TransformerLens keeps the pattern that each block made last and never reads it: after
            # a sweep, or at 1,024 tokens, hundreds of MB.
            for block in model.blocks:
                attention = getattr(block, "attn", None)
                if attention is not None and getattr(attention, "_pattern", None) is not None:
                    attention._pattern = None

    def facts(self) -> ModelFacts:
        """What the model is; probed once, and again when it was moved, cast or processed."""
        with self.lock:
            if self._facts is None or not self._facts.fit(self.model):
                self._facts = probe(self.model)
            return self._facts

    def run_inline(self, work: Callable[[], T]) -> T:
        """Runs ``work`` for a caller that waits, such as a cell, and returns its result.

        It runs in a thread of its own: an interrupt then reaches the waiting cell and not the
        forward, which is asked to stop at its next block and so leaves no hook on the model.
        """
        if current.token() is not None:
            return work()
        token = CancelToken()
        outcome: dict[str, Any] = {}
        go, finished = threading.Event(), threading.Event()

        def body() -> None:
            go.wait()
            try:
                token.check()
                with current.working(token, gated=False):
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


def access_for(model: TransformerModel) -> ModelAccess:
    """The one handle of ``model``."""
    with _accesses_lock:
        handle = _accesses.get(model)
        if handle is None:
            handle = _accesses[model] = ModelAccess(model)
        return handle
