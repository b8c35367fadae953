"""Records come from every source alike, one after the other, and what is none is set aside."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xarray as xr

import lens_widgets as lw
from lens_widgets.data.extras import extra
from lens_widgets.data.records import Record, Unusable
from lens_widgets.data.stages import RECORDS_AT_ONCE
from lens_widgets.errors import InputError
from tests.unit.data_cases import ioi_rows, ioi_run, make_ioi

ROWS = [
    {"text": "A B C", "other": "A D C", "yes": " X", "no": " Y", "kind": "first"},
    {"text": "E F", "other": "G F", "yes": " Y", "no": " X", "kind": "second"},
]
COLUMNS = {"text": "prompt", "other": "corrupted", "yes": "correct", "no": "wrong", "kind": "group"}
RECORDS = [
    Record("A B C", (" X",), (" Y",), "A D C", "first"),
    Record("E F", (" Y",), (" X",), "G F", "second"),
]


def _jsonl(folder: Path) -> lw.Dataset:
    path = folder / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in ROWS))
    return lw.Dataset.from_jsonl(path, columns=COLUMNS)


def _parquet(folder: Path) -> lw.Dataset:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "rows.parquet")
    return lw.Dataset.from_parquet(folder / "rows.parquet", columns=COLUMNS)


def _hugging_face(folder: Path) -> lw.Dataset:
    return lw.Dataset.from_hf(datasets.Dataset.from_list(ROWS), columns=COLUMNS)


def _streamed(folder: Path) -> lw.Dataset:
    streamed = datasets.Dataset.from_list(ROWS).to_iterable_dataset()
    return lw.Dataset.from_hf(streamed, columns=COLUMNS)


def _list(folder: Path) -> lw.Dataset:
    return lw.Dataset.from_records(ROWS, columns=COLUMNS)


def _function(folder: Path) -> lw.Dataset:
    return lw.Dataset.from_records(lambda: iter(ROWS), columns=COLUMNS)


@pytest.mark.parametrize("source", [_jsonl, _parquet, _hugging_face, _streamed, _list, _function])
def test_records_are_the_same_from_everywhere(source: Any, tmp_path: Path) -> None:
    dataset = source(tmp_path)
    assert list(dataset) == RECORDS
    assert list(dataset) == RECORDS, "a second time"


def test_records_are_read_when_they_are_needed() -> None:
    def endless() -> Iterator[dict[str, Any]]:
        for number in itertools.count():
            yield {"prompt": f"number {number}"}

    first = list(itertools.islice(lw.Dataset.from_records(endless), 3))
    assert [record.prompt for record in first if isinstance(record, Record)] == [
        "number 0",
        "number 1",
        "number 2",
    ]


@pytest.mark.parametrize(
    ("answers", "correct", "wrong"),
    [
        ([" X", " Y"], (" X",), (" Y",)),
        ([[" X", " Z"], [" Y"]], (" X", " Z"), (" Y",)),
        ([[" X"]], (" X",), ()),
        (" X", (" X",), ()),
        ([3, 4], (3,), (4,)),
        (None, (), ()),
    ],
)
def test_answers_can_be_pairs_lists_or_ids(
    answers: Any, correct: tuple[Any, ...], wrong: tuple[Any, ...]
) -> None:
    (record,) = lw.Dataset.from_records([{"prompt": "A", "answers": answers}])
    assert isinstance(record, Record)
    assert (record.correct, record.wrong) == (correct, wrong)
    texts = (record.prompt, record.answers_json, record.corrupted or "", record.group)
    assert Record.stored(*texts) == record


def test_what_cannot_be_used_is_set_aside_and_counted(tmp_path: Path) -> None:
    rows = ioi_rows(12)
    prompt, pair = rows[0]["prompt"], rows[0]["answers"]
    wrong = {
        2: ({"prompt": prompt}, "no answers"),
        3: ({"prompt": prompt, "answers": ["Bartholomew", " Tom"]}, "answer of several tokens"),
        4: ({"prompt": prompt * 40, "answers": pair}, "too long"),
        5: ({"prompt": prompt, "answers": [99999, 3]}, "unknown token"),
        6: ({"prompt": prompt, "answers": pair[:1]}, "no wrong answers"),
        7: ({"answers": pair}, "no prompt"),
        8: ({"prompt": 5}, "not text"),
        9: ({"prompt": prompt, "answers": [1.5, 2]}, "no answers"),
    }
    lines = [json.dumps(wrong[i][0] if i in wrong else row) for i, row in enumerate(rows)]
    lines[10] = '{"prompt": "cut o'
    reasons = {**{i: reason for i, (_, reason) in wrong.items()}, 10: "broken line"}
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    dataset = lw.Dataset.from_jsonl(path)
    ablation = {"ablation": lw.analysis.ablation_sweep}
    run = lw.DataRun(make_ioi, dataset, ablation, path=tmp_path / "run")
    run.run()
    assert {one.record: one.reason for one in run.set_aside} == reasons
    assert run.set_aside.counts["no answers"] == 2
    assert len(run.set_aside) == 9
    assert all(f"ecord {one.record}" in one.message for one in run.set_aside)
    assert run.per_prompt["record"].values.tolist() == [0, 1, 11]


def test_pairs_of_unequal_lengths_are_set_aside(tmp_path: Path) -> None:
    rows = [{**row, "corrupted": row["prompt"]} for row in ioi_rows(3)]
    rows[1]["corrupted"] += " the"
    run = ioi_run(tmp_path, rows)
    run.run()
    assert run.set_aside.counts == {"pair of unequal lengths": 1}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"answers": ["Bartholomew", " Tom"]}, r"Record 4: answers\[0\]='Bartholomew' is"),
        ({"answers": None}, "Record 4 has no answers"),
        ({"answers": [99999, 3]}, r"Record 4: answers\[0\] is token id 99999"),
        ({"prompt": 5}, "Record 4: prompt=5 is no text"),
        ("{", "Record 4, line 5 of .*, is no JSON"),
    ],
)
def test_a_run_can_end_at_the_first_record_that_cannot_be_used(
    tmp_path: Path, broken: Any, words: str
) -> None:
    rows = ioi_rows(6)
    lines = list(map(json.dumps, rows))
    lines[4] = broken if isinstance(broken, str) else json.dumps({**rows[4], **broken})
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    dataset = lw.Dataset.from_jsonl(path)
    again = {"again": _metric}
    run = lw.DataRun(make_ioi, dataset, again, path=tmp_path / "run", on_unusable="raise")
    with pytest.raises(InputError, match=words):
        run.run()


def test_what_was_read_before_a_record_that_ends_the_run_is_kept(tmp_path: Path) -> None:
    rows = ioi_rows(RECORDS_AT_ONCE + 4)
    broken = [*rows[:-1], {"prompt": rows[-1]["prompt"]}]
    options: Any = {"quantities": {"again": _metric}, "on_unusable": "raise"}
    with pytest.raises(InputError, match=f"Record {len(rows) - 1} has no answers"):
        ioi_run(tmp_path, broken, **options).run()
    seen: list[lw.data.Progress] = []
    run = ioi_run(tmp_path, rows, progress=seen.append, **options)
    run.run()
    # Only the chunk that it is in is read again.
    assert [(p.stage, p.done) for p in seen if p.stage == "read"] == [("read", len(rows))]
    assert run.per_prompt["record"].values.tolist() == list(range(len(rows)))


def _metric(session: lw.Session) -> xr.DataArray:
    return xr.DataArray(session.baseline.numpy(), dims=("prompt",))


def test_a_record_that_a_session_asks_about_is_set_aside(tmp_path: Path) -> None:
    rows = ioi_rows(6)
    # Without its space the name is a token, too, and hardly ever follows.
    rows[2]["answers"] = [name.strip() for name in rows[2]["answers"]]
    run = ioi_run(tmp_path, rows)
    run.run()
    (aside,) = run.set_aside
    assert aside.record == 2
    assert "did you mean" in aside.message
    assert run.per_prompt["record"].values.tolist() == [0, 1, 3, 4, 5]


def test_no_record_that_can_be_used(tmp_path: Path) -> None:
    rows = [{"prompt": row["prompt"]} for row in ioi_rows(3)]
    with pytest.raises(InputError, match="none of its 3 records can be used"):
        ioi_run(tmp_path, rows).run()
    ioi_run(tmp_path / "loss", rows, metric="loss").run()
    dataset = lw.Dataset.from_records([{"a": 1}, {"b": 2}], columns={"sentence": "prompt"})
    loss = {"loss": lw.analysis.token_loss}
    run = lw.DataRun(make_ioi, dataset, loss, path=tmp_path / "none")
    with pytest.raises(InputError, match=r"none of the first 2 records .* no 'sentence'"):
        run.run()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda path: lw.Dataset.from_jsonl(path / "none.jsonl"), "path="),
        (lambda path: lw.Dataset.from_parquet(path / "rows.jsonl"), "cannot be read as parquet"),
        (lambda path: lw.Dataset.from_records("A B"), "records='A B'"),
        (lambda path: lw.Dataset.from_records([], columns={"a": "promt"}), "columns"),
        (lambda path: lw.Dataset.from_records([], columns={"a": "group", "b": "group"}), "twice"),
        (lambda path: lw.Dataset.from_hf({"train": []}), "splits 'train'"),
        (lambda path: lw.Dataset.from_hf([]), "no data set of the package"),
        (lambda path: ioi_run(path, [], quantities={}), "quantities="),
        (lambda path: ioi_run(path, [], quantities={"metric": print}), "'metric'"),
        (lambda path: ioi_run(path, [], workers=0), "workers=0"),
        (lambda path: ioi_run(path, [], engine="dask"), "engine='dask'"),
        (lambda path: ioi_run(path, [], metric="accuracy"), "metric='accuracy'"),
        (lambda path: lw.DataRun.open(path / "none"), "holds no run"),
        (lambda path: lw.data.per_prompt(path), "no stored values"),
    ],
)
def test_wrong_arguments_are_named(make: Any, named: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    with pytest.raises(InputError, match=named):
        make(tmp_path)


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(
        InputError, match=r'zarr is needed to .* pip install "lens_widgets\[data\]"'
    ):
        extra("zarr", "store values")


def test_nothing_is_imported_before_it_is_used() -> None:
    code = "import lens_widgets as lw, sys; lw.DataRun; lw.Dataset; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(printed.stdout.split())
    assert "lens_widgets.data.run" in loaded, printed.stderr
    assert not loaded & {"zarr", "ray"}


def test_a_record_set_aside_says_what_it_is() -> None:
    (one,) = lw.Dataset.from_records([7])
    assert isinstance(one, Unusable)
    assert one.reason == "broken record"
    assert "It is 7, not a mapping" in one.message
