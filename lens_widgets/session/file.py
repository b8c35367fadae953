"""A session in a file: a zip with a manifest in JSON and one ``.npy`` for each array.

Nothing in it is ever run: arrays are read without pickles, interventions are made from names and
numbers by their own constructors. The model is not in the file; a fingerprint of it is.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lens_widgets.errors import InputError
from lens_widgets.interventions.ablate import Ablate
from lens_widgets.interventions.base import Intervention
from lens_widgets.interventions.list import Entries, Entry
from lens_widgets.interventions.patch import Patch
from lens_widgets.interventions.steer import Steer
from lens_widgets.prompts.prompt_set import PromptSet, saved_prompt_set
from lens_widgets.session.archive import Archive, pack_results, unpack_results
from lens_widgets.session.selection import FIELDS
from lens_widgets.session.session import Session

FORMAT, VERSION = "lens_widgets session", 1
TOLERANCE = {"float32": 1e-3, "float64": 1e-3}
"""Of saved and recomputed metrics, relative to 1 + their size; other dtypes are coarser."""
COARSE = 5e-2

_KINDS: dict[str, type[Intervention]] = {"Ablate": Ablate, "Patch": Patch, "Steer": Steer}
_STRUCTURE = ("n_layers", "n_heads", "d_model", "d_vocab", "n_ctx")
_SAMPLES = 4


def save(session: Session, path: str | os.PathLike[str]) -> None:
    """Writes ``session`` to ``path``, at once and whole; see ``Session.save``."""
    session.check_open()
    archive = Archive()
    with session.lock:
        manifest = _manifest(session, archive)
    archive.write(Path(path), manifest)


def load(path: str | os.PathLike[str], model: Any, metric: Any = None) -> Session:
    """The session in the file at ``path``; see ``Session.open``."""
    path = Path(path)
    try:
        parts = _read(path, model)
    except (OSError, InputError):
        raise
    except Exception as error:
        # Bytes can be wrong in more ways than zip, JSON and numpy have exceptions for.
        raise InputError(
            f"{path} is damaged: {type(error).__name__}: {error}",
            "Use another copy, or save the session again.",
        ) from error
    wish = _metric(path, parts.measured, metric)
    session = Session._of(model, parts.prompts, wish, parts.prepend_bos)
    _check_values(path, session, "baseline", session.baseline, parts.measured)
    session.interventions.restore(parts.entries, parts.undo, parts.redo)
    _check_values(path, session, "current", session.current, parts.measured)
    session.selection.update(**parts.selection)
    session.results.update(parts.results)
    return session


# --- writing ------------------------------------------------------------------------------------


def _manifest(session: Session, archive: Archive) -> dict[str, Any]:
    prompts = session.prompt_set
    lengths = prompts.lengths.tolist()
    undo, redo = session.interventions.history
    table: list[Intervention] = []
    wish = session.metric_wish
    return {
        "format": FORMAT,
        "version": VERSION,
        "written_by": {
            name: version(name) for name in ("lens_widgets", "transformer_lens", "torch")
        },
        "model": _fingerprint(session.model),
        "prompts": {
            "tokens": _cut(prompts.tokens, lengths),
            "texts": list(prompts.texts),
            "answers": None if prompts.answer_tokens is None else prompts.answer_tokens.tolist(),
            "corrupted_tokens": None
            if prompts.corrupted_tokens is None
            else _cut(prompts.corrupted_tokens, lengths),
            "corrupted_texts": prompts.corrupted_texts,
            "prepend_bos": session.prepend_bos,
        },
        "metric": {
            "name": session.metric.name,
            "wish": "function" if callable(wish) else wish,
            "baseline": session.baseline.tolist(),
            "current": session.current.tolist(),
        },
        "history": {
            "entries": _entries(session.interventions.entries, table),
            "undo": [_entries(state, table) for state in undo],
            "redo": [_entries(state, table) for state in redo],
        },
        # Last, when every entry has put its intervention into the table.
        "interventions": [_described(item, archive) for item in table],
        "selection": session.selection.as_dict(),
        "results": pack_results(session.results, archive),
    }


def _cut(tokens: torch.Tensor, lengths: list[int]) -> list[list[int]]:
    return [row[:length] for row, length in zip(tokens.tolist(), lengths, strict=True)]


def _entries(entries: Entries, table: list[Intervention]) -> list[list[Any]]:
    rows: list[list[Any]] = []
    for entry in entries:
        if entry.intervention not in table:
            table.append(entry.intervention)
        rows.append([entry.key, table.index(entry.intervention), entry.enabled])
    return rows


def _described(item: Intervention, archive: Archive) -> dict[str, Any]:
    kind = type(item).__name__
    if _KINDS.get(kind) is not type(item):
        raise InputError(
            f"interventions has a {kind}, which a file cannot hold.",
            f"Remove it first; {', '.join(_KINDS)} can be saved.",
        )
    values: dict[str, Any] = {"type": kind}
    for field in fields(item):  # type: ignore[arg-type]
        value = getattr(item, field.name)
        if field.name == "vector":
            value = archive.add(torch.tensor(value, dtype=torch.float32).numpy())
        elif not (value is None or isinstance(value, (int, float, str, tuple))):
            value = str(value)
        values[field.name] = value
    return values


def _fingerprint(model: Any) -> dict[str, Any]:
    """Shape and a few weights of every parameter: tells models apart, on any device and dtype."""
    cfg = model.cfg
    samples: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten()
        if flat.numel():
            last = flat.numel() - 1
            places = [last * i // (_SAMPLES - 1) for i in range(_SAMPLES)]
            samples[name.replace("._original_component", "")] = flat[places].float().cpu().tolist()
    return {
        "name": str(cfg.model_name),
        **{name: getattr(cfg, name) for name in _STRUCTURE},
        "samples": samples,
    }


# --- reading ------------------------------------------------------------------------------------


def _check_model(path: Path, saved: dict[str, Any], model: Any) -> None:
    if not hasattr(model, "named_parameters") or not hasattr(model, "cfg"):
        raise InputError(
            f"model is a {type(model).__name__}, not a TransformerLens model.",
            "Pass the model that the session was saved with.",
        )
    hint = f"Open it with the model it was saved with: {saved['name']}."
    here = _fingerprint(model)
    for name in _STRUCTURE:
        if saved[name] != here[name]:
            raise InputError(
                f"{path} is of another model: {name} is {saved[name]}, {here['name']} has "
                f"{here[name]}.",
                hint,
            )
    weights, found = saved["samples"], here["samples"]
    if set(weights) != set(found):
        raise InputError(
            f"{path} is of another model, or its weights were processed in another way: "
            f"{len(set(weights) ^ set(found))} parameters are not in both.",
            f"{hint} Process its weights as they were when it was saved.",
        )
    for name, values in weights.items():
        pairs = zip(values, found[name], strict=True)
        if not all(math.isclose(a, b, rel_tol=2e-2, abs_tol=1e-4) for a, b in pairs):
            raise InputError(
                f"{path} is of another model: the weights of {name} differ.",
                f"{hint} Process its weights as they were when it was saved.",
            )


@dataclass(frozen=True)
class _Parts:
    """A file's content, checked as far as that needs no run of the model."""

    prompts: PromptSet
    prepend_bos: bool | None
    measured: dict[str, Any]
    entries: Entries
    undo: list[Entries]
    redo: list[Entries]
    selection: dict[str, Any]
    results: dict[str, Any]


def _read(path: Path, model: Any) -> _Parts:
    archive, manifest = Archive.read(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} holds no session.", "Files of session.save(path) do.")
    if manifest.get("version") != VERSION:
        raise InputError(
            f"{path} has version {manifest.get('version')!r} of the format; this lens_widgets "
            f"reads version {VERSION}.",
            f"It was written with {manifest.get('written_by')!r}.",
        )
    _check_model(path, manifest["model"], model)
    saved, measured = manifest["prompts"], manifest["metric"]
    corrupted = saved["corrupted_texts"]
    prompts = saved_prompt_set(
        model,
        saved["tokens"],
        tuple(saved["texts"]),
        answers=saved["answers"],
        corrupted_rows=saved["corrupted_tokens"],
        corrupted_texts=None if corrupted is None else tuple(corrupted),
    )
    for which in ("baseline", "current"):
        if not all(isinstance(x, float) for x in measured[which]):
            raise TypeError(f"{which} holds something else than numbers")
        if len(measured[which]) != prompts.n_prompts:
            raise ValueError(f"{which} has {len(measured[which])} values")
    table = [_intervention(item, archive) for item in manifest["interventions"]]
    history = manifest["history"]
    return _Parts(
        prompts=prompts,
        prepend_bos=_optional(bool, saved["prepend_bos"]),
        measured=measured,
        entries=_entries_of(history["entries"], table),
        undo=[_entries_of(state, table) for state in history["undo"]],
        redo=[_entries_of(state, table) for state in history["redo"]],
        selection={
            name: _optional(str if name == "stripe" else int, manifest["selection"][name])
            for name in FIELDS
        },
        results=unpack_results(manifest["results"], archive),
    )


def _optional(kind: type, value: Any) -> Any:
    if value is None or type(value) is kind:
        return value
    raise TypeError(f"{value!r} is not {kind.__name__}")


def _metric(path: Path, measured: dict[str, Any], metric: Any) -> Any:
    if measured["wish"] != "function":
        if metric is not None:
            raise InputError(
                f"metric: {path} measures {measured['name']!r} and needs no metric=.",
                "Open it without, then call session.set_prompts(..., metric=...).",
            )
        return measured["wish"]
    if not callable(metric):
        raise InputError(
            f"{path} measures the function {measured['name']!r}, and files hold no functions.",
            f"Pass it: lw.Session.open(path, model, metric={measured['name']}).",
        )
    return metric


def _check_values(
    path: Path,
    session: Session,
    which: str,
    values: torch.Tensor,
    measured: dict[str, Any],
) -> None:
    tolerance = TOLERANCE.get(session.facts.dtype, COARSE)
    for index, (old, new) in enumerate(zip(measured[which], values.tolist(), strict=True)):
        same = abs(new - old) <= tolerance * (1 + abs(old)) or (old != old and new != new)
        if not same:
            cause = "the model" if measured["wish"] != "function" else "the model or metric="
            raise InputError(
                f"{path}: the {which} metric of prompt {index} was {old:.6g} and is {new:.6g} now.",
                f"Something differs from when it was saved: {cause}.",
            )


def _intervention(saved: dict[str, Any], archive: Archive) -> Intervention:
    values = dict(saved)
    kind = _KINDS[values.pop("type")]
    if "vector" in values:
        values["vector"] = archive.get(values["vector"]).tolist()
    return kind(**values)


def _entries_of(saved: list[list[Any]], table: list[Intervention]) -> Entries:
    return tuple(_entry(row, table) for row in saved)


def _entry(row: list[Any], table: list[Intervention]) -> Entry:
    key, index, enabled = row
    if not (isinstance(key, str) and key[:1] == "i" and key[1:].isdecimal()):
        raise ValueError(f"key {key!r}")
    if not isinstance(enabled, bool) or not isinstance(index, int) or index < 0:
        raise ValueError(f"entry {row!r}")
    return Entry(key, table[index], enabled)
