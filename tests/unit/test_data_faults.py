"""Whatever dies or is wrong in a run over a data set: what was done stays done, and going on ends
in the bits of a run that nothing happened to."""

from __future__ import annotations

import importlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import xarray as xr

import lens_widgets as lw
from lens_widgets.data.ray_actors import Host
from lens_widgets.data.sending import packed
from lens_widgets.data.tasks import Failed, Prepare, Recipe, Wanted
from lens_widgets.errors import InputError
from lens_widgets.models.demo import load_demo
from tests.unit.data_cases import ioi_rows, ioi_run

N = 200
ROWS = ioi_rows(N)
# In other processes nothing of the tests is at hand.
load_ioi = partial(load_demo, "ioi")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> lw.DataRun:
    run = ioi_run(tmp_path_factory.mktemp("undisturbed"), ROWS)
    run.run()
    return run


def check_same_bits(run: lw.DataRun, expected: lw.DataRun) -> None:
    xr.testing.assert_identical(run.per_prompt.load(), expected.per_prompt.load())
    xr.testing.assert_identical(run.summary(), expected.summary())


def _is_worker(process: psutil.Process) -> bool:
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return Host.__name__ in words or "multiprocessing.spawn" in words


class _KillsAWorker:
    """Called with the progress of a run: ends one of its workers in the middle."""

    def __init__(self) -> None:
        self.killed = 0

    def __call__(self, progress: lw.data.Progress) -> None:
        if progress.stage == "compute" and progress.done > N // 4 and not self.killed:
            children = psutil.Process().children(recursive=True)
            workers = [child for child in children if _is_worker(child)]
            workers[0].kill()
            self.killed = workers[0].pid


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_killed_worker_changes_no_bit(
    tmp_path: Path, undisturbed: lw.DataRun, engine: Any
) -> None:
    kills = _KillsAWorker()
    quantities = {"ablation": lw.analysis.ablation_sweep}
    dataset = lw.Dataset.from_records(ROWS)
    run = lw.DataRun(
        load_ioi, dataset, quantities, path=tmp_path, workers=2, engine=engine, progress=kills
    )
    run.run()
    assert kills.killed
    check_same_bits(run, undisturbed)


_KILLED = """
import os, signal, sys
from functools import partial
import lens_widgets as lw
from tests.unit.data_cases import ioi_rows

def killed(progress):
    if progress.stage == {stage!r} and progress.done > {done}:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    lw.DataRun(
        partial(lw.load_demo, "ioi"),
        lw.Dataset.from_records(ioi_rows({n})),
        {{"ablation": lw.analysis.ablation_sweep}},
        path=sys.argv[1], workers={workers}, progress=killed,
    ).run()
"""


@pytest.mark.parametrize(("stage", "done", "workers"), [("read", 100, 1), ("compute", 80, 2)])
def test_a_killed_run_goes_on_to_the_same_bits(
    tmp_path: Path, undisturbed: lw.DataRun, stage: str, done: int, workers: int
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(_KILLED.format(stage=stage, done=done, n=N, workers=workers))
    folder = tmp_path / "run"
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    if stage == "compute":
        assert 0 < lw.data.per_prompt(folder).sizes["record"] < N
    seen: list[lw.data.Progress] = []
    run = ioi_run(folder, ROWS, progress=seen.append)
    run.run()
    if stage == "compute":
        # What was done is not done again.
        assert {p.stage for p in seen} == {"compute"}
        assert seen[0].done > 80
    check_same_bits(run, undisturbed)


def test_an_interrupt_leaves_what_is_done(tmp_path: Path, undisturbed: lw.DataRun) -> None:
    def stop(progress: lw.data.Progress) -> None:
        if progress.stage == "compute" and progress.done > 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ioi_run(tmp_path, ROWS, progress=stop).run()
    partly = lw.data.per_prompt(tmp_path)
    whole = undisturbed.per_prompt.load()
    assert 60 < partly.sizes["record"] < N
    done = whole.isel(record=whole["record"].isin(partly["record"]).values)
    waiting = {"n_waiting": N - partly.sizes["record"]}
    xr.testing.assert_identical(partly.load(), done.assign_attrs(waiting))
    run = ioi_run(tmp_path, ROWS)
    run.run()
    check_same_bits(run, undisturbed)


def test_a_line_that_was_cut_off_never_happened(tmp_path: Path, undisturbed: lw.DataRun) -> None:
    run = ioi_run(tmp_path, ROWS)
    run.run()
    journal = tmp_path / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]) + lines[-2][:5])
    run.run()
    check_same_bits(run, undisturbed)
    assert [json.loads(line) for line in journal.read_bytes().splitlines()] == [
        json.loads(line) for line in lines
    ]


# --- what is wrong ------------------------------------------------------------------------------


@pytest.fixture
def small_files() -> Iterator[None]:
    """A disk on which files of more than a few kilobytes cannot be written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_disk_that_takes_no_more(
    tmp_path: Path, undisturbed: lw.DataRun, request: pytest.FixtureRequest
) -> None:
    def fill(progress: lw.data.Progress) -> None:
        if progress.stage == "compute" and progress.done > 60 and not filled:
            filled.append(True)
            request.getfixturevalue("small_files")

    filled: list[bool] = []
    run = ioi_run(tmp_path, ROWS, progress=fill)
    with pytest.raises(InputError, match=r"cannot be written: .* What was done is kept"):
        run.run()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert 60 < run.per_prompt.sizes["record"] < N
    run.run()
    check_same_bits(run, undisturbed)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            try:
                while True:
                    taken.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=take, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in taken:
            connection.close()


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_a_cluster_that_does_not_answer(tmp_path: Path) -> None:
    for address in (_free_address(), f"ray://{_free_address()}", "nowhere"):
        run = ioi_run(tmp_path, ROWS[:4], engine="ray", address=address)
        with pytest.raises(InputError, match=f"address='{address}' does not answer"):
            run.run()
    run = ioi_run(tmp_path, ROWS[:4], engine="ray", address="auto")
    with pytest.raises(InputError, match="address='auto' cannot be joined"):
        run.run()


def test_something_else_at_the_clusters_address(
    tmp_path: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lens_widgets.data.ray_actors.ANSWER_S", 2.0)
    run = ioi_run(tmp_path, ROWS[:4], engine="ray", address=silent)
    with pytest.raises(InputError, match="does not answer as a Ray cluster does"):
        run.run()


def _no_model() -> Any:
    raise OSError("no weights here")


def _dies() -> Any:
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_recipe_that_fails(tmp_path: Path, workers: int) -> None:
    dataset = lw.Dataset.from_records(ROWS[:4])
    quantities = {"ablation": lw.analysis.ablation_sweep}
    run = lw.DataRun(_no_model, dataset, quantities, path=tmp_path, workers=workers)
    with pytest.raises(InputError, match="make_model fails: OSError: no weights here"):
        run.run()


def test_a_recipe_that_workers_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions of modules go by name; a worker elsewhere may not have the module."""
    module = tmp_path / "only_here.py"
    module.write_text("def make():\n    raise AssertionError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    make_model = importlib.import_module("only_here").make
    module.unlink()
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    dataset = lw.Dataset.from_records(ROWS[:4])
    quantities = {"ablation": lw.analysis.ablation_sweep}
    run = lw.DataRun(make_model, dataset, quantities, path=tmp_path / "run", workers=2)
    words = "cannot be read in a worker: ModuleNotFoundError: No module named 'only_here'"
    with pytest.raises(InputError, match=words):
        run.run()
    # An actor of Ray on another machine says the same.
    recipe = packed(Recipe(make_model, quantities, None, None, 1))
    monkeypatch.delitem(sys.modules, "only_here")
    told = Host(recipe).do(Prepare(0, Wanted(True, True, False), []))
    assert isinstance(told, Failed)
    assert words in told.message


def test_a_recipe_that_cannot_be_sent(tmp_path: Path) -> None:
    lock = threading.Lock()
    quantities = {"own": lambda session: lock}
    dataset = lw.Dataset.from_records(ROWS[:4])
    run = lw.DataRun(load_ioi, dataset, quantities, path=tmp_path, workers=2)
    with pytest.raises(InputError, match="cannot be sent to workers: TypeError: cannot pickle"):
        run.run()


def test_a_recipe_that_takes_its_worker_down(tmp_path: Path) -> None:
    dataset = lw.Dataset.from_records(ROWS[:4])
    quantities = {"ablation": lw.analysis.ablation_sweep}
    run = lw.DataRun(_dies, dataset, quantities, path=tmp_path, workers=2)
    with pytest.raises(InputError, match="Workers died 3 times in a row"):
        run.run()


def test_a_quantity_that_fails_names_its_records(tmp_path: Path) -> None:
    def broken(session: lw.Session) -> Any:
        return 1 / 0

    run = ioi_run(tmp_path, ROWS[:4], quantities={"own": broken})
    with pytest.raises(InputError, match=r"Records 1, 3: quantities\['own'\] fails: ZeroDiv"):
        run.run()


def test_a_folder_goes_on_with_its_own_run_alone(tmp_path: Path) -> None:
    run = ioi_run(tmp_path, ROWS[:6])
    run.run()
    stored = run.per_prompt.load()
    for rows, options, named in (
        (ROWS[1:7], {}, "first_records"),
        (ROWS[:6], {"metric": "prob"}, "metric"),
        (ROWS[:6], {"batch_size": 2}, "batch_size"),
        (ROWS[:6], {"quantities": {"lost": lw.analysis.token_loss}}, "quantities"),
    ):
        with pytest.raises(InputError, match=f"holds a run with {named}="):
            ioi_run(tmp_path, rows, **options).run()
    xr.testing.assert_identical(run.per_prompt.load(), stored)


def test_two_runs_cannot_write_to_one_folder(tmp_path: Path) -> None:
    def other(progress: lw.data.Progress) -> None:
        with pytest.raises(InputError, match="being written by another run"):
            ioi_run(tmp_path, ROWS[:4]).run()

    ioi_run(tmp_path, ROWS[:4], progress=other).run()


def test_another_model_is_noticed(tmp_path: Path) -> None:
    def stop(progress: lw.data.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ioi_run(tmp_path, ROWS[:4], progress=stop).run()
    other = partial(load_demo, "induction")
    quantities = {"ablation": lw.analysis.ablation_sweep}
    run = lw.DataRun(other, lw.Dataset.from_records(ROWS[:4]), quantities, path=tmp_path)
    with pytest.raises(InputError, match="another model than the one"):
        run.run()
