"""Rows out of lines: CSV and NDJSON, pure. What cannot be read is one bad row, and the next line is read again.

A row is the values of the wanted columns, as text. In NDJSON a column is a dotted path (``fields.status.name``); a key
that itself contains dots is found first.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from operator import itemgetter
from typing import Any

import msgspec

from ingest.connector import BadFile
from ingest.event import Unreadable

Values = tuple[str, ...]
Row = tuple[int, Values | Unreadable]
"""The number of its first line, and its values."""


def csv_rows(lines: Iterable[str], columns: Sequence[str], *, place: str, delimiter: str = ",") -> Iterator[Row]:
    """Raises :class:`BadFile` when the header lacks one of ``columns`` or has it twice."""
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise BadFile("is empty", "export it again", place=place) from None
    except csv.Error as error:
        raise BadFile(f"has a header that is no CSV ({error})", "export it again", place=place) from None
    pick = itemgetter(*_indices(header, columns, place, delimiter))
    single = len(columns) == 1
    width = len(header)
    while True:
        first = source.begin()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield first, Unreadable(f"no CSV: {error}")
            source.read_again_after_first()
            continue
        if len(fields) == width:
            picked = pick(fields)
            yield first, (picked,) if single else picked
        elif fields:
            yield first, Unreadable(f"has {len(fields)} columns, the header {width}")
            source.read_again_after_first()


def ndjson_rows(lines: Iterable[str], columns: Sequence[str]) -> Iterator[Row]:
    """One object a line; blank lines are no rows."""
    paths = [(column, column.split(".")) for column in columns]
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, pick(decode(line), paths)
        except (msgspec.DecodeError, RecursionError) as error:
            yield number, Unreadable(f"no JSON: {error}")
        except Unreadable as error:
            yield number, error


def pick(record: Any, paths: Sequence[tuple[str, Sequence[str]]]) -> Values:
    """The values at ``paths`` (each with its parts) in a decoded JSON object; what is absent is empty.

    Raises :class:`Unreadable` for what is no object, and where a path ends in an object or a list.
    """
    if not isinstance(record, dict):
        raise Unreadable("no JSON object")
    values = []
    for path, parts in paths:
        value = record.get(path)
        if value is None and len(parts) > 1:
            value = record
            for part in parts:
                value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            values.append("")
        elif isinstance(value, str):
            values.append(value)
        elif isinstance(value, bool):
            values.append("true" if value else "false")
        elif isinstance(value, (int, float)):
            values.append(str(value))
        else:
            raise Unreadable(f"{path!r} is a {'list' if isinstance(value, list) else 'object'}, not a value")
    return tuple(values)


class _Lines:
    """Feeds the CSV reader, counts lines, and can give back all but the first line of the row at hand.

    An opening quote that nothing closes makes one row of all that follows: that row is bad, not what it swallowed.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self._row: list[str] = []
        self._number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._number += 1
        self._row.append(line)
        return line

    def begin(self) -> int:
        self._row.clear()
        return self._number + 1

    def read_again_after_first(self) -> None:
        self._again.extendleft(reversed(self._row[1:]))
        self._number -= len(self._row) - 1


def _indices(header: Sequence[str], columns: Sequence[str], place: str, delimiter: str) -> list[int]:
    missing = [column for column in columns if column not in header]
    if missing:
        mend = f"the file has: {', '.join(header[:60])}"
        other = next((d for d in ",;\t|" if d != delimiter and len(header) == 1 and d in header[0]), None)
        if other is not None:
            mend = f"the columns seem to be separated by {other!r}, not {delimiter!r}"
        elif similar := {c: m[0] for c in missing if (m := get_close_matches(c, header, 1))}:
            mend = f"{', '.join(f'is {c!r} called {m!r}?' for c, m in similar.items())} {mend}"
        names = ", ".join(repr(c) for c in missing)
        raise BadFile(f"lacks the column{'s' if len(missing) > 1 else ''} {names}", mend, place=place)
    if twice := sorted({column for column in columns if header.count(column) > 1}):
        raise BadFile(f"has the column {twice[0]!r} twice", "rename one of them", place=place)
    return [header.index(column) for column in columns]
