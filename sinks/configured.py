"""What the topic of configurations has said so far: the newest version, and which generation is current."""

from __future__ import annotations

from sinks.record import Record, UnusableRecord

GENERATION = b"generation"
FIRST_GENERATION = 1


class Configured:
    """A key is the number of a version, or :data:`GENERATION`. Of a version the first record is it: another may be there where two
    people made one at the same moment.
    """

    def __init__(self) -> None:
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


def _number(record: Record, text: bytes) -> int:
    if not text.isdigit():
        raise UnusableRecord(record, f"{text[:40]!r} is no number")
    return int(text)
