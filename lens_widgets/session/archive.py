"""A zip with a manifest in JSON and arrays as ``.npy``: written whole or not at all, no pickles."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lens_widgets.errors import InputError

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 << 20
PLAIN_KINDS = "biufcSU"
"""Of numpy dtypes: what ``.npy`` holds without pickles, dates aside."""

Array = np.ndarray[Any, np.dtype[Any]]


class Archive:
    """The arrays of one file, by name."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def add(self, array: Any, where: str = "array") -> str:
        """Takes an array in and returns its name; InputError when it holds objects."""
        values = np.asarray(array)
        if values.dtype.kind == "O" and all(isinstance(x, str) for x in values.flat):
            values = values.astype(str)
        if values.dtype.kind not in PLAIN_KINDS + "mM":
            raise InputError(
                f"{where} holds {values.dtype}, which a file cannot hold.",
                "Numbers, text and dates can be saved.",
            )
        name = f"arrays/{len(self._arrays)}.npy"
        self._arrays[name] = values
        return name

    def get(self, name: str) -> Array:
        return self._arrays[name]

    def write(self, path: Path, manifest: dict[str, Any]) -> None:
        """Replaces ``path`` by a file of this; on an error what was there stays."""
        text = json.dumps(manifest)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr(MANIFEST, text)
                    for name, values in self._arrays.items():
                        with archive.open(name, "w", force_zip64=True) as member:
                            np.lib.format.write_array(member, values, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def read(cls, path: Path) -> tuple[Archive, Any]:
        """The arrays and the manifest of a file; ValueError and the like when it is damaged."""
        archive = cls()
        # From memory a damaged offset is a ValueError; of a file it is the system's error.
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as file:
            if file.getinfo(MANIFEST).file_size > MAX_MANIFEST_BYTES:
                raise ValueError(f"a manifest of more than {MAX_MANIFEST_BYTES} bytes")
            # Members are checked against their sums as they are read.
            manifest = json.loads(file.read(MANIFEST).decode())
            for name in file.namelist():
                if name != MANIFEST:
                    content = io.BytesIO(file.read(name))
                    archive._arrays[name] = np.lib.format.read_array(content, allow_pickle=False)
        return archive, manifest


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def pack_results(results: Mapping[str, Any], archive: Archive) -> dict[str, Any]:
    """Labelled arrays for the manifest; InputError names what cannot be saved."""
    packed = {}
    for name, result in results.items():
        where = f"results[{name!r}]"
        if not isinstance(name, str) or not isinstance(result, (xr.DataArray, xr.Dataset)):
            raise InputError(
                f"{where} is a {type(result).__name__}, not a labelled array.",
                "session.results takes what lens_widgets.analysis returns, under names.",
            )
        if isinstance(result, xr.DataArray):
            packed[name] = {
                "type": "DataArray",
                "name": None if result.name is None else str(result.name),
                "values": _variable(result.variable, where, archive),
                "coords": _variables(result.coords, where, archive),
            }
        else:
            packed[name] = {
                "type": "Dataset",
                "attrs": _attrs(result.attrs, where),
                "values": _variables(result.data_vars, where, archive),
                "coords": _variables(result.coords, where, archive),
            }
    return packed


def _variables(group: Mapping[Any, Any], where: str, archive: Archive) -> dict[str, Any]:
    return {
        str(name): _variable(item.variable, f"{where}.{name}", archive)
        for name, item in group.items()
    }


def _variable(variable: Any, where: str, archive: Archive) -> dict[str, Any]:
    return {
        "dims": [str(dim) for dim in variable.dims],
        "array": archive.add(variable.values, where),
        "attrs": _attrs(variable.attrs, where),
    }


def _attrs(attrs: Mapping[Any, Any], where: str) -> dict[str, Any]:
    plain = {
        str(key): value.item() if isinstance(value, np.generic) else value
        for key, value in attrs.items()
    }
    try:
        json.dumps(plain)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}.attrs cannot be saved: {error}.", "Keep text, numbers and lists in attrs."
        ) from error
    return plain


def unpack_results(packed: Mapping[str, Any], archive: Archive) -> dict[str, Any]:
    """What ``pack_results`` was given."""
    results: dict[str, Any] = {}
    for name, item in packed.items():
        coords = {key: _unpacked(value, archive) for key, value in item["coords"].items()}
        if item["type"] == "Dataset":
            values = {key: _unpacked(value, archive) for key, value in item["values"].items()}
            results[name] = xr.Dataset(values, coords=coords, attrs=item["attrs"])
        else:
            dims, array, attrs = _unpacked(item["values"], archive)
            results[name] = xr.DataArray(
                array, dims=dims, coords=coords, attrs=attrs, name=item["name"]
            )
    return results


def _unpacked(saved: Mapping[str, Any], archive: Archive) -> tuple[list[str], Array, Any]:
    return list(saved["dims"]), archive.get(saved["array"]), dict(saved["attrs"])
