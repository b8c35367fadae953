"""Records of prompts from files, tables and functions, one after the other, never all in memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lens_widgets.data.extras import extra
from lens_widgets.data.records import Record, Unusable, check_columns, read_record
from lens_widgets.errors import InputError, UnusableError, listed, shown

ROWS_AT_ONCE = 256
"""Of a parquet file."""


class BrokenLine:
    """A line of a file that is no JSON, in a row's place."""

    def __init__(self, line: int, why: str) -> None:
        self.line, self.why = line, why


class Dataset:
    """Prompts with answers, corrupted partners and groups, read one after the other.

    Made by one of the functions below. Iterating gives a record after the other, and for what is
    none an ``Unusable`` with its reason in its place: nothing stops at a broken line. A record has
    ``prompt`` (text), ``answers`` (a pair of correct and wrong, each one token, or lists of
    several; token ids count as tokens), and where there are some ``corrupted`` (text) and
    ``group``. ``columns`` says which names stand for which of these; the pair can also come in two
    columns, ``correct`` and ``wrong``.

    Args:
        rows: gives a new iterator over the rows each time it is called.
        columns: from the names of a row to those of a record.
        source: what the rows come from, for messages.

    Examples:
        >>> pairs = [{"prompt": "Mary gave a bag to", "answers": [" John"]}]
        >>> [record.correct for record in lw.Dataset.from_records(pairs)]
        [(' John',)]
    """

    def __init__(
        self,
        rows: Callable[[], Iterator[Any]],
        columns: Mapping[str, str] | None = None,
        source: str = "records",
    ) -> None:
        self._rows = rows
        self._columns = check_columns(columns)
        self.source = source

    @classmethod
    def from_jsonl(
        cls, path: str | os.PathLike[str], *, columns: Mapping[str, str] | None = None
    ) -> Dataset:
        """Records of a file of JSON lines.

        Args:
            path: the file, in UTF-8; empty lines are no records.
            columns: from the names in the file to ``prompt``, ``answers`` (or ``correct`` and
                ``wrong``), ``corrupted``, ``group``.

        Returns:
            The data set; the file is read when it is iterated.

        Raises:
            InputError: there is no such file; ``columns`` that are no mapping to these names.

        Examples:
            >>> names = {"clean_prefix": "prompt", "clean_answer": "correct"}
            >>> dataset = lw.Dataset.from_jsonl("agreement.jsonl", columns=names)
        """
        file = _existing(path)
        return cls(lambda: _json_lines(file), columns, str(file))

    @classmethod
    def from_parquet(
        cls, path: str | os.PathLike[str], *, columns: Mapping[str, str] | None = None
    ) -> Dataset:
        """Records of a parquet file, read a few hundred rows at a time.

        Args:
            path: the file.
            columns: from the names in the file to those of a record.

        Returns:
            The data set; the file is read when it is iterated.

        Raises:
            InputError: there is no such file, or it is no parquet file; ``pyarrow`` is not
                installed; ``columns`` that are no mapping to a record's names.
        """
        file = _existing(path)
        parquet = extra("pyarrow.parquet", "read parquet files")
        _opened(parquet, file).close()
        return cls(lambda: _parquet_rows(parquet, file), columns, str(file))

    @classmethod
    def from_hf(cls, dataset: Any, *, columns: Mapping[str, str] | None = None) -> Dataset:
        """Records of a data set of Hugging Face's package ``datasets``, streamed ones too.

        Args:
            dataset: one split, as ``datasets.load_dataset(..., split="train")`` gives it.
            columns: from the names in it to those of a record.

        Returns:
            The data set.

        Raises:
            InputError: a ``DatasetDict`` or anything else that is no split; ``columns`` that are no
                mapping to a record's names.
        """
        if isinstance(dataset, Mapping):
            raise InputError(
                f"dataset has the splits {listed(map(str, dataset))}.",
                f"Pass one of them: from_hf(dataset[{next(iter(dataset), 'train')!r}]).",
            )
        if not hasattr(dataset, "features") or not isinstance(dataset, Iterable):
            raise InputError(
                f"dataset={shown(dataset)} is no data set of the package datasets.",
                "Lists and functions of records go to Dataset.from_records.",
            )
        source = getattr(getattr(dataset, "info", None), "dataset_name", None)
        return cls(lambda: iter(dataset), columns, f"Hugging Face data set {source or 'in memory'}")

    @classmethod
    def from_records(
        cls,
        records: Iterable[Any] | Callable[[], Iterator[Any]],
        *,
        columns: Mapping[str, str] | None = None,
    ) -> Dataset:
        """Records of a list, an iterator, or a function that gives an iterator.

        Args:
            records: mappings with a record's names. An iterator can be gone through once, which is
                enough for a run that is not resumed; of a function every run gets a new one.
            columns: from the names in them to those of a record.

        Returns:
            The data set.

        Raises:
            InputError: neither records nor a function; ``columns`` that are no mapping to a
                record's names.
        """
        if callable(records):
            return cls(lambda: iter(records()), columns, "records of a function")
        if not isinstance(records, Iterable) or isinstance(records, (str, bytes, Mapping)):
            raise InputError(
                f"records={shown(records)} is neither a list of records nor a function.",
                'For example [{"prompt": "...", "answers": [" Mary", " John"]}].',
            )
        return cls(lambda: iter(records), columns)

    def __iter__(self) -> Iterator[Record | Unusable]:
        for index, row in enumerate(self._rows()):
            yield self._record(index, row)

    def __repr__(self) -> str:
        return f"lw.Dataset of {self.source}"

    def _record(self, index: int, row: Any) -> Record | Unusable:
        if isinstance(row, BrokenLine):
            message = f"Record {index}, line {row.line} of {self.source}, is no JSON: {row.why}."
            return Unusable(index, "broken line", message)
        try:
            return read_record(row, self._columns)
        except UnusableError as error:
            return Unusable(index, error.reason, f"Record {index}: {error}")


def _existing(path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if not file.is_file():
        raise InputError(f"path={str(path)!r} is no file.", "Give the path of a file that exists.")
    return file


def _json_lines(file: Path) -> Iterator[Any]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                yield BrokenLine(number, str(error))


def _opened(parquet: Any, file: Path) -> Any:
    try:
        return parquet.ParquetFile(file)
    except (OSError, ValueError) as error:
        raise InputError(
            f"path={str(file)!r} cannot be read as parquet: {error}.", "Give a parquet file."
        ) from error


def _parquet_rows(parquet: Any, file: Path) -> Iterator[Any]:
    with _opened(parquet, file) as table:
        for batch in table.iter_batches(batch_size=ROWS_AT_ONCE):
            yield from batch.to_pylist()
