"""The sink that Prometheus scrapes: the latest of every indicator, read whole from its compacted topic and followed.

What is current says the topic of configurations: the departments and pairs that are shown, and the generation. Another generation
is read beside the one that is shown until it has caught up, and then takes its place between two scrapes. Morale is of no
generation: it is computed of what has been sealed.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from threading import Event
from typing import NamedTuple

import msgspec

from sinks.configured import Configured
from sinks.consumer import Follower
from sinks.prometheus import Exporter, Pair
from sinks.record import Record, UnusableRecord
from sinks.sealed import Sealed
from streams.indicators import IndicatorValue, decode

log = logging.getLogger("crossdesk.sinks")

POLL_SECONDS = 0.2
BEHIND_SECONDS = 60.0
"""So long another generation may lag behind the one that is shown before it is shown all the same."""


class Shown(NamedTuple):
    """``departments``: None shows all. ``until`` when that holds, in microseconds; None: until another version."""

    departments: Collection[str] | None
    pairs: Collection[Pair]
    until: int | None = None


class Generation:
    """All values of one, by the keys of their records: also those that are not shown just now, for a later configuration may."""

    def __init__(self, number: int, topic: str) -> None:
        self.number, self.topic = number, topic
        self.values: dict[bytes, IndicatorValue] = {}
        self.newest_ms = 0
        """When the log took in the last record that came."""
        self.as_of = 0
        """Up to when its values tell, in microseconds."""
        self.caught_up_at: float | None = None

    def take(self, record: Record) -> tuple[IndicatorValue | None, IndicatorValue | None]:
        """What is new and what is no more, if anything: readers keep the highest offset. Raises :class:`UnusableRecord`."""
        key, self.newest_ms = record.key or b"", record.timestamp
        if record.value is None:
            return None, self.values.pop(key, None)
        try:
            value = decode(record.value)
        except msgspec.DecodeError as error:
            raise UnusableRecord(record, str(error)) from error
        held = self.values.get(key)
        if held is not None and held.offset > value.offset:
            return None, None
        self.values[key] = value
        self.as_of = max(self.as_of, value.as_of)
        return value, None


class PrometheusSink:
    """``indicators``: the topic of a generation. ``shown``: what a record of the configuration shows; it raises ``ValueError``
    where it cannot read it.
    """

    def __init__(
        self,
        config: str,
        indicators: Callable[[int], str],
        follower: Follower,
        shown: Callable[[bytes], Shown],
        sealed: Sealed,
        exporter: Exporter,
    ) -> None:
        self.config, self.indicators, self.follower, self.sealed = config, indicators, follower, sealed
        self.show, self.exporter = shown, exporter
        self.configured = Configured()
        self.current: Generation | None = None
        """What is shown; None: nothing has caught up yet."""
        self.coming: Generation | None = None
        self.has_morale = False
        """Whether what was sealed before the start is shown."""
        self._records = exporter.count("sink_records_total", "Records that were read.", ("topic",))
        self._number = exporter.level("sink_generation", "The generation that is shown; 0: none yet.")
        self._until = exporter.level(
            "sink_shown_timestamp_seconds", "When the log took in the newest record that is shown."
        )
        self._number.set(0)

    def run(self, stop: Event) -> None:
        """Until ``stop`` is set. Raises :class:`UnusableRecord`, ``sinks.record.ConsumerStopped``."""
        self.follower.follow(self.config)
        self.follower.follow(self.sealed.topic)
        while not stop.is_set():
            records = self.follower.poll(POLL_SECONDS)
            self.follower.look()
            if records:
                self._take(records)
            if self.follower.caught_up(self.config):
                self._configure()
                self._turn_over()
                self._show_morale()

    def waiting(self) -> str:
        """Why nothing may be scraped yet; empty: all that was there at the start is shown."""
        if self.current is not None and self.has_morale:
            return ""
        topic = self.coming.topic if self.coming is not None else self.config
        if self.current is not None:
            topic = self.sealed.topic
        left = sum(at.end - at.offset for (name, _), at in self.follower.reached.items() if name == topic)
        return f"{topic} is being read from its beginning; {left:,} offsets are left"

    def _take(self, records: Sequence[Record]) -> None:
        new: list[IndicatorValue] = []
        for topic, number in Counter(record.topic for record in records).items():
            self._records.add(number, topic=topic)
        for record in records:
            if record.topic == self.config:
                self.configured.hear(record)
            elif record.topic == self.sealed.topic:
                self.sealed.take(record)
            elif self.coming is not None and record.topic == self.coming.topic:
                self.coming.take(record)
            elif self.current is not None and record.topic == self.current.topic:
                value, gone = self.current.take(record)
                if gone is not None:
                    self.exporter.update(new)
                    new = []
                    self.exporter.remove(gone)
                if value is not None:
                    new.append(value)
        self.exporter.update(new)
        if self.current is not None:
            self._until.set(self.current.newest_ms / 1000)

    def _configure(self) -> None:
        newest = self.configured.due()
        if newest is None:
            return
        try:
            shown = self.show(newest.value or b"")
        except ValueError as error:
            raise UnusableRecord(newest, str(error)) from error
        self.configured.holds(shown.until)
        self.exporter.retain(shown.departments, shown.pairs)
        if self.current is not None:
            self.exporter.update(self.current.values.values())

    def _show_morale(self) -> None:
        newest = self.configured.record
        if not self.follower.caught_up(self.sealed.topic):
            return
        if newest is not None and (values := self.sealed.news(self.configured.version, newest)) is not None:
            self.exporter.show_morale(values)
        self.has_morale = True

    def _turn_over(self) -> None:
        wanted, coming = self.configured.generation, self.coming
        if coming is not None and coming.number != wanted:
            self.follower.leave(coming.topic)
            self.coming = coming = None
        if coming is None and (self.current is None or self.current.number != wanted):
            self.coming = Generation(wanted, self.indicators(wanted))
            self.follower.follow(self.coming.topic)
        elif coming is not None and self.follower.caught_up(coming.topic) and self._may_follow(coming):
            if self.current is not None:
                self.follower.leave(self.current.topic)
                log.info("generation %d is shown, and %d no more", coming.number, self.current.number)
            self.exporter.replace(coming.values.values())
            self.current, self.coming = coming, None
            self._number.set(coming.number)
            self._until.set(coming.newest_ms / 1000)

    def _may_follow(self, coming: Generation) -> bool:
        """No number goes back in time, unless the stages of the other generation stand still."""
        if self.current is None or coming.as_of >= self.current.as_of:
            return True
        if coming.caught_up_at is None:
            coming.caught_up_at = time.monotonic()
        if time.monotonic() - coming.caught_up_at < BEHIND_SECONDS:
            return False
        behind = (self.current.as_of - coming.as_of) / 1e6
        log.warning(
            "generation %d is shown though it lags %.0f s behind: are its workers running?", coming.number, behind
        )
        return True
