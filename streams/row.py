"""What is kept of one case between its records: the rows of the state of ``cases``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from ingest import event as e
from streams.clock import FAR
from streams.fold import Head
from streams.history import Log
from streams.timeline import CHILD, MERGED, Moment


class Taken(Struct, array_like=True, gc=False):
    """What another case last told this one."""

    version: int
    entries: tuple[e.Entry, ...]


class Row(Struct, array_like=True, gc=False):
    """The state of one case. ``offset``: the last record folded; ``wake``: the watermark that next changes something;
    ``structural``: its moments must be resolved together; ``into``: the case that it was merged into; ``child``: it serves another;
    ``out``: of all denominators; ``held``: moments too far beyond the watermark; ``stub``: what is left when all else was let go.
    """

    format: int
    config: int
    offset: int = -1
    wake: int = FAR
    stub: bytes = b""
    structural: bool = False
    out: bool = False
    head: Head | None = None
    log: Log = msgspec.field(default_factory=Log)
    into: str = ""
    child: bool = False
    held: list[Moment] = []
    absorbed: dict[str, Taken] = {}
    sent: dict[str, bytes] = {}


class Stub(Struct, array_like=True, gc=False):
    """What a case that closed long ago is folded up to."""

    moments: list[Moment]
    absorbed: dict[str, Taken]


class RowStart(Struct, array_like=True, gc=False):
    """What recovery needs of a row: its first fields."""

    format: int
    config: int
    offset: int
    wake: int
    stub: bytes


encode = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(Row).decode
decode_start = msgspec.msgpack.Decoder(RowStart).decode
decode_stub = msgspec.msgpack.Decoder(Stub).decode
_decode_moment = msgspec.msgpack.Decoder(Moment).decode


def same_meaning(a: Moment, b: Moment) -> bool:
    """Equal but for pseudonyms, which may be keyed anew."""
    return a == b or msgspec.structs.replace(a, who="") == msgspec.structs.replace(b, who="")


def payload_hash(m: Moment) -> bytes:
    return hashlib.blake2b(encode(msgspec.structs.replace(m, who="")), digest_size=16).digest()


def foreign_moments(taken: Taken) -> Iterator[Moment]:
    for entry in taken.entries:
        relation = CHILD if entry.child else MERGED
        for event in entry.events:
            yield msgspec.structs.replace(_decode_moment(event), relation=relation, origin=entry.path[0])


def absorbed(target: str, origin: str, version: int, entries: tuple[e.Entry, ...], now: int) -> bytes:
    """The record by which ``origin`` tells ``target``. No entries: it has nothing to say there any more."""
    source, _, subject = target.partition("/")
    return e.encode(
        e.Absorbed(
            id=e.event_id(source, f"absorbed|{origin}|{target}|{version}"),
            source=source,
            subject=subject,
            time=e.instant(max(now, 0)),
            specversion="1.0",
            data=e.AbsorbedData(origin=origin, version=version, entries=entries),
        )
    )
