"""DataView: what is stored, shown and opened; the store is the reference."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import lens_widgets as lw
from lens_widgets.errors import InputError
from lens_widgets.views.registry import METHODS
from tests.models import tiny
from tests.stores import dataset, write
from tests.unit.cases import ANSWERS, CORRUPTED, PROMPTS

N = 40


@pytest.fixture
def session() -> lw.Session:
    return lw.Session(tiny("gpt2"), PROMPTS, answers=ANSWERS, corrupted=CORRUPTED)


@pytest.fixture
def stored() -> xr.Dataset:
    return dataset(N)


@pytest.fixture
def path(stored: xr.Dataset, tmp_path: Path) -> str:
    return write(tmp_path / "store", stored)


def test_the_table_has_the_stored_values_of_the_selected_head(
    session: lw.Session, stored: xr.Dataset, path: str
) -> None:
    view = lw.DataView(session, path=path)
    for layer, head in ((1, 2), (0, 3)):
        session.selection.update(layer=layer, head=head)
        table = view.rows(count=None)
        assert table.attrs["cell"] == f"L{layer}H{head}"
        assert table.attrs["followed"]
        expected = stored["ablation"][:, layer, head].to_series()
        assert table["value"].values.tolist() == sorted(expected, reverse=True)
        by_record = dict(zip(stored["record"].values.tolist(), expected, strict=True))
        for record, value in zip(table["record"].values, table["value"].values, strict=True):
            assert by_record[int(record)] == value
    assert table.attrs["units"] == "logits"
    assert table["answers"].values[0] == "w30, not w31"
    view.close()


def test_a_cell_that_is_named_does_not_follow(session: lw.Session, path: str) -> None:
    view = lw.DataView(session, path=path, cell="L1H0")
    session.selection.update(layer=0, head=2)
    assert view.rows(count=None).attrs["cell"] == "L1H0"
    assert not view.rows(count=None).attrs["followed"]
    view.close()


def test_without_heads_it_opens_on_the_largest_mean_magnitude(
    session: lw.Session, stored: xr.Dataset, path: str
) -> None:
    view = lw.DataView(session, path=path, quantity="activation")
    sizes = np.abs(stored["activation"].values.astype(np.float64)).mean(axis=0)
    layer, neuron = np.unravel_index(sizes.argmax(), sizes.shape)
    assert view.rows(count=None).attrs["cell"] == f"L{layer}N{neuron}"
    view.quantity = "logit_diff"
    assert view.rows(count=None).attrs["cell"] == ""
    view.close()


def test_windows_are_parts_of_the_whole_table(session: lw.Session, path: str) -> None:
    view = lw.DataView(session, path=path, sort_by="group", descending=False, groups=["BABA"])
    whole = view.rows(count=None)
    assert whole.attrs["n_found"] == N // 2 == whole.sizes["row"]
    assert set(whole["group"].values) == {"BABA"}
    assert view.data().identical(view.rows(count=20))
    parts = [view.ask("rows", first=first, count=7) for first in (0, 7, 14)]
    joined = np.concatenate([part["record"].values for part in parts])
    assert joined.tolist() == whole["record"].values.tolist()
    assert view.ask("rows", first=1000).sizes["row"] == 0
    view.close()


def test_a_bar_and_the_table_agree(session: lw.Session, path: str) -> None:
    view = lw.DataView(session, path=path)
    bars = view.ask("bars")
    edges, counts = bars["edge"].values.tolist(), bars["count"].values
    for at in np.flatnonzero(counts.sum(axis=0)).tolist():
        view.at_least, view.below = edges[at], edges[at + 1]
        found = view.rows(count=None)
        assert found.attrs["n_found"] == counts[:, at].sum()
        for name, count in zip(bars["group"].values, counts[:, at], strict=True):
            assert (found["group"].values == name).sum() == count
    view.close()


def test_groups_have_their_means_and_errors(
    session: lw.Session, stored: xr.Dataset, path: str
) -> None:
    session.selection.update(layer=1, head=1)
    view = lw.DataView(session, path=path)
    bars, values = view.ask("bars"), stored["ablation"][:, 1, 1]
    for at, name in enumerate(("ABBA", "BABA")):
        mine = torch.tensor(values[stored["group"] == name].values, dtype=torch.float64)
        assert bars["n"].values[at] == len(mine)
        assert bars["mean"].values[at] == pytest.approx(float(mine.mean()), rel=1e-6)
        error = float(mine.std()) / len(mine) ** 0.5
        assert bars["sem"].values[at] == pytest.approx(error, rel=1e-6)
    assert bars.attrs["n_all"] == N
    assert sum(trace.y.sum() for trace in view.figure().data) == N
    view.close()


def test_what_has_no_number_is_last_and_counted(session: lw.Session, path: str) -> None:
    view = lw.DataView(session, path=path, cell="L0H0")
    for descending in (True, False):
        view.descending = descending
        unknown = np.isnan(view.rows(count=None)["value"].values).tolist()
        assert unknown == [False] * (N - 1) + [True]
    assert view.ask("bars").attrs["n_missing"] == 1
    view.close()


def test_means_by_cell_are_a_map_or_of_many_the_strongest(
    session: lw.Session, stored: xr.Dataset, path: str, tmp_path: Path
) -> None:
    view = lw.DataView(session, path=path)
    means = view.ask("means")
    truth = np.nanmean(stored["ablation"].values.astype(np.float64), axis=0)
    np.testing.assert_allclose(means["mean"].values, truth, rtol=1e-6)
    assert means["row"].values.tolist() == ["L0", "L1"]
    assert means["column"].values.tolist() == ["H0", "H1", "H2", "H3"]
    view.close()
    large = write(tmp_path / "large", dataset(5, n_neurons=3000))
    view = lw.DataView(session, path=large, quantity="activation")
    means = view.ask("means")
    assert "mean" not in means
    assert len(means["strongest"]) == 12
    assert means["strongest"].values[0] == view.rows(count=None).attrs["cell"]
    view.close()


def test_prompts_are_found_by_their_text(session: lw.Session, path: str) -> None:
    view = lw.DataView(session, path=path, find="W5 W8")
    found = view.rows(count=None)
    assert found.attrs["n_found"] == N // 2
    assert all("w5 w8" in text for text in found["prompt"].values)
    view.find = "<script>"
    assert view.rows(count=None).attrs["n_found"] == 0
    view.close()


def _open(session: lw.Session, path: str, record: int) -> None:
    METHODS["data/open_record"].answer(session, {"path": path, "record": record})


def test_a_record_is_opened_in_the_session_and_undo_takes_it_back(
    session: lw.Session, stored: xr.Dataset, path: str
) -> None:
    before, baseline = session.prompt_set, session.baseline.clone()
    view = lw.DataView(session, path=path)
    assert view.rows(count=None)["open"].values.sum() == 0
    session.interventions.add(lw.Ablate("L0H1"))
    _open(session, path, 8)
    row = stored.isel(record=5)
    texts = (row["prompt"].item(), row["corrupted"].item())
    assert session.prompt_set.texts == texts[:1]
    assert session.prompt_set.corrupted_texts == texts[1:]
    assert session.prompt_set.answer_tokens is not None
    assert session.prompt_set.answer_tokens.tolist() == [[30, 31]]
    direct = lw.Session(session.model, [texts[0]], answers=("w30", "w31"))
    torch.testing.assert_close(session.baseline, direct.baseline)
    opened = view.rows(count=None)
    assert opened["record"].values[opened["open"].values == 1].tolist() == [8]
    assert session.interventions.undoes == view.state["undoes"] == "the opening of record 8"
    session.interventions.undo()
    assert session.prompt_set is before
    assert view.state["redoes"] == "the opening of record 8" != view.state["undoes"]
    torch.testing.assert_close(session.baseline, baseline)
    session.interventions.redo()
    assert session.prompt_set.texts == texts[:1]
    view.close()


def test_a_record_that_cannot_be_opened_leaves_all_as_it_was(
    session: lw.Session, stored: xr.Dataset, tmp_path: Path
) -> None:
    stored["answers"][2] = '[["w30 w31"], ["w5"]]'
    path = write(tmp_path / "other", stored)
    before, revision = session.prompt_set, session.revision
    for record, words in ((5, "answers"), (99, "record=99 is not stored")):
        with pytest.raises(InputError, match=words):
            _open(session, path, record)
    assert (session.prompt_set, session.revision) == (before, revision)
    assert session.interventions.undoes is None


def test_code_prints_the_top_examples_without_the_package(
    session: lw.Session, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session.selection.update(layer=1, head=3)
    view = lw.DataView(session, path=path, descending=False)
    table, code = view.rows(count=None), view.ask("code").attrs["code"]
    assert "lens_widgets" not in code
    scope: dict[str, Any] = {}
    exec(code, scope)
    lines = capsys.readouterr().out.splitlines()[-25:]
    shown = zip(table["value"].values, table["prompt"].values, strict=True)
    assert lines == [f"{value:+.4f} {text}" for value, text in list(shown)[:25]]
    view.close()


def test_a_run_or_a_path_object_is_taken_for_its_folder(session: lw.Session, path: str) -> None:
    class Run:
        def __init__(self) -> None:
            self.path = Path(path)

    given: Any
    for given in (Path(path), Run()):
        view = lw.DataView(session, path=given)
        assert view.path == path
        view.close()
    with pytest.raises(InputError, match="path"):
        lw.DataView(session, path=3)  # type: ignore[arg-type]


def test_what_is_missing_is_said_with_what_to_do(session: lw.Session, path: str) -> None:
    empty = lw.DataView(session)
    assert list(empty.opening()) == ["data/metric"]
    for ask in (empty.data, empty.figure):
        with pytest.raises(InputError, match=r"no results are chosen.*lw\.DataRun"):
            ask()
    empty.close()
    view = lw.DataView(session, path=path, quantity="directions")
    with pytest.raises(InputError, match=r"'directions' is not stored.*ablation.*DataRun"):
        view.rows(count=None)
    view.close()


def test_a_page_does_not_choose_what_is_read(session: lw.Session, path: str) -> None:
    view = lw.DataView(session, path=path)
    view.set_state({"path": "/etc"})
    assert view.path == path
    view.close()


def test_what_a_run_stores_is_shown_and_opens(tmp_path: Path) -> None:
    """The values on screen are those that a session of the record alone computes."""
    prompts, answers = lw.prompts.ioi_prompts(6)
    records = [
        {"prompt": text, "answers": pair, "group": text.split()[0]}
        for text, pair in zip(prompts, answers, strict=True)
    ]
    run = lw.DataRun(
        partial(lw.load_demo, "ioi"),
        lw.Dataset.from_records(records),
        {"ablation": lw.analysis.ablation_sweep},
        path=tmp_path / "run",
    )
    run.run()
    session = lw.Session(lw.load_demo("ioi"), prompts[0], answers=[answers[0]])
    session.selection.update(layer=1, head=4)
    view = lw.DataView(session, path=run)  # type: ignore[arg-type]
    table = view.data()
    assert table.attrs["cell"] == "L1H4"
    assert table.attrs["n_records"] == len(records)
    for record, value, text in zip(
        table["record"].values, table["value"].values, table["prompt"].values, strict=True
    ):
        assert text == prompts[int(record)]
        alone = lw.Session(session.model, text, answers=[answers[int(record)]])
        sweep = lw.analysis.ablation_sweep(alone).sel(layer=1, head=4)
        assert value == pytest.approx(float(sweep), abs=1e-4)
    _open(session, str(run.path), 3)
    assert session.prompt_set.texts == (prompts[3],)
    view.close()
