"""A session in a file: a zip with a manifest in JSON and one ``.npy`` for each array.

Nothing in it is ever run: arrays are read without pickles, interventions are made from names and
numbers by their own constructors. The model is not in the file; a fingerprint of it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import xarray as xr

from lens_widgets.engine.model import TransformerModel
from lens_widgets.errors import InputError
from lens_widgets.interventions.base import Intervention, intervention_kind
from lens_widgets.interventions.history import Entries, Entry
from lens_widgets.prompts.prompt_set import PromptSet, saved_prompt_set
from lens_widgets.prompts.rows import Rows
from lens_widgets.prompts.span import Span
from lens_widgets.session.archive import Archive, pack_results, unpack_results
from lens_widgets.session.fingerprint import check_fingerprint, fingerprint
from lens_widgets.session.measured import MeasuredModel
from lens_widgets.session.selection import FIELDS

T = TypeVar("T")

FORMAT, VERSION = "lens_widgets session", 5
TOLERANCE = {"float32": 1e-3, "float64": 1e-3}
"""Of saved and recomputed metrics, relative to 1 + their size; other dtypes are coarser."""
COARSE = 5e-2

_ARRAY = "array"
"""The one key of what stands in the manifest for an array of an intervention."""


@dataclass(frozen=True)
class SavedMetric:
    """What was measured. ``requested`` is what was asked for: a name, None for the answers' own, or
    ``"function"``, of which the file has the name alone. ``baseline`` and ``current`` have one
    value a prompt."""

    name: str
    requested: str | None
    baseline: list[float]
    current: list[float]

    @classmethod
    def of(cls, now: MeasuredModel) -> SavedMetric:
        """That of a session as it is now."""
        requested = now.requested_metric
        kept = "function" if callable(requested) else requested
        return cls(now.metric.name, kept, now.baseline.tolist(), now.current.tolist())


@dataclass(frozen=True)
class SavedSession:
    """All that a file keeps of a session."""

    prompts: PromptSet
    prepend_bos: bool | None
    metric: SavedMetric
    entries: Entries
    undo: list[Entries]
    redo: list[Entries]
    selection: dict[str, Any]
    settings: dict[str, Any]
    results: Mapping[str, xr.DataArray | xr.Dataset]


def write_session(
    path: str | os.PathLike[str], saved: SavedSession, model: TransformerModel
) -> None:
    """Writes ``saved`` to ``path``, at once and whole; ``model`` is the one it was measured on."""
    archive = Archive()
    archive.write(Path(path), _manifest(saved, model, archive))


def read_session(path: str | os.PathLike[str], model: TransformerModel) -> SavedSession:
    """What the file at ``path`` keeps, checked as far as that needs no run of the model.

    InputError for a damaged file and for another model than it was saved with.
    """
    path = Path(path)
    try:
        return _read(path, model)
    except (OSError, InputError):
        raise
    except Exception as error:
        # Bytes can be wrong in more ways than zip, JSON and numpy have exceptions for.
        raise InputError(
            f"{path} is damaged: {type(error).__name__}: {error}",
            "Use another copy, or save the session again.",
        ) from error


def metric_to_use(path: str | os.PathLike[str], saved: SavedMetric, metric: Any) -> Any:
    """What a session is to measure: as saved, or the function ``metric`` where that was one."""
    if saved.requested != "function":
        if metric is not None:
            raise InputError(
                f"metric: {path} measures {saved.name!r} and needs no metric=.",
                "Open it without, then call session.set_prompts(..., metric=...).",
            )
        return saved.requested
    if not callable(metric):
        raise InputError(
            f"{path} measures the function {saved.name!r}, and files hold no functions.",
            f"Pass it: lw.Session.open(path, model, metric={saved.name}).",
        )
    return metric


def check_values(
    path: str | os.PathLike[str],
    saved: SavedMetric,
    which: str,
    values: torch.Tensor,
    dtype: str,
) -> None:
    """InputError when ``values`` [prompt] are not the ``"baseline"`` or ``"current"`` metric that
    was saved, up to what a model of that dtype can be off."""
    tolerance = TOLERANCE.get(dtype, COARSE)
    for index, (old, new) in enumerate(zip(getattr(saved, which), values.tolist(), strict=True)):
        same = abs(new - old) <= tolerance * (1 + abs(old)) or (old != old and new != new)
        if not same:
            cause = "the model" if saved.requested != "function" else "the model or metric="
            raise InputError(
                f"{path}: the {which} metric of prompt {index} was {old:.6g} and is {new:.6g} now.",
                f"Something differs from when it was saved: {cause}.",
            )


# --- writing ------------------------------------------------------------------------------------


def _manifest(saved: SavedSession, model: TransformerModel, archive: Archive) -> dict[str, Any]:
    prompts, metric = saved.prompts, saved.metric
    answers = prompts.answers
    table: list[Intervention] = []
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_by": {
            name: version(name) for name in ("lens_widgets", "transformer_lens", "torch")
        },
        "model": fingerprint(model),
        "prompts": {
            "tokens": prompts.rows(),
            "texts": list(prompts.texts),
            "added": list(prompts.added),
            "template": prompts.template,
            "notes": list(prompts.notes),
            "spans": [[span.name, span.places] for span in prompts.spans],
            # A list of correct and one of wrong ids for each prompt.
            "answers": None
            if answers is None
            else list(zip(answers.correct, answers.wrong, strict=True)),
            "corrupted_tokens": None
            if prompts.corrupted_tokens is None
            else prompts.rows(corrupted=True),
            "corrupted_texts": prompts.corrupted_texts,
            "prepend_bos": saved.prepend_bos,
        },
        "metric": {
            "name": metric.name,
            "requested": metric.requested,
            "baseline": metric.baseline,
            "current": metric.current,
        },
        "history": {
            "entries": _entries(saved.entries, table),
            "undo": [_entries(state, table) for state in saved.undo],
            "redo": [_entries(state, table) for state in saved.redo],
        },
        # Last, when every entry has put its intervention into the table.
        "interventions": [_described(item, archive) for item in table],
        "selection": saved.selection,
        "settings": saved.settings,
        "results": pack_results(saved.results, archive),
    }


def _entries(entries: Entries, table: list[Intervention]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for entry in entries:
        if entry.intervention not in table:
            table.append(entry.intervention)
        rows.append([entry.key, table.index(entry.intervention), entry.enabled])
    return rows


def _described(item: Intervention, archive: Archive) -> dict[str, Any]:
    kind = type(item).__name__
    if intervention_kind(kind) is not type(item):
        raise InputError(
            f"interventions has a {kind}, and another class of that name was defined since.",
            "Remove it, and add one of the newer class.",
        )
    return {
        "type": kind,
        "fields": {
            name: _packed(kind, name, value, archive) for name, value in item.saved().items()
        },
    }


def _packed(kind: str, name: str, value: Any, archive: Archive) -> Any:
    if isinstance(value, np.ndarray):
        return {_ARRAY: archive.add(value, f"{kind}.{name}")}
    if isinstance(value, tuple):
        return [_packed(kind, name, part, archive) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InputError(
        f"{kind}.{name} is a {type(value).__name__}, which a file cannot hold.",
        "Numbers, text, tuples of them and numpy arrays can be saved; see Intervention.saved.",
    )


# --- reading ------------------------------------------------------------------------------------


def _read(path: Path, model: TransformerModel) -> SavedSession:
    archive, manifest = Archive.read(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} holds no session.", "Files of session.save(path) do.")
    if manifest.get("version") != VERSION:
        raise InputError(
            f"{path} has version {manifest.get('version')!r} of the format; this lens_widgets "
            f"reads version {VERSION}.",
            f"It was written with {manifest.get('written_by')!r}.",
        )
    check_fingerprint(path, manifest["model"], model)
    saved, metric = manifest["prompts"], manifest["metric"]
    prompts = _prompts(saved, model)
    table = [_intervention(item, archive) for item in manifest["interventions"]]
    history = manifest["history"]
    return SavedSession(
        prompts=prompts,
        prepend_bos=_optional(bool, saved["prepend_bos"]),
        metric=SavedMetric(
            metric["name"],
            _optional(str, metric["requested"]),
            _measured("baseline", metric["baseline"], prompts.n_prompts),
            _measured("current", metric["current"], prompts.n_prompts),
        ),
        entries=_entries_of(history["entries"], table),
        undo=[_entries_of(state, table) for state in history["undo"]],
        redo=[_entries_of(state, table) for state in history["redo"]],
        settings=dict(manifest["settings"]),
        selection={
            name: _optional(str if name == "stripe" else int, manifest["selection"][name])
            for name in FIELDS
        },
        results=unpack_results(manifest["results"], archive),
    )


def _prompts(saved: dict[str, Any], model: TransformerModel) -> PromptSet:
    texts, corrupted = saved["texts"], saved["corrupted_texts"]
    added, notes = _all(int, saved["added"]), _all(str, saved["notes"])
    others = None
    if corrupted is not None:
        others = Rows(saved["corrupted_tokens"], _all(str, corrupted), added)
    template = tuple(None if row is None else _all(int, row) for row in saved["template"])
    rows = Rows(saved["tokens"], _all(str, texts), added, notes, template)
    spans = tuple(_span(*span) for span in saved["spans"])
    return saved_prompt_set(model, rows, answers=saved["answers"], corrupted=others, spans=spans)


def _span(name: str, rows: list[list[int]]) -> Span:
    span = Span.from_saved(("span", name, tuple(_all(int, row) for row in rows)))
    assert span is not None
    return span


def _all(kind: type[T], values: list[T]) -> tuple[T, ...]:
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise TypeError(f"{values!r} is no list of {kind.__name__}")
    return tuple(values)


def _optional(kind: type, value: Any) -> Any:
    if value is None or type(value) is kind:
        return value
    raise TypeError(f"{value!r} is not {kind.__name__}")


def _measured(which: str, values: list[float], n_prompts: int) -> list[float]:
    if not all(isinstance(x, float) for x in values):
        raise TypeError(f"{which} holds something else than numbers")
    if len(values) != n_prompts:
        raise ValueError(f"{which} has {len(values)} values")
    return values


def _intervention(saved: dict[str, Any], archive: Archive) -> Intervention:
    if set(saved) != {"type", "fields"}:
        raise ValueError(f"an intervention of {sorted(saved)}")
    values = {name: _unpacked(value, archive) for name, value in saved["fields"].items()}
    return intervention_kind(saved["type"]).from_saved(values)


def _unpacked(value: Any, archive: Archive) -> Any:
    if isinstance(value, dict):
        return archive.get(value[_ARRAY])
    if isinstance(value, list):
        return tuple(_unpacked(part, archive) for part in value)
    return value


def _entries_of(saved: list[list[Any]], table: list[Intervention]) -> Entries:
    return tuple(_entry(row, table) for row in saved)


def _entry(row: list[Any], table: list[Intervention]) -> Entry:
    key, index, enabled = row
    if not (isinstance(key, str) and key[:1] == "i" and key[1:].isdecimal()):
        raise ValueError(f"key {key!r}")
    if not isinstance(enabled, bool) or not isinstance(index, int) or index < 0:
        raise ValueError(f"entry {row!r}")
    return Entry(key, table[index], enabled)
