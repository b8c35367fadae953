"""The circuit's view goes by the estimate that agrees best with exact edges, and stays with it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lens_widgets as lw
from lens_widgets.analysis.circuits.edge_scores import EdgeMethod
from lens_widgets.analysis.patching.agreement import Agreement, best_of
from lens_widgets.errors import InputError
from lens_widgets.views import circuit_method
from lens_widgets.views.circuit_method import compared_edges, kept_scores
from lens_widgets.views.registry import METHODS
from tests.models import tiny
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

METHOD_NAMES: tuple[EdgeMethod, ...] = ("eap", "eap-ig", "relp")


@pytest.fixture
def session() -> lw.Session:
    return lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


def _first_step(session: lw.Session) -> Any:
    edges = METHODS["circuit/edges"]
    steps = edges.run(session, edges.check({"edge_method": "best", "circuit_share": None}))
    assert isinstance(steps, Generator)
    return next(steps)


def test_the_best_estimate_correlates_most_with_exact_edges(session: lw.Session) -> None:
    view = lw.CircuitView(session)
    told, said = view.data(), view.ask("agreements")
    scores = {name: lw.analysis.edge_scores(session, name) for name in METHOD_NAMES}
    kept = [kept_scores(session, name)[0].values for name in circuit_method.FIRST]
    pairs = compared_edges(session, [torch.from_numpy(each) for each in kept])
    graph = session.stream.graph
    names = [(graph.writer_names[w], graph.reader_names[r]) for w, r in pairs]
    exact = lw.analysis.edge_sweep(session, names)
    effects = exact.values - exact.attrs["corrupted"]
    found = {
        name: np.corrcoef([each.sel(writer=w, reader=r) for w, r in names], effects)[0, 1]
        for name, each in scores.items()
    }
    np.testing.assert_allclose(said["linear"].values, [found[n] for n in METHOD_NAMES], atol=1e-4)
    assert said.attrs["n_exact"] == len(pairs)
    best = max(found, key=lambda name: found[name])
    assert said.attrs["best"] == told.attrs["method"] == view.ask("curve").attrs["method"] == best
    edge = {"writer": told["writer"].values[0], "reader": told["reader"].values[0]}
    assert float(told["score"][0]) == pytest.approx(float(scores[best].sel(edge)), abs=1e-5)
    assert view.chosen_circuit().edges == (
        lw.CircuitView(session, edge_method=best).chosen_circuit().edges
    )


def test_a_method_that_was_picked_stays(session: lw.Session) -> None:
    view = lw.CircuitView(session, edge_method="eap")
    view.ask("agreements")
    assert view.data().attrs["method"] == view.ask("curve").attrs["method"] == "eap"


def test_work_in_the_view_does_not_change_its_estimate(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = lw.CircuitView(session)
    before = view.data().attrs["method"]
    monkeypatch.setattr(circuit_method, "_compared", lambda session: pytest.fail("compared again"))
    session.interventions.toggle("L0H1")
    session.interventions.add(lw.Cut("embed", "L1H1.v"))
    assert view.data().attrs["method"] == before


def test_what_takes_long_is_begun_with_integrated_gradients(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_method, "SLOW_S", math.inf)
    assert _first_step(session).partial is None
    monkeypatch.setattr(circuit_method, "SLOW_S", 0.0)
    assert _first_step(session).partial.attrs["method"] == "eap-ig"
    # Known from then on: no picture that is replaced by another one.
    lw.CircuitView(session).ask("agreements")
    with pytest.raises(StopIteration):
        _first_step(session)


def test_methods_without_rules_for_a_model_are_left_out(
    session: lw.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = lw.analysis.edge_scores

    def gradients_alone(session: lw.Session, method: Any, **options: Any) -> Any:
        if method != "eap":
            raise InputError(f"no rules for {method}", "")
        return plain(session, method, **options)

    monkeypatch.setattr(f"{circuit_method.__name__}.edge_scores", gradients_alone)
    view = lw.CircuitView(session)
    said = view.ask("agreements")
    assert said.attrs["best"] == view.data().attrs["method"] == "eap"
    assert np.isnan(said["linear"].values).tolist() == [False, True, True]


def test_without_corrupted_prompts_the_view_says_so() -> None:
    view = lw.CircuitView(lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS))
    for name in ("edges", "curve", "agreements"):
        with pytest.raises(InputError, match="has no corrupted prompts"):
            view.ask(name)


def test_too_few_exact_values_tell_nothing() -> None:
    rated = {"a": Agreement(1.0, 0.5, 3), "b": Agreement(0.0, 0.9, 3)}
    assert best_of(rated) == "b"
    assert best_of({"a": Agreement(1.0, 1.0, 2)}) is None
    assert best_of({"a": Agreement(1.0, math.nan, 9), "b": Agreement(1.0, -0.5, 9)}) == "b"


@pytest.mark.parametrize("part_size", [400_000, 1_000])
def test_the_parts_of_the_file_are_what_save_writes(
    session: lw.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_size: int
) -> None:
    monkeypatch.setattr("lens_widgets.views.circuit.PART", part_size)
    view = lw.CircuitView(session, circuit_share=0.1)
    view.chosen_circuit().save(tmp_path / "circuit.json")
    written = (tmp_path / "circuit.json").read_text(encoding="ascii")
    first = view.ask("file", part=0)
    parts = [view.ask("file", part=part) for part in range(first.attrs["parts"])]
    assert "".join(part.attrs["text"] for part in parts) == written
    assert len(parts) == -(-len(written) // part_size)
    digest = hashlib.sha256(written.encode()).hexdigest()
    assert {part.attrs["digest"] for part in parts} == {digest}
    assert lw.Circuit.open(tmp_path / "circuit.json", session).edges == view.chosen_circuit().edges
    other = lw.CircuitView(session, circuit_share=0.5).ask("file", part=0)
    assert other.attrs["digest"] != digest
    with pytest.raises(InputError, match="part=-1 is out of range"):
        view.ask("file", part=-1)
