"""A thousand interleavings of cells, clicks, sweeps, readings and closings: none hangs or errs.

In each round three threads begin together: a cell, which closes the way for the worker and does
something with the session; a page, which asks for things and changes them; and a thread of the
user's own. What each does is drawn from a seed, and so are the moments at which they step in.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.engine.cancel import Cancelled
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.errors import ClosedError
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, ROWS
from tests.unit.page import Page
from tests.unit.waiting import in_thread

ROUNDS = 1_000
ROUNDS_A_SESSION = 20
LIMIT_S = 60.0
"""After this long a round is taken to hang."""
SEED = int(os.environ.get("LENS_WIDGETS_SEED", "0"))

HOOKS = ("blocks.1.attn.hook_q", "blocks.0.attn.hook_v", "blocks.1.hook_resid_mid")
PARTS = [f"L{layer}H{head}" for layer in range(2) for head in range(4)]

GRID = {"ablation_kind": "zero", "prompt": None}

Act = Callable[[random.Random, "Stage"], Any]


class Stage:
    """One session, its page and two of its views."""

    def __init__(self) -> None:
        self.session = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
        self.page = Page(self.session)
        self.views = [lw.AttentionView(self.session), lw.AblationPanel(self.session)]
        self.sent: list[str] = []

    def ask(self, method: str, **args: Any) -> None:
        self.sent.append(self.page.send(method, **args))

    def close(self) -> None:
        for view in self.views:
            view.close()
        self.page.dispatcher.close()
        self.session.close()


def _toggle(draw: random.Random, stage: Stage) -> None:
    stage.session.interventions.toggle(draw.choice(PARTS), draw.choice(["zero", "resample"]))


def _frozen(draw: random.Random, stage: Stage) -> None:
    frozen = stage.session.frozen()
    assert frozen.revision <= stage.session.revision
    _ = frozen.current


def _select(draw: random.Random, stage: Stage) -> None:
    stage.session.selection.update(layer=draw.randrange(2), head=draw.randrange(4))


READ: list[Act] = [
    lambda draw, stage: lw.analysis.attribution(stage.session),
    lambda draw, stage: stage.session.run().activation(draw.choice(HOOKS)),
    lambda draw, stage: stage.session.run([lw.Ablate(draw.choice(PARTS))]).last_logits,
    lambda draw, stage: stage.session.corrupted_run().metric,
    lambda draw, stage: lw.analysis.ablation_sweep(stage.session),
    lambda draw, stage: stage.views[0].data(),
    lambda draw, stage: stage.views[1].data(),
    _frozen,
]
CHANGE: list[Act] = [
    _toggle,
    _toggle,
    _select,
    lambda draw, stage: stage.session.interventions.undo(),
    lambda draw, stage: stage.session.interventions.clear(),
]
ASKED = ["attribution/rows", "ablation/predictions"]
PATTERNS = {"prompt": 0, "show": "current", "attention_mode": "pattern"}
ASK: list[Act] = [
    lambda draw, stage: stage.ask(
        "session/set_ablated",
        component=draw.choice(PARTS),
        kind="zero",
        on=draw.random() < 0.5,
    ),
    lambda draw, stage: stage.ask("attribution/rows", **ROWS),
    lambda draw, stage: stage.ask("ablation/predictions", prompt=draw.randrange(2)),
    lambda draw, stage: stage.ask("ablation/grid", **GRID),
    lambda draw, stage: stage.ask("attention/patterns", **PATTERNS),
    lambda draw, stage: stage.page.cancel(draw.choice(ASKED)),
    _select,
]


class Round:
    """One interleaving; its errors are kept, and every thread is waited for."""

    def __init__(self, seed: int, stage: Stage) -> None:
        self._draw = random.Random(seed)
        self._seed, self._stage = seed, stage
        self._errors: list[BaseException] = []
        self._together = threading.Barrier(3)

    def run(self) -> None:
        cell = self._acts([*READ, *CHANGE], 1)
        page = self._acts(ASK, 2)
        other = self._acts([*READ, *CHANGE], 1)
        if self._draw.random() < 0.02:
            other = [(0.0, lambda draw, stage: stage.close(), self._draw)]
        end = time.monotonic() + LIMIT_S
        threads = [
            in_thread(lambda: self._begin(cell, in_cell=True)),
            in_thread(lambda: self._begin(page)),
            in_thread(lambda: self._begin(other)),
        ]
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():
                pytest.fail(f"round {self._seed} hangs:\n{stacks()}")
        if self._errors:
            raise self._errors[0]

    def _acts(self, choice: list[Act], n: int) -> list[tuple[float, Act, random.Random]]:
        return [
            (
                self._draw.choice([0.0, 0.0, 0.0005, 0.002]),
                self._draw.choice(choice),
                random.Random(self._draw.random()),
            )
            for _ in range(n)
        ]

    def _begin(self, acts: list[tuple[float, Act, random.Random]], in_cell: bool = False) -> None:
        self._together.wait(LIMIT_S)
        if in_cell:
            CELL_PAUSE.begin()
        try:
            for moment, act, draw in acts:
                # What is drawn is where the threads meet, not how long anything is waited for.
                time.sleep(moment)
                act(draw, self._stage)
        except (ClosedError, Cancelled):
            pass
        except BaseException as error:
            self._errors.append(error)
        finally:
            if in_cell:
                CELL_PAUSE.end()


def stacks() -> str:
    """Where every thread is."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"--- {names.get(identity)}\n{''.join(traceback.format_stack(frame))}"
        for identity, frame in sys._current_frames().items()
    )


def test_a_thousand_interleavings_neither_hang_nor_err() -> None:
    stage, pages = Stage(), 0
    for number in range(ROUNDS):
        Round(SEED * ROUNDS + number, stage).run()
        if number % ROUNDS_A_SESSION == ROUNDS_A_SESSION - 1 or stage.session.closed:
            _settled(stage)
            pages += len(stage.sent)
            stage = Stage()
    _settled(stage)
    assert pages > ROUNDS


def _settled(stage: Stage) -> None:
    """Every request got its one answer, and the numbers are those of a session of its own."""
    for identity in stage.sent:
        stage.page.answer(identity)
    for message in stage.page.messages:
        if message["kind"] == "error":
            assert message["error"]["type"] in ("Cancelled", "Superseded", "ClosedError"), message
    if not stage.session.closed:
        items = list(stage.session.interventions)
        alone = lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)
        torch.testing.assert_close(stage.session.current, alone.run(items).metric)
    stage.close()
