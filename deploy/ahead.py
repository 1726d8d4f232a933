"""Reading ahead: a source is read and encoded in a process of its own, while this one folds what came before."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from queue import Full, Queue
from threading import Thread

import msgspec
from msgspec import Struct

from deploy.memory import collect_rarely
from ingest import event as e
from ingest.connector import Rejected

CHUNK = 2_000
CHUNKS_AHEAD = 12

Source = Callable[[], Iterable[e.Record | Rejected]]
"""Gives the records of a source, from its beginning. It is called in the other process, so it can be pickled."""


class Prepared(Struct, array_like=True, gc=False, frozen=True):
    """A record as the log takes it. ``key`` is empty for a mark; ``time`` is the record's, in seconds since 1970. Those of
    the topic ``feedback`` no log takes: see :mod:`deploy.answers`.
    """

    topic: str
    key: str
    value: bytes
    time: float


def prepare(record: e.Record | Rejected) -> Prepared:
    """What is too large to be an event is set aside."""
    if isinstance(record, Rejected):
        return Prepared("rejected", record.subject, msgspec.json.encode(record), 0.0)
    raw = e.encode(record)
    if len(raw) > e.MAX_RECORD_BYTES:
        reason = f"the event has {len(raw):,} bytes, and {e.MAX_RECORD_BYTES:,} is the most"
        return prepare(Rejected(source=record.source, reason=reason, subject=record.subject))
    topic, key = "events", "" if isinstance(record, e.Mark) else record.key
    if isinstance(record, e.Answered | e.Rated):
        topic, key = "feedback", record.data.department or record.source
    elif record.source == e.PUBLISHED:
        topic = "feedback"
    return Prepared(topic, key, raw, record.time.timestamp())


@contextmanager
def reader() -> Iterator[Callable[[Source], Iterator[Prepared]]]:
    """A process that starts at once, and reads the source that it is given. What the source raises is raised here."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of the store
    here, there = context.Pipe()
    process = context.Process(target=_read, args=(there,), name="reading", daemon=True)
    process.start()
    there.close()

    def read(source: Source) -> Iterator[Prepared]:
        here.send(source)
        return _receive(here)

    try:
        yield read
    finally:
        here.close()
        process.terminate()  # where it is not done
        process.join()


class _Unheard(Exception):
    """Nobody listens any more."""


def _read(pipe: Connection) -> None:
    collect_rarely()
    try:
        source: Source = pipe.recv()
        _send(source, pipe)
    except (EOFError, _Unheard, KeyboardInterrupt):
        return


def _send(source: Source, pipe: Connection) -> None:
    outbox, chunk, failure = _Outbox(pipe), list[Prepared](), None
    try:
        for record in source():
            chunk.append(prepare(record))
            if len(chunk) >= CHUNK:
                outbox.put(msgspec.msgpack.encode(chunk))
                chunk = []
    except _Unheard:
        raise
    except Exception as error:  # noqa: BLE001  # it ends this process, and is raised in the other
        failure = error
    outbox.put(msgspec.msgpack.encode(chunk))
    outbox.close()
    with suppress(ConnectionError):
        pipe.send(failure)


class _Outbox:
    """Sends in a thread of its own, so that reading goes on while the other process is busy: a pipe holds 64 kB."""

    def __init__(self, pipe: Connection) -> None:
        self._queue: Queue[bytes] = Queue(CHUNKS_AHEAD)
        self._pipe = pipe
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(ConnectionError):
            while chunk := self._queue.get():
                self._pipe.send_bytes(chunk)
            self._pipe.send_bytes(b"")

    def put(self, chunk: bytes) -> None:
        """An empty one is the last. Raises :class:`_Unheard`."""
        while self._thread.is_alive():
            try:
                return self._queue.put(chunk, timeout=1.0)
            except Full:
                continue
        raise _Unheard

    def close(self) -> None:
        """Wait until all has gone out."""
        self.put(b"")
        self._thread.join()


def _receive(pipe: Connection) -> Iterator[Prepared]:
    decode = msgspec.msgpack.Decoder(list[Prepared]).decode
    while chunk := pipe.recv_bytes():
        yield from decode(chunk)
    error = pipe.recv()
    if error is not None:
        raise error
