"""After each cell a session looks whether its model is still the one that its numbers are of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import traitlets

from lens_widgets.engine.cancel import Cancelled
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.engine.locks import StateLock
from lens_widgets.engine.worker import Job
from lens_widgets.errors import InputError, ModelChangedError, TrainingModeError
from lens_widgets.interventions.observed import Observed
from lens_widgets.session.parts import PartedRuns
from lens_widgets.session.runs import PromptRuns

log = logging.getLogger(__name__)


class NoticesChanges(Observed):
    """Numbers on screen are of the model as it was: whoever changes it in a cell is told without a
    click, and nothing is computed for that but the model's own sums."""

    closed = traitlets.Bool(False, read_only=True)
    outdated = traitlets.Instance(InputError, allow_none=True, read_only=True)
    """What was done to the model since its numbers were computed; None while they stand."""

    lock: StateLock
    _runs: PromptRuns | PartedRuns

    def watch_model(self) -> None:
        """From here on ``outdated`` tells, after each cell, whether the model was changed."""
        CELL_PAUSE.watch(self)

    def cell_ended(self) -> None:
        """Has the model's worker look at the model, once no cell runs."""
        if not self.closed:
            self._look()

    def _look(self, *, later: bool = False) -> None:
        """Looks at the model in its worker: next, or in the first rest."""
        runs = self._runs

        def told(error: BaseException | None) -> None:
            if isinstance(error, Cancelled):
                return
            if error is not None and not isinstance(error, (ModelChangedError, TrainingModeError)):
                log.info("the model could not be looked at after a cell: %s", error)
                return
            with self.lock:
                # Looked at for a state that is over: what is on screen now is of another model.
                if self._runs is runs and str(error) != str(self.outdated):
                    self.set_trait("outdated", error)

        look = partial(runs.access.look, anew=later)
        runs.access.worker.submit(Job((id(self), "look"), look, told, told, later=later))

    # --- work of views ----------------------------------------------------------------------

    def submit(
        self,
        key: tuple[Any, ...],
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None],
        on_wait: Callable[[bool], None] | None = None,
        *,
        later: bool = False,
    ) -> None:
        """Queues ``work`` of views on the model's worker; the newest of each ``key`` wins.

        ``done`` is told its result, ``failed`` its exception, ``on_wait`` whether it waits for the
        running cell. ``later``: nobody waits for it (see ``Job``). In the rest that follows the
        model is looked at, as threads and callbacks of a user's may have changed it.
        """
        job = Job((id(self), *key), work, done, failed, on_wait, later)
        self._runs.access.worker.submit(job)
        self._look(later=True)

    def cancel(self, key: tuple[Any, ...]) -> None:
        """Stops the queued or running work of views whose key begins with ``key``."""
        wanted = (id(self), *key)
        self._runs.access.worker.cancel(
            lambda other: isinstance(other, tuple) and other[: len(wanted)] == wanted
        )
