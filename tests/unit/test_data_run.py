"""A run over a data set stores what one session gives, and its means are those of these values."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import lens_widgets as lw
from lens_widgets.data.partition import batches, n_batches
from lens_widgets.data.quantities import described
from lens_widgets.data.replica import COLLECT_EVERY
from lens_widgets.errors import InputError
from tests.unit.data_cases import ioi_rows, ioi_run, make_ioi

N = 48


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> lw.DataRun:
    run = ioi_run(tmp_path_factory.mktemp("run"), ioi_rows(N))
    run.run()
    return run


@pytest.fixture(scope="module")
def one_session() -> lw.Session:
    rows = ioi_rows(N)
    answers = [tuple(row["answers"]) for row in rows]
    return lw.Session(make_ioi(), [row["prompt"] for row in rows], answers=answers)


# --- values -------------------------------------------------------------------------------------


def test_each_record_has_what_one_session_over_all_gives(
    finished: lw.DataRun, one_session: lw.Session
) -> None:
    stored = finished.per_prompt
    expected = lw.analysis.ablation_sweep(one_session, per_prompt=True)
    assert stored["ablation"].dims == ("record", "layer", "head")
    np.testing.assert_allclose(stored["ablation"], expected, atol=1e-4)
    np.testing.assert_allclose(stored["metric"], one_session.baseline, atol=1e-4)
    assert stored["ablation"].attrs == {
        "units": "logits",
        "metric": "logit_diff",
        "definition": "metric after zero ablation minus before",
    }


def test_records_are_stored_with_their_texts(finished: lw.DataRun) -> None:
    stored, rows = finished.per_prompt, ioi_rows(N)
    assert stored["record"].values.tolist() == list(range(N))
    assert stored["record"].dtype == np.int64
    assert stored["prompt"].values.tolist() == [row["prompt"] for row in rows]
    assert stored["group"].values.tolist() == [row["group"] for row in rows]
    answers = [json.loads(text) for text in stored["answers"].values]
    assert answers == [[[row["answers"][0]], [row["answers"][1]]] for row in rows]
    assert set(stored["corrupted"].values) == {""}
    assert {"record", "group"} <= set(stored.coords)


def test_values_are_read_when_they_are_used(finished: lw.DataRun) -> None:
    assert not finished.per_prompt["ablation"].variable._in_memory


def test_a_stored_run_is_opened_without_a_model(finished: lw.DataRun) -> None:
    opened = lw.DataRun.open(finished._path)
    xr.testing.assert_identical(opened.per_prompt.load(), finished.per_prompt.load())
    xr.testing.assert_identical(opened.summary(), finished.summary())
    with pytest.raises(InputError, match="without a model"):
        opened.run()


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (
            partial(lw.analysis.patch_sweep, node="resid_pre", by_pos=True),
            lambda session, i: lw.analysis.patch_sweep(
                session, "resid_pre", by_pos=True, per_prompt=True
            )[i],
        ),
        (
            partial(lw.analysis.attention_patterns, which="baseline"),
            lambda session, i: lw.analysis.attention_patterns(session, "baseline", i),
        ),
        (lambda session: session.baseline, lambda session, i: session.baseline[i]),
        (lw.analysis.token_loss, lambda session, i: lw.analysis.token_loss(session)[i]),
    ],
    ids=["by position", "of one prompt", "a tensor", "by token"],
)
def test_quantities_of_prompts_of_several_lengths(
    tmp_path: Path, quantity: Any, expected: Callable[[lw.Session, int], Any]
) -> None:
    rows = _pairs()
    quantities = {"quantity": quantity}
    run = ioi_run(tmp_path, rows, quantities=quantities, batch_size=3, resamples=0)
    run.run()
    stored = run.per_prompt["quantity"]
    for i, row in enumerate(rows):
        session = lw.Session(
            make_ioi(), row["prompt"], answers=tuple(row["answers"]), corrupted=row["corrupted"]
        )
        alone = np.asarray(expected(session, 0))
        found = stored[i].values
        inside = tuple(slice(0, n) for n in alone.shape)
        np.testing.assert_allclose(found[inside], alone, atol=1e-4)
        # A place that a shorter prompt does not have is empty.
        assert np.isnan(found).sum() == found.size - alone.size + np.isnan(alone).sum()


def _pairs() -> list[dict[str, Any]]:
    short = lw.prompts.IOI
    rows = [
        {"prompt": text, "answers": list(pair), "corrupted": other}
        for text, pair, other in zip(
            short.prompts, short.answers or (), short.corrupted or (), strict=True
        )
    ]
    return [
        {**row, "prompt": f"Then, {row['prompt']}", "corrupted": f"Then, {row['corrupted']}"}
        if i in (1, 4)
        else row
        for i, row in enumerate(rows[:6])
    ]


# --- means --------------------------------------------------------------------------------------


def test_means_and_errors_are_those_of_the_stored_values(finished: lw.DataRun) -> None:
    means, stored = finished.summary(), finished.per_prompt
    values = stored["ablation"].values.astype(float)
    np.testing.assert_allclose(means["ablation"], values.mean(0), rtol=1e-6)
    error = values.std(0, ddof=1) / np.sqrt(N)
    np.testing.assert_allclose(means["ablation_sem"], error, rtol=1e-6)
    assert (means["ablation_n"] == N).all()
    for group in ("ABBA", "BABA"):
        own = values[stored["group"].values == group]
        mean = means["ablation_by_group"].sel(group=group)
        np.testing.assert_allclose(mean, own.mean(0), rtol=1e-6)
        error = own.std(0, ddof=1) / np.sqrt(len(own))
        found = means["ablation_by_group_sem"].sel(group=group)
        np.testing.assert_allclose(found, error, rtol=1e-6)
    assert means["ablation"].attrs["units"] == "logits"


def test_intervals_are_those_of_resampled_records(finished: lw.DataRun) -> None:
    means = lw.DataRun.open(finished._path, resamples=4000).summary()
    values = finished.per_prompt["ablation"].values.astype(float)
    # The same method, drawn record by record with all in memory.
    drawn = np.random.default_rng(1).integers(0, N, (4000, N))
    resampled = np.stack([values[chosen].mean(0) for chosen in drawn])
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    spread = resampled.std(0)
    assert (abs(means["ablation_low"] - low) < 0.25 * spread).all()
    assert (abs(means["ablation_high"] - high) < 0.25 * spread).all()
    assert (means["ablation_low"] < means["ablation"]).all()


# --- how records are divided --------------------------------------------------------------------


def test_batches_have_one_length_each_and_every_row_once() -> None:
    lengths = np.array([5, 9, 5, 5, 9, 7, 5])
    found = list(batches(lengths, 2))
    assert found == [(0, [1, 4]), (1, [5]), (2, [0, 2]), (3, [3, 6])]
    assert n_batches(lengths, 2) == 4
    many = np.random.default_rng(0).integers(4, 9, 3000)
    own = list(batches(many, None))
    assert sorted(row for _, rows in own for row in rows) == list(range(3000))
    assert all(len({*many[rows]}) == 1 and many[rows].sum() <= 1024 for _, rows in own)
    assert n_batches(many, None) == len(own)


def test_a_prompts_numbers_may_not_depend_on_those_beside_it(tmp_path: Path) -> None:
    mean = partial(lw.analysis.ablation_sweep, kind="mean")
    run = ioi_run(tmp_path, ioi_rows(8), quantities={"ablation": mean})
    with pytest.raises(InputError, match="depends on the prompts beside it"):
        run.run()


def test_what_is_said_of_a_batch_is_not_said_of_a_data_set(tmp_path: Path) -> None:
    stream = partial(lw.analysis.patch_sweep, node="resid_pre")
    run = ioi_run(tmp_path, _pairs(), quantities={"stream": stream}, resamples=0)
    attrs = run.run()["stream"].attrs
    assert attrs["units"] == "logits"
    assert attrs["estimate"] is False
    assert not {"clean", "corrupted", "before"} & attrs.keys()


def test_functions_are_told_apart_by_what_they_do() -> None:
    assert described(lw.analysis.ablation_sweep) == (
        "lens_widgets.analysis.ablation.ablation.ablation_sweep"
    )
    first = described(lambda session: session.baseline)
    assert first != described(lambda session: session.current)
    assert described(partial(make_ioi, kind=1)) != described(partial(make_ioi, kind=2))


def test_torchs_threads_are_put_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    ioi_run(tmp_path, ioi_rows(2), threads=2).run()
    assert torch.get_num_threads() == before


def test_sessions_of_batches_do_not_pile_up(tmp_path: Path) -> None:
    alive: weakref.WeakSet[lw.Session] = weakref.WeakSet()
    counts: list[int] = []

    def counted(session: lw.Session) -> torch.Tensor:
        alive.add(session)
        counts.append(len(alive))
        return session.baseline

    gc.collect()
    gc.disable()
    try:
        rows = ioi_rows(2 * COLLECT_EVERY + 1)
        ioi_run(tmp_path, rows, quantities={"own": counted}, batch_size=1).run()
    finally:
        gc.enable()
    assert len(counts) == len(rows)
    assert max(counts) <= COLLECT_EVERY
