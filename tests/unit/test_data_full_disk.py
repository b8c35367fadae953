"""A disk that is full at any of the writes of a run."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from zarr.storage import _local

import lens_widgets as lw
from lens_widgets.data.journal import Journal
from lens_widgets.errors import InputError
from tests.models import native


class _Disk:
    """Takes so many more writes; then it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = sys.maxsize
        self.written = 0
        self._lock = threading.Lock()
        for owner, name in ((_local, "_put"), (Journal, "add"), (Path, "write_text")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                if self.written >= self.left:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self.written += 1
            return write(*args, **kwargs)

        return counted


def test_a_disk_that_is_full_at_whatever_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There are many runs: of a small model, and two records by themselves.
    model = native(n_layers=1, n_heads=2)
    rows = [{"prompt": f"w{i} w6", "answers": ["w8"]} for i in (4, 5)]

    def run(path: Path) -> lw.DataRun:
        return lw.DataRun(
            lambda: model,
            lw.Dataset.from_records(rows),
            {"signed": _signed},
            path=path,
            batch_size=1,
            metric="prob",
            resamples=0,
        )

    disk = _Disk(monkeypatch)
    undisturbed = run(tmp_path / "undisturbed")
    undisturbed.run()
    whole = undisturbed.per_prompt.load()
    for n in range(disk.written):
        folder = tmp_path / str(n)
        disk.left = disk.written + n
        with pytest.raises(InputError, match=r"No space left on device\. What was done is kept"):
            run(folder).run()
        with suppress(InputError):
            # It can be read, or has no record yet; nothing else is raised.
            partly = lw.data.per_prompt(folder).load()
            done = whole.isel(record=whole["record"].isin(partly["record"]).values)
            for name in partly.data_vars:
                np.testing.assert_array_equal(partly[name], done[name], err_msg=str(name))
        disk.left = sys.maxsize
        run(folder).run()
        xr.testing.assert_identical(lw.data.per_prompt(folder).load(), whole)


def _signed(session: lw.Session) -> xr.DataArray:
    """With labels that are texts and labels that are numbers."""
    values = session.baseline.numpy()[:, None, None] * np.array([[1.0], [-1.0]])
    labels = {"sign": ["as it is", "turned"], "column": [7]}
    return xr.DataArray(values, dims=("prompt", "sign", "column"), coords=labels)
