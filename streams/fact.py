"""CONTRACT: what was measured. Facts are versioned upserts; marks travel between them (topic ``crossdesk.facts``).

A fact is of one level of the department tree. Those of one clock differ in nothing but where they are counted, so one record
holds them for several levels. All instants are UTC microseconds since 1970, all durations microseconds. Records are msgpack
arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Self

import msgspec
from msgspec import Struct

UNMAPPED = "_unmapped"
UNOWNED = "_unowned"


class Outcome(StrEnum):
    """What became of a clock.

    ``running`` and ``paused`` are not determined yet. ``met`` and ``missed`` are judged against ``due``; ``missed`` may still
    run (``stop`` is None). ``excused`` is missed, too, but for a reason that the norms name. ``done`` ended and had nothing
    to keep. ``cancelled`` ended without what it waited for. ``retracted`` takes a fact back.
    """

    running = "running"
    paused = "paused"
    met = "met"
    missed = "missed"
    excused = "excused"
    done = "done"
    cancelled = "cancelled"
    retracted = "retracted"


RUNNING, PAUSED, MET, MISSED, EXCUSED, DONE, CANCELLED, RETRACTED = Outcome
"""For who asks often: looking up a member of an enum takes five times as long."""


def goes_on(outcome: Outcome, stop: int | None) -> bool:
    """Whether a fact goes on at the watermark. A follow-up that held (``met``, no ``stop``) does not."""
    if stop is None and (outcome is MISSED or outcome is EXCUSED):
        return True
    return outcome is RUNNING or outcome is PAUSED


class Timed(Struct, array_like=True, gc=False, frozen=True):
    """What the facts of a clock have in common.

    ``version`` is the events offset of the last record folded: the highest per :attr:`Fact.fact_id` stands, and of one version what
    is said stands against what is taken back. ``opener`` is the id (16 bytes) of the event that opened it.

    While it runs, ``calendar_us`` and ``business_us`` are what had gone by at ``since``; from there the business time
    of ``calendar`` (a department's) is added, or none while ``calendar`` is empty. Once ``stop`` is set they are final; it
    lies ahead where it is known when nobody will wait any more. ``counts_at`` is when it enters a window: None while it is not
    determined. It may lie ahead too: the outcome is then the one that comes about by itself, unless something happens before
    (:meth:`known_by`). What says for how long it is kept comes first: who files it away by its key reads no further.
    """

    version: int
    outcome: Outcome = Outcome.running
    counts_at: int | None = None
    stop: int | None = None
    case_id: str = ""
    measure: str = ""
    opener: bytes = b""
    start: int = 0
    due: int | None = None
    since: int = 0
    calendar: str = ""
    calendar_us: int = 0
    business_us: int = 0
    norm: str = ""
    flags: str = ""

    @property
    def runs(self) -> bool:
        return goes_on(self.outcome, self.stop)

    def known_by(self, now: int) -> Self:
        """As it stands at watermark ``now``: what is decided by coming due still runs until then."""
        due, stop = self.due, self.stop
        if due is None or due <= now or self.counts_at != due or (stop is not None and stop <= due):
            return self
        return msgspec.structs.replace(self, outcome=RUNNING, counts_at=None)

    @property
    def source(self) -> str:
        return self.case_id.split("/", 1)[0]


class Fact(Timed, array_like=True, gc=False, frozen=True):
    """One measured thing, at one level of the department tree: ``level`` is the depth in it, 0 for the top. ``counterpart`` is a
    department of the same level, or empty.
    """

    counterpart: str = ""
    level: int = 0
    department: str = ""

    @property
    def fact_id(self) -> str:
        """What identifies the fact."""
        return f"{self.case_id}/{self.measure}/{self.opener.hex()}/{self.level}/{self.department}"


class Facts(Timed, array_like=True, gc=False, frozen=True, tag=0):
    """The record of one clock: a fact for each of ``levels``, of the department and with the counterpart in the same place."""

    counterparts: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    departments: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Fact]:
        shared = [getattr(self, name) for name in Timed.__struct_fields__]
        for where in zip(self.counterparts, self.levels, self.departments, strict=True):
            yield Fact(*[*shared, *where])


class WatermarkPassed(Struct, array_like=True, gc=False, frozen=True, tag=1, kw_only=True):
    """Every fact that ``partition`` of the events owed up to ``until`` of ``source`` lies before this mark."""

    source: str
    partition: int
    until: int


class ConfigPassed(Struct, array_like=True, gc=False, frozen=True, tag=2, kw_only=True):
    """``partition`` of the events folds under ``version`` from here on."""

    partition: int
    version: int


FactRecord = Facts | WatermarkPassed | ConfigPassed

decode: Callable[[bytes], FactRecord] = msgspec.msgpack.Decoder(FactRecord).decode
"""Raises ``msgspec.DecodeError``: facts are our own, so an unreadable one is a bug."""

_encode = msgspec.msgpack.Encoder().encode
_BEFORE_VERSION = b"\xdc" + (len(Facts.__struct_fields__) + 1).to_bytes(2, "big") + b"\x00\xcf"
"""An array follows, its length, the tag; and a number of eight bytes."""
VERSION = slice(len(_BEFORE_VERSION), len(_BEFORE_VERSION) + 8)
"""Where in a record of facts its version stands, so that records can be compared unread: the greater is the newer."""
_BYTES_OF_A_NUMBER = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}
_RETRACTED = _encode(Outcome.retracted)


def beginning(version: int) -> bytes:
    """A record of facts up to its version."""
    return _BEFORE_VERSION + version.to_bytes(8, "big")


def ending(counterparts: tuple[str, ...], levels: tuple[int, ...], departments: tuple[str, ...]) -> bytes:
    """A record of facts from its counterparts on. No other record ends so: the three bytes that it begins with stand in no text."""
    return b"\xdc" + len(counterparts).to_bytes(2, "big") + _encode((counterparts, levels, departments))[2:]


def encode(record: FactRecord) -> bytes:
    raw = _encode(record)
    if isinstance(record, Facts):  # the encoder saves bytes of small numbers, and of short lists
        at = len(_BEFORE_VERSION) - 1
        where = record.counterparts, record.levels, record.departments
        shared = raw[at + _BYTES_OF_A_NUMBER.get(raw[at], 1) : 1 - len(_encode(where))]
        return beginning(record.version) + shared + ending(*where)
    return raw


def takes_back(raw: bytes) -> bool:
    """Whether a record of facts is a retraction."""
    return raw.startswith(_RETRACTED, VERSION.stop)


PLACE = slice(16, 24)
"""Where in the key of a record its :func:`place_key` stands."""


@lru_cache(maxsize=1 << 16)
def place_key(measure: str, levels: tuple[int, ...], departments: tuple[str, ...]) -> bytes:
    """8 bytes that name where facts are counted."""
    return hashlib.blake2b(_encode((measure, levels, departments)), digest_size=8).digest()


def case_key(case_id: str) -> bytes:
    """7 bytes that name a case."""
    return hashlib.blake2b(case_id.encode(), digest_size=7).digest()


def record_key(record: FactRecord) -> bytes:
    """The key of a record among the facts: opener (16 bytes), :func:`place_key`, :func:`case_key`. Of one key the highest version
    stands. A mark has none.
    """
    if not isinstance(record, Facts):
        return b""
    return record.opener + place_key(record.measure, record.levels, record.departments) + case_key(record.case_id)
