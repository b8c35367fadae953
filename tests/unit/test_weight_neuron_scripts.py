"""Scripts of weight circuits, composition and neurons give the numbers of ``lw.analysis``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lens_widgets as lw
from lens_widgets.analysis.neurons.neuron_script import neuron_script, strongest_script
from lens_widgets.analysis.weights.circuit_choice import choose_circuit
from lens_widgets.analysis.weights.circuit_script import circuit_script, composition_script
from lens_widgets.errors import InputError
from tests.models import tiny
from tests.unit.cases import PROMPTS
from tests.unit.scripts import MODELS, edited, execute

ROWS, COLUMNS = [5, 3, 40, 12], [7, 0, 31]
WITH_NEURONS = [name for name in MODELS if name != "attn_only"]


@pytest.mark.parametrize("kind", ["OV", "QK", "positions", "K", "Q", "V"])
@pytest.mark.parametrize("name", [*MODELS, "granite", "opt", "falcon"])
def test_tiles_are_those_of_the_circuits(name: str, kind: Any) -> None:
    session = edited(name)
    rows = [index % 10 for index in ROWS] if kind == "positions" else ROWS
    options: dict[str, Any] = {"writer": "L0H2", "rows": rows, "columns": COLUMNS[:2]}
    if kind == "positions" and not session.facts.has_pos_embed:
        with pytest.raises(InputError, match="no W_pos"):
            circuit_script(session, kind, "L1H3", **options)
        return
    left = execute(session, circuit_script(session, kind, "L1H3", **options))
    ours = choose_circuit(session.model, kind, "L1H3", "L0H2").tile(rows, COLUMNS[:2])
    np.testing.assert_allclose(left["tile"], ours, atol=1e-5)


@pytest.mark.parametrize("kind", ["Q", "K", "V"])
@pytest.mark.parametrize("name", [*MODELS, "granite", "falcon"])
def test_composition_scores_are_those_of_analysis(name: str, kind: Any) -> None:
    session = edited(name)
    left = execute(session, composition_script(kind))
    ours = lw.analysis.composition_scores(session, kind)
    np.testing.assert_allclose(left["scores"], ours, atol=1e-5)
    assert float(left["baseline"]) == pytest.approx(ours.attrs["baseline"], rel=1e-5)
    plain = execute(session, composition_script(kind, baseline=False))["scores"]
    expected = lw.analysis.composition_scores(session, kind, baseline=False)
    np.testing.assert_allclose(plain, expected, atol=1e-5)


@pytest.mark.parametrize("name", WITH_NEURONS)
def test_a_neuron_is_that_of_neuron_activations_and_top_tokens(name: str) -> None:
    session = edited(name)
    left = execute(session, neuron_script(session, 1, 17, k=3))
    for prompt, length in enumerate(session.prompt_set.lengths.tolist()):
        ours = lw.analysis.neuron_activations(session, 1, 17, prompt=prompt)
        np.testing.assert_allclose(left["activations"][prompt, :length], ours[:, 0, 0], atol=1e-5)
        assert left["activations"][prompt, length:].isnan().all()
    table = lw.analysis.top_tokens(session, 1, 17, k=3)
    for end in ("highest", "lowest"):
        row = table.sel(end=end)
        values, prompts, places, _ = zip(*left[end], strict=True)
        np.testing.assert_allclose(values, row, atol=1e-5)
        # Which of equal ones comes first is not told, and both prompts begin alike.
        for value, prompt, pos, token in left[end]:
            assert float(left["activations"][prompt, pos]) == value
            assert int(session.tokens[prompt, pos]) == token
        assert len(set(zip(prompts, places, strict=True))) == 3
    changed = execute(session, neuron_script(session, 1, 17, "difference"))["activations"]
    before = lw.analysis.neuron_activations(session.with_interventions([]), 1, 17, prompt=0)
    now = lw.analysis.neuron_activations(session, 1, 17, prompt=0)
    np.testing.assert_allclose(changed[0], (now - before)[:, 0, 0], atol=1e-5)


@pytest.mark.parametrize("which", ["current", "baseline", "difference"])
@pytest.mark.parametrize("name", WITH_NEURONS)
def test_the_strongest_neurons_of_a_position_are_found(name: str, which: Any) -> None:
    session = edited(name)
    left = execute(session, strongest_script(session, 2, which, prompt=1, k=4))
    plain = lw.analysis.neuron_activations(session.with_interventions([]), prompt=1)
    now = lw.analysis.neuron_activations(session, prompt=1)
    ranked = plain if which == "baseline" else now
    sizes = abs(ranked.sel(pos=2)).values
    order = np.argsort(-sizes, axis=None)[:4]
    assert left["strongest"] == [tuple(map(int, np.unravel_index(i, sizes.shape))) for i in order]
    shown = {"current": now, "baseline": plain, "difference": now - plain}[which]
    for row, (layer, neuron) in zip(left["activations"], left["strongest"], strict=True):
        np.testing.assert_allclose(row, shown.sel(layer=layer, neuron=neuron), atol=1e-5)


def test_bad_input_is_named() -> None:
    session = lw.Session(tiny("gpt2"), PROMPTS)
    chosen: dict[str, Any] = {"rows": [1], "columns": [2]}
    with pytest.raises(InputError, match="rows=60 is out of range"):
        circuit_script(session, "OV", "L1H0", rows=[60], columns=[0])
    with pytest.raises(InputError, match="needs two heads"):
        circuit_script(session, "K", "L1H0", **chosen)
    with pytest.raises(InputError, match="does not come before"):
        circuit_script(session, "K", "L1H0", "L1H1", **chosen)
    with pytest.raises(InputError, match="kind='k'"):
        composition_script("k")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="has no MLP"):
        neuron_script(lw.Session(tiny("attn_only"), PROMPTS), 0, 0)
    with pytest.raises(InputError, match="neuron=128 is not a neuron"):
        neuron_script(session, 0, 128)
    with pytest.raises(InputError, match="k=0"):
        strongest_script(session, 0, k=0)
    with pytest.raises(InputError, match="pos=7 is out of range"):
        strongest_script(session, 7)
