"""Stores of per-prompt values as a run over a data set leaves them, made without a model."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr

import lens_widgets as lw
from lens_widgets.data.store import ASIDE, DONE, FOLDER, WAITING

Texts = tuple[list[str], list[str], list[list[str]]]

GROUPS = ("ABBA", "BABA")


def values(n: int, n_layers: int, n_heads: int, seed: int = 0) -> xr.DataArray:
    """Effects [record, layer, head]: each group of records about a value of its own, one cell
    unknown for the last record."""
    made = np.random.default_rng(seed).normal(size=(n, n_layers, n_heads)).astype(np.float32)
    made += np.arange(n_heads, dtype=np.float32) * 0.1
    made[1::2] -= 0.5
    if n > 1:
        made[-1, 0, 0] = np.nan
    return xr.DataArray(
        made,
        dims=("record", "layer", "head"),
        attrs={"units": "logits", "definition": "logit difference without the head minus with it"},
    )


def dataset(
    n: int,
    n_layers: int = 2,
    n_heads: int = 4,
    n_neurons: int = 6,
    texts: Texts | None = None,
) -> xr.Dataset:
    """``n`` records of two groups, with a value a head, one a neuron and one a prompt.

    ``texts``: prompts, corrupted prompts and answers; by default in the words of ``tests.models``,
    of two lengths.
    """
    prompts, corrupted, answers = texts or _words(n)
    rng = np.random.default_rng(1)
    neurons = rng.normal(size=(n, n_layers, n_neurons)).astype(np.float32)
    each = {
        "prompt": prompts,
        "corrupted": corrupted,
        "answers": [json.dumps([[right], [wrong]]) for right, wrong in answers],
    }
    return xr.Dataset(
        {
            "ablation": values(n, n_layers, n_heads),
            "activation": (
                ("record", "layer", "neuron"),
                neurons,
                {"units": "activation", "definition": "activation at the last position"},
            ),
            "logit_diff": (
                ("record",),
                rng.normal(size=n).astype(np.float32),
                {"units": "logits", "definition": "correct minus wrong"},
            ),
            **{name: ("record", np.array(found, dtype=object)) for name, found in each.items()},
        },
        coords={
            "record": ("record", np.arange(n, dtype=np.int64) + 3),
            "group": ("record", np.array([GROUPS[i % 2] for i in range(n)], dtype=object)),
        },
    )


def _words(n: int) -> Texts:
    ends = ("w5 w6 w9", "w6 w5 w8 w9")
    prompts, corrupted = (
        [f"w{first + i % 40} {ends[i % 2]}" for i in range(n)] for first in (4, 5)
    )
    return prompts, corrupted, [["w30", "w31"]] * n


def sentences(n: int) -> Texts:
    """Prompts as people have them; one is long, and one would be markup if anything were."""
    found = lw.prompts.ioi(min(n, 60))
    assert found.corrupted is not None
    assert found.answers is not None
    many = [list(map(str, each)) for each in (found.prompts, found.corrupted)]
    prompts, corrupted = ([each[i % len(each)] for i in range(n)] for each in many)
    prompts[1 % n] = "<img src=x onerror=window.hit=1> " + prompts[1 % n]
    prompts[2 % n] = "It was a long day. " * 30 + prompts[2 % n]
    answers = [list(map(str, found.answers[i % len(found.answers)])) for i in range(n)]
    return prompts, corrupted, answers


def write(path: Path, found: xr.Dataset, chunk: int = 256, waiting: int = 0) -> str:
    """Writes results as runs do: some records of one cell's numbers are a chunk. The last
    ``waiting`` records are not done yet; before them is one that was set aside."""
    n = found.sizes["record"]
    state = np.full(n, DONE, dtype=np.int8)
    if waiting:
        state[-waiting:] = WAITING
        state[-waiting - 1] = ASIDE
    written = found.assign(state=("record", state)).reset_coords("group")
    encoding = {
        name: {"chunks": (min(chunk, n) or 1, *(1,) * (variable.ndim - 1))}
        for name, variable in written.variables.items()
    }
    store = path / FOLDER
    written.to_zarr(store, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
    return str(path)


@cache
def small_store(n_layers: int = 2, n_heads: int = 4, n: int = 40) -> str:
    """The path of a store of few records, in a folder that lasts as long as this process."""
    return write(_folder() / f"words{n_layers}x{n_heads}x{n}", dataset(n, n_layers, n_heads))


@cache
def store_of_sentences(n: int = 40, n_layers: int = 4, n_heads: int = 8) -> str:
    """The same with prompts as people have them."""
    found = dataset(n, n_layers, n_heads, 50, sentences(n))
    return write(_folder() / f"sentences{n_layers}x{n_heads}x{n}", found, 4096)


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="stores")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
