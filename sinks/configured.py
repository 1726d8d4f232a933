"""What the topic of configurations has said so far: the newest version, which generation is current, and until when what was made
of that version holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sinks.record import Record, UnusableRecord

GENERATION = b"generation"
FIRST_GENERATION = 1


def now_us() -> int:
    """The wall clock, in microseconds. The core never asks."""
    return time.time_ns() // 1000


class Configured:
    """A key is the number of a version, or :data:`GENERATION`. Of a version the first record is it: another may be there where two
    people made one at the same moment.

    A version may have dates in it, at which other departments are hidden: what was made of it is then made anew. ``clock`` tells
    the time in microseconds.
    """

    def __init__(self, clock: Callable[[], int] = now_us) -> None:
        self.clock = clock
        self.made = 0
        """The version of which something was made last."""
        self._until: int | None = None
        self.version = 0
        self.record: Record | None = None
        """Of the newest version; None: there is none yet."""
        self.generation = FIRST_GENERATION

    def hear(self, record: Record) -> None:
        """Raises :class:`UnusableRecord`."""
        key, value = record.key or b"", record.value
        if key == GENERATION:
            self.generation = _number(record, value) if value is not None else FIRST_GENERATION
        elif value is not None and (version := _number(record, key)) > self.version:
            self.version, self.record = version, record

    def due(self) -> Record | None:
        """The record of which something is to be made now: a version that is new, or one that has come to a date."""
        turned = self._until is not None and self._until <= self.clock()
        return self.record if turned or self.version != self.made else None

    def holds(self, until: int | None) -> None:
        """It was made of :attr:`record`, and holds until then (µs); None: until there is another version."""
        self.made, self._until = self.version, until


def _number(record: Record, text: bytes) -> int:
    if not text.isdigit():
        raise UnusableRecord(record, f"{text[:40]!r} is no number")
    return int(text)
