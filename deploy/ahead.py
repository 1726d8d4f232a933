"""Reading ahead: a source is read and encoded in a process of its own, while this one folds what came before."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import msgspec
from msgspec import Struct

from ingest import event as e
from ingest.connector import Rejected

CHUNK = 2_000

Source = Callable[[], Iterable[e.Record | Rejected]]
"""Gives the records of a source, from its beginning. It is called in the other process, so it can be pickled."""


class Prepared(Struct, array_like=True, gc=False, frozen=True):
    """A record as the log takes it. ``key`` is empty for a mark; ``time`` is the record's, in seconds since 1970."""

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
    return Prepared("events", "" if isinstance(record, e.Mark) else record.key, raw, record.time.timestamp())


@contextmanager
def ahead(source: Source) -> Iterator[Iterator[Prepared]]:
    """The records of ``source``, read ahead. What it raises is raised here."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of the store
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(source, there), name="reading", daemon=True)
    process.start()
    there.close()
    try:
        yield _receive(here)
    finally:
        here.close()
        process.terminate()  # where it is not done
        process.join()


def _send(source: Source, pipe: Connection) -> None:
    chunk: list[Prepared] = []
    try:
        for record in source():
            chunk.append(prepare(record))
            if len(chunk) >= CHUNK:
                pipe.send_bytes(msgspec.msgpack.encode(chunk))
                chunk = []
        pipe.send_bytes(msgspec.msgpack.encode(chunk))
        pipe.send_bytes(b"")
        pipe.send(None)
    except (BrokenPipeError, KeyboardInterrupt):
        return
    except Exception as error:  # noqa: BLE001  # it ends this process, and is raised in the other
        pipe.send_bytes(msgspec.msgpack.encode(chunk))
        pipe.send_bytes(b"")
        pipe.send(error)


def _receive(pipe: Connection) -> Iterator[Prepared]:
    decode = msgspec.msgpack.Decoder(list[Prepared]).decode
    while chunk := pipe.recv_bytes():
        yield from decode(chunk)
    error = pipe.recv()
    if error is not None:
        raise error
