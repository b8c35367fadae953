"""What unit tests share: a small session, and a check that nothing is left on the models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import transformers

from lens_widgets.engine import locks
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.interventions.ablate import Ablate
from lens_widgets.session import Session
from tests.models import forget, leftovers, tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS, attention_only


@pytest.fixture(scope="session", autouse=True)
def _quiet_and_small() -> None:
    # The models are so small that a second thread only costs time.
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()


@pytest.fixture(autouse=True)
def _models_are_left_clean() -> Iterator[None]:
    """No hook of ours outlives the test that needed it, no lock was taken out of order, and no cell
    runs any more."""
    forget()
    locks.violations.clear()
    # Sessions of other tests that nobody has collected yet.
    CELL_PAUSE._watchers.clear()
    yield
    CELL_PAUSE.end()
    assert leftovers() == {}
    assert locks.violations == []


@pytest.fixture
def session() -> Session:
    """A tiny GPT-2 on two prompts of different lengths, with answers and corrupted prompts."""
    return Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


@pytest.fixture(scope="module")
def wide() -> Session:
    """32 layers of 32 heads on 64 tokens: 4 million weights."""
    session = attention_only(32, 32, 64)
    session.interventions.add(Ablate("embed", positions=1))
    return session


@pytest.fixture(scope="module")
def long() -> Session:
    """512 tokens: a pattern of a quarter of a million weights."""
    session = attention_only(1, 2, 512)
    session.interventions.add(Ablate("embed", positions=1))
    return session
