"""CONTRACT: what was measured. Facts are versioned upserts; marks travel between them (topic ``crossdesk.facts``).

All instants are UTC microseconds since 1970, all durations microseconds. Records are msgpack arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

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
    ``counts_at`` is when it enters a window: None while it is not determined. What says where it lies comes first: who files it
    away reads no further.
    """

    version: int
    case_id: str
    measure: str
    opener: bytes
    level: int
    department: str
    counterpart: str = ""
    outcome: Outcome = Outcome.running
    counts_at: int | None = None
    stop: int | None = None
    start: int = 0
    due: int | None = None
    since: int = 0
    calendar: str = ""
    calendar_us: int = 0
    business_us: int = 0
    norm: str = ""
    flags: str = ""

    @property
    def key(self) -> tuple[str, str, bytes, int, str]:
        """What identifies the fact: case, measure, opener, level, department."""
        return (self.case_id, self.measure, self.opener, self.level, self.department)

    @property
    def fact_id(self) -> str:
        """:attr:`key` as one readable string."""
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

encode: Callable[[FactRecord], bytes] = msgspec.msgpack.Encoder().encode
