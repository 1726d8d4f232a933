"""CONTRACT: what was measured. Facts are versioned upserts; marks travel between them (topic ``crossdesk.facts``).

All instants are UTC microseconds since 1970, all durations microseconds. Records are msgpack arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

import msgspec
from msgspec import Struct

UNMAPPED = "_unmapped"
UNOWNED = "_unowned"


class Outcome(StrEnum):
    """What became of a clock.

    ``running`` and ``paused`` are not determined yet. ``met`` and ``missed`` are judged against ``due``; ``missed`` may still
    run (``stop`` is None). ``done`` ended and had nothing to keep. ``cancelled`` ended without what it waited for.
    ``retracted`` takes a fact back.
    """

    running = "running"
    paused = "paused"
    met = "met"
    missed = "missed"
    done = "done"
    cancelled = "cancelled"
    retracted = "retracted"


def goes_on(outcome: Outcome, stop: int | None) -> bool:
    """See :attr:`Fact.runs`."""
    if stop is None and outcome is Outcome.missed:
        return True
    return outcome is Outcome.running or outcome is Outcome.paused


class Fact(Struct, array_like=True, gc=False, frozen=True, tag=0):
    """One measured thing, at one level of the department tree.

    ``version`` is the events offset of the last record folded: the highest per :attr:`fact_id` stands. ``opener`` is the id (16
    bytes) of the event that opened it. ``level`` is the depth in the tree, 0 for the top; ``counterpart`` is a department of the
    same level, or empty.

    While a fact runs, ``calendar_us`` and ``business_us`` are what had gone by at ``since``; from there the business time
    of ``calendar`` (a department's) is added, or none while ``calendar`` is empty. Once ``stop`` is set they are final.
    ``counts_at`` is when it enters a window: None while it is not determined. What says for how long it is kept comes first: who
    files it away by its key reads no further. What differs between the levels comes last (see ``streams.picture``).
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
    counterpart: str = ""
    level: int = 0
    department: str = ""

    @property
    def fact_id(self) -> str:
        """What identifies the fact, as one readable string; :func:`record_key` says it in fewer bytes."""
        return f"{self.case_id}/{self.measure}/{self.opener.hex()}/{self.level}/{self.department}"

    @property
    def runs(self) -> bool:
        """Whether it goes on at the watermark. A follow-up that held (``met``, no ``stop``) does not."""
        return goes_on(self.outcome, self.stop)

    @property
    def source(self) -> str:
        return self.case_id.split("/", 1)[0]


class WatermarkPassed(Struct, array_like=True, gc=False, frozen=True, tag=1, kw_only=True):
    """Every fact that ``partition`` of the events owed up to ``until`` of ``source`` lies before this mark."""

    source: str
    partition: int
    until: int


class ConfigPassed(Struct, array_like=True, gc=False, frozen=True, tag=2, kw_only=True):
    """``partition`` of the events folds under ``version`` from here on."""

    partition: int
    version: int


FactRecord = Fact | WatermarkPassed | ConfigPassed

decode: Callable[[bytes], FactRecord] = msgspec.msgpack.Decoder(FactRecord).decode
"""Raises ``msgspec.DecodeError``: facts are our own, so an unreadable one is a bug."""

_encode = msgspec.msgpack.Encoder().encode
_BEFORE_VERSION = b"\xdc" + (len(Fact.__struct_fields__) + 1).to_bytes(2, "big") + b"\x00\xcf"
"""An array follows, its length, the tag; and a number of eight bytes."""
VERSION = slice(len(_BEFORE_VERSION), len(_BEFORE_VERSION) + 8)
"""Where in the record of a fact its version stands, so that records can be compared unread: the greater is the newer."""
_BYTES_OF_A_NUMBER = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}
_RETRACTED = _encode(Outcome.retracted)


def beginning(version: int) -> bytes:
    """The record of a fact up to its version."""
    return _BEFORE_VERSION + version.to_bytes(8, "big")


def encode(record: FactRecord) -> bytes:
    raw = _encode(record)
    if isinstance(record, Fact):  # the encoder saves bytes of small numbers
        at = len(_BEFORE_VERSION) - 1
        return beginning(record.version) + raw[at + _BYTES_OF_A_NUMBER.get(raw[at], 1) :]
    return raw


def takes_back(raw: bytes) -> bool:
    """Whether the record of a fact is a retraction."""
    return raw.startswith(_RETRACTED, VERSION.stop)


SERIES = slice(16, 24)
"""Where in the key of a fact its :func:`series_key` stands."""


@lru_cache(maxsize=1 << 16)
def series_key(measure: str, level: int, department: str) -> bytes:
    """8 bytes that name where a fact is counted."""
    return hashlib.blake2b(f"{measure}/{department}/{level}".encode(), digest_size=8).digest()


def case_key(case_id: str) -> bytes:
    """7 bytes that name its case."""
    return hashlib.blake2b(case_id.encode(), digest_size=7).digest()


def record_key(record: FactRecord) -> bytes:
    """The key of a record among the facts: opener (16 bytes), :func:`series_key`, :func:`case_key`. Of one key the highest version
    stands. A mark has none.
    """
    if not isinstance(record, Fact):
        return b""
    return record.opener + series_key(record.measure, record.level, record.department) + case_key(record.case_id)
