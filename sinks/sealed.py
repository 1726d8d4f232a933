"""What has been sealed, as a stage knows it that follows the topic, and what it says together as of the last Monday."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from sinks.configured import now_us
from sinks.prometheus_morale import exported
from sinks.record import Record, UnusableRecord
from streams.morale import MoraleValue, last_monday
from streams.sealed import Batch, decode

Compute = Callable[[bytes, Iterable[Batch], int], list[MoraleValue]]
"""Of a record of the configuration, batches, and an instant in microseconds. Raises ``ValueError``."""


class Sealed:
    """``topic`` is kept for ever, a record for each batch, and is the record of morale. So whoever reads it from its beginning says
    after a restart what it said before, and needs no state and nobody who says values again. They are computed once a week, and
    when a batch came late or a configuration is new.
    """

    def __init__(self, topic: str, compute: Compute) -> None:
        self.topic, self.compute = topic, compute
        self.batches: dict[bytes, Batch] = {}
        self._said: tuple[int, int, int] | None = None

    def take(self, record: Record) -> None:
        """Raises :class:`UnusableRecord`."""
        try:
            batch = decode(record.value or b"")
        except msgspec.DecodeError as error:
            raise UnusableRecord(record, str(error)) from error
        self.batches[batch.id] = batch

    def news(self, version: int, configuration: Record) -> list[MoraleValue] | None:
        """What is shown, where that may be another than before. Raises :class:`UnusableRecord`."""
        monday = last_monday(now_us())
        of = (version, monday, len(self.batches))
        if of == self._said:
            return None
        try:
            values = self.compute(configuration.value or b"", self.batches.values(), monday)
        except ValueError as error:
            raise UnusableRecord(configuration, str(error)) from error
        self._said = of
        return exported(values)
