"""A log in its own time: all events of a file in order, with the watermarks its source would have given.

Memory is bounded on this side: beyond ``chunk`` events, sorted runs go to a temporary directory and are merged from there.
The directory is gone when the iterator ends, or is closed.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import msgspec

from ingest.connector import LogConnector, Rejected
from ingest.event import EPOCH, CaseEvent, Record, decode, encode, watermark
from ingest.files import open_log

CHUNK = 300_000
GAP = timedelta(seconds=60)
_BATCH = 500
_TICK = timedelta(microseconds=1)
_LENGTH_BYTES = 4

Spilled = tuple[int, int, str, bytes]
_ordered = attrgetter("time", "sequence", "id")
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Spilled]).decode


def replay(
    connector: LogConnector,
    path: Path,
    *,
    gap: timedelta = GAP,
    settle: timedelta = timedelta(0),
    chunk: int = CHUNK,
    scratch: Path | None = None,
) -> Generator[Record | Rejected, None, None]:
    """First what cannot be read, then the events of ``path`` ordered by (time, sequence, id) and marks between them.

    A watermark comes before an event that lies ``gap`` or more after the last one (and before the first event), until just
    before that event; one comes after the last event, until its time; and where ``settle`` is given, one more, so much
    later, for what is due after the log ends. No ``observedtime``: the same file gives the same bytes.

    Raises ``ingest.files.BadFile``. ``scratch`` is where the temporary directory is made.
    """
    with closing(_Runs(chunk, scratch)) as runs:
        with open_log(path) as lines:
            for item in connector.events(lines, str(path)):
                if isinstance(item, Rejected):
                    yield item
                else:
                    runs.add(item)
        yield from marked(runs.merged(), connector.source, gap=gap, settle=settle)


def marked(events: Iterator[Record], source: str, *, gap: timedelta, settle: timedelta) -> Iterator[Record]:
    """Events in order, with the watermarks of ``source`` between them."""
    mark: datetime | None = None
    now: datetime | None = None
    for event in events:
        now = event.time
        if mark is None or now - mark >= gap:
            mark = now - _TICK
            yield watermark(source, mark)
        yield event
    if now is not None:
        yield watermark(source, now)
        if settle > timedelta(0):
            yield watermark(source, now + settle)


class _Runs:
    """An external merge sort."""

    def __init__(self, chunk: int, scratch: Path | None) -> None:
        self._chunk = chunk
        self._scratch = scratch
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._runs: list[Path] = []
        self._events: list[CaseEvent] = []

    def add(self, event: CaseEvent) -> None:
        self._events.append(event)
        if len(self._events) >= self._chunk:
            self._spill()

    def merged(self) -> Iterator[Record]:
        """All events in order. Called once."""
        if not self._runs:
            self._events.sort(key=_ordered)
            yield from self._events
            return
        if self._events:
            self._spill()
        for _, _, _, record in heapq.merge(*(_read(self._stack.enter_context(run.open("rb"))) for run in self._runs)):
            yield decode(record)

    def close(self) -> None:
        self._events.clear()
        self._stack.close()

    def _spill(self) -> None:
        if self._folder is None:
            folder = TemporaryDirectory(prefix="crossdesk-replay-", dir=self._scratch)
            self._folder = Path(self._stack.enter_context(folder))
        run = self._folder / str(len(self._runs))
        self._events.sort(key=_ordered)
        with run.open("wb") as file:
            for start in range(0, len(self._events), _BATCH):
                batch = _pack([_spilled(event) for event in self._events[start : start + _BATCH]])
                file.write(len(batch).to_bytes(_LENGTH_BYTES, "big") + batch)
        self._runs.append(run)
        self._events.clear()


def _spilled(event: CaseEvent) -> Spilled:
    return (event.time - EPOCH) // _TICK, event.sequence, event.id, encode(event)


def _read(file: IO[bytes]) -> Iterator[Spilled]:
    while length := file.read(_LENGTH_BYTES):
        yield from _unpack(file.read(int.from_bytes(length, "big")))
