"""How often a model is looked at: before whatever is kept, and no more often than it must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import lens_widgets as lw
from lens_widgets.analysis.weights.circuit_choice import choose_circuit
from lens_widgets.engine import access, current, structure, watch, weights
from lens_widgets.engine.cancel import Cancelled, CancelToken
from lens_widgets.engine.cell_pause import CELL_PAUSE
from lens_widgets.errors import InputError
from tests.models import fresh
from tests.unit.changed_models import in_a_cell, session_of
from tests.unit.page import Page


@pytest.fixture(autouse=True)
def _no_cell_is_left() -> Iterator[None]:
    yield
    CELL_PAUSE.end()


@pytest.mark.parametrize("kind", ["run", "circuit"])
def test_what_a_thread_writes_between_a_views_answers_is_in_none_that_is_kept(kind: str) -> None:
    model = fresh("gpt2")
    session = session_of(model)
    in_a_cell(lambda: None)

    def answered(head: str) -> Any:
        """As the answer to a view's question, of which each is work of its own."""
        with current.working(CancelToken(), waits_for_cells=True):
            if kind == "run":
                return session.run([lw.Ablate(head)]).metric
            return choose_circuit(model, "OV", head).get_corner(8)

    kept = answered("L0H0")
    weight = model.blocks[1].attn.o.original_component.weight.data
    before = weight.clone()
    weight[8:16] *= 2
    if kind == "run":
        with pytest.raises(InputError, match="weights were changed"):
            answered("L1H1")
    else:
        doubled = answered("L1H1")
    in_a_cell(lambda: weight.copy_(before))
    torch.testing.assert_close(answered("L0H0"), kept)
    if kind == "circuit":
        torch.testing.assert_close(answered("L1H1") * 2, doubled)


def _readings(monkeypatch: pytest.MonkeyPatch, model: Any) -> list[int]:
    """A number more whenever the weights of ``model`` are read; other tests' may be, in a rest."""
    read: list[int] = []
    sums, own = weights.WeightSums, {id(parameter) for parameter in model.parameters()}

    def counted(tensors: Any, *args: Any) -> Any:
        if any(id(tensor) in own for _, tensor in tensors):
            read.append(1)
        return sums(tensors, *args)

    monkeypatch.setattr(watch, "WeightSums", counted)
    return read


def test_the_weights_are_read_once_a_call_and_once_after_a_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = fresh("llama")
    session = session_of(model)
    read = _readings(monkeypatch, model)
    session.run([lw.Ablate("L0H1")])
    assert len(read) == 1, "one call of the user, however many turns it takes"
    in_a_cell(lambda: None)
    monkeypatch.setattr(watch, "WEIGHTS_STAND_S", 1e9)
    read.clear()
    with current.working(CancelToken(), waits_for_cells=True):
        for head in range(3):
            session.run([lw.Ablate(f"L1H{head}")])
    assert len(read) == 1, "nobody wrote between a view's requests"


def test_a_sweep_reads_the_weights_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fresh("llama")
    session = session_of(model)
    session.run([lw.Ablate("L0H0")])
    read = _readings(monkeypatch, model)
    lw.analysis.ablation_sweep(session)
    assert len(read) == 1


def test_hooks_and_modules_are_looked_at_once_for_all_that_a_click_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = fresh("llama")
    session = session_of(model)
    page = Page(session)
    in_a_cell(lambda: None)
    page.dataset("session/metric")
    looked: list[int] = []
    read = structure.read_structure

    def counted(one: Any) -> Any:
        if one is model:
            looked.append(1)
        return read(one)

    monkeypatch.setattr(watch, "read_structure", counted)
    monkeypatch.setattr(access, "STRUCTURE_STANDS_S", 1e9)
    page.ablate("L0H1")
    for _ in range(3):
        page.dataset("session/metric")
        page.dataset("ablation/predictions", prompt=0)
    assert len(looked) <= 1
    looked.clear()
    monkeypatch.setattr(access, "STRUCTURE_STANDS_S", 0.0)
    page.dataset("session/metric")
    page.ablate("L0H2")
    page.dataset("session/metric")
    assert looked, "the look is old, and something is run"
    monkeypatch.setattr(access, "STRUCTURE_STANDS_S", 1e9)
    looked.clear()
    in_a_cell(lambda: None)
    page.dataset("session/metric")
    assert looked, "a cell has run since"


def test_large_weights_are_read_by_several_threads_and_a_stop_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tensors = [(f"w{i}", torch.randn(1000 + i, 7)) for i in range(50)]
    alone = weights.WeightSums(tensors)
    monkeypatch.setattr(weights, "LARGE_BYTES", 0)
    assert weights.WeightSums(tensors).sums == alone.sums

    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        weights.WeightSums(tensors, check)
    assert len(checks) == 3
