"""Per-prompt values of a store: cells by name, records sorted and filtered, histograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lens_widgets.analysis.stored.cells import cells_of, means_by_cell, quantities_of
from lens_widgets.analysis.stored.examples import chosen_rows, histogram, round_edges
from lens_widgets.errors import InputError
from lens_widgets.views.data_store import opened
from tests.stores import dataset, values, write


def test_quantities_are_what_has_a_number_a_record() -> None:
    found = dataset(4)
    assert quantities_of(found) == ["ablation", "activation", "logit_diff"]
    found["metric"] = found["z"] = found["logit_diff"]
    assert quantities_of(found)[2:] == ["logit_diff", "z", "metric"]


def test_cells_have_the_fields_names_and_are_found_by_them() -> None:
    found = dataset(4, 2, 4, 6)
    heads, neurons = cells_of(found["ablation"]), cells_of(found["activation"])
    assert [heads.name((0, 0)), heads.name((1, 3)), neurons.name((1, 5))] == [
        "L0H0",
        "L1H3",
        "L1N5",
    ]
    assert [heads.parse("L1H3"), neurons.parse("L1N5")] == [(1, 3), (1, 5)]
    assert cells_of(found["logit_diff"]).parse("") == ()
    for wrong in ("L2H0", "L0H4", "L1N3", "", "L1H3, L0H0", "L1H" + "9" * 20):
        with pytest.raises(InputError, match="the first is 'L0H0'"):
            heads.parse(wrong)


def test_other_cells_are_named_by_their_places() -> None:
    array = xr.DataArray(
        np.zeros((3, 2, 2, 2)),
        dims=("record", "position", "layer", "head"),
        coords={"position": ["end", "S2"], "layer": [3, 5]},
    )
    cells = cells_of(array)
    assert cells.name((1, 0, 1)) == "S2, layer 3, head 1"
    assert cells.parse("end, layer 5, head 0") == (0, 1, 0)
    assert cells.of_head(5, 1) == {1: 1, 2: 1}
    assert cells.of_head(4, 1) is None


@pytest.mark.parametrize("n", [1, 1023, 1024, 2100])
def test_means_by_cell_are_those_of_all_records(n: int) -> None:
    array = values(n, 2, 3)
    *_, found = means_by_cell(array)
    wide = array.values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found.mean, np.nanmean(wide, axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.size, np.nanmean(np.abs(wide), axis=0), rtol=1e-12)
    assert (found.done, found.total) == (n, n)
    largest = np.unravel_index(np.nanmean(np.abs(wide), axis=0).argmax(), (2, 3))
    assert found.largest() == tuple(map(int, largest))
    assert found.largest({0: 1}) == (1, int(np.nanmean(np.abs(wide), axis=0)[1].argmax()))


def _chosen(**given: object) -> list[int]:
    known = {
        "record": np.array([5, 1, 9, 7]),
        "group": ["b", "a", "b", "a"],
        "value": np.array([2.0, np.nan, -3.0, 2.0], dtype=np.float32),
        "sort_by": "value",
        "descending": True,
    }
    return chosen_rows(**(known | given)).tolist()  # type: ignore[arg-type]


def test_equal_values_stay_in_the_order_of_records_and_unknown_ones_are_last() -> None:
    assert _chosen() == [0, 3, 2, 1]
    assert _chosen(descending=False) == [2, 0, 3, 1]
    assert _chosen(sort_by="record", descending=False) == [1, 0, 3, 2]
    assert _chosen(sort_by="record") == [2, 3, 0, 1]
    assert _chosen(sort_by="group", descending=False) == [1, 3, 0, 2]
    assert _chosen(sort_by="group") == [0, 2, 1, 3]


def test_filters_leave_what_passes_all_of_them() -> None:
    assert _chosen(groups=["a"]) == [3, 1]
    assert _chosen(groups=["nobody's"]) == []
    assert _chosen(at_least=2.0) == [0, 3]
    assert _chosen(below=2.0) == [2]
    assert _chosen(matching=np.array([True, True, False, False])) == [0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_every_value_is_in_the_bar_that_says_so(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-8, 9)
    value = (rng.normal(rng.normal() * 3, 1, size=300) * scale).astype(np.float32)
    value[:20] = np.round(value[:20] / scale, 1) * scale
    group = [("x", "y", "z")[i % 3] for i in range(300)]
    counted = histogram(value, group)
    edges = counted.edge
    assert edges.dtype == np.float32
    assert (np.diff(edges) > 0).all()
    assert len(edges) <= 44
    for which, name in enumerate(counted.group):
        mine = value[[g == name for g in group]]
        for low, high, n in zip(edges[:-1], edges[1:], counted.count[which], strict=True):
            assert n == ((mine >= low) & (mine < high)).sum()
        assert counted.n[which] == len(mine) == counted.count[which].sum()
        np.testing.assert_allclose(counted.mean[which], mine.astype(np.float64).mean())
        np.testing.assert_allclose(
            counted.sem[which], mine.astype(np.float64).std(ddof=1) / len(mine) ** 0.5
        )


def test_edges_are_round_and_zero_is_one() -> None:
    edges = round_edges(-1.0, 1.5, 30)
    np.testing.assert_allclose(np.diff(edges), 0.1, rtol=1e-5)
    assert 0 in edges
    assert round_edges(3.0, 3.0, 30)[0] <= 3.0 < round_edges(3.0, 3.0, 30)[-1]
    assert len(round_edges(0.0, 0.0, 30)) >= 2


def test_a_histogram_needs_a_number() -> None:
    with pytest.raises(InputError, match="Not one record has a number"):
        histogram(np.array([np.nan], dtype=np.float32), ["a"])


def test_only_the_chunks_of_the_cell_are_read(tmp_path: Path) -> None:
    """Whatever is asked of one head must not touch what holds the others."""
    found = dataset(600, 2, 4)
    path = write(tmp_path / "store", found)
    chunks = [p for p in (tmp_path / "store/values.zarr/ablation/c").rglob("*") if p.is_file()]
    assert len(chunks) == 3 * 2 * 4
    for chunk in chunks:
        if chunk.parts[-2:] != ("1", "2"):
            chunk.write_bytes(b"not a chunk")
    stored = opened(path)
    quantity = stored.quantity("ablation")
    np.testing.assert_array_equal(stored.values(quantity, (1, 2)), found["ablation"][:, 1, 2])
    with pytest.raises(RuntimeError):
        stored.values(quantity, (0, 0))


def test_a_run_that_goes_on_shows_what_is_done_and_grows(tmp_path: Path) -> None:
    found = dataset(30)
    path = write(tmp_path / "store", found, waiting=10)
    before = opened(path)
    assert (before.n_records, before.expected) == (19, 29)
    assert before.record.tolist() == found["record"].values[:19].tolist()
    assert opened(path) is before
    write(tmp_path / "store", found)
    after = opened(path)
    assert (before.n_records, after.n_records, after.expected) == (19, 30, None)


def test_chunks_that_hold_all_cells_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = dataset(20)
    found["ablation"].encoding = {}
    path = str(tmp_path / "store")
    whole = found.assign(state=("record", np.ones(20, dtype=np.int8))).reset_coords("group")
    whole.to_zarr(Path(path) / "values.zarr", zarr_format=3, consolidated=False)
    stored = opened(path)
    quantity = stored.quantity("ablation")
    stored.values(quantity, (0, 1))
    for chunk in (tmp_path / "store/values.zarr/ablation/c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"not a chunk")
    np.testing.assert_array_equal(stored.values(quantity, (1, 2)), found["ablation"][:, 1, 2])


@pytest.mark.parametrize("path", ["nowhere", "https://example.com/store", ""])
def test_what_is_no_folder_of_results_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results"):
        opened(path or str(tmp_path / "x"))
    (tmp_path / "empty/values.zarr").mkdir(parents=True)
    with pytest.raises(InputError, match=r"has no records yet|no results that can be read"):
        opened(str(tmp_path / "empty"))
