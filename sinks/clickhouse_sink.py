"""The sink that writes to ClickHouse: facts, indicators, raw events and sealed answers in batches, departments from each new
configuration. Of the sealed answers it also tells what they say together, once a week (:mod:`sinks.telling`).

Whatever it writes is an upsert, and offsets are committed after it: a crash anywhere repeats a batch, and nothing is counted twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import NamedTuple

import msgspec

from sinks.configured import Configured
from sinks.consumer import Follower
from sinks.gathering import Batch, Gathering
from sinks.persistence import Persistence
from sinks.prometheus import Exporter
from sinks.record import Record, UnusableRecord
from sinks.store import Full, Store, StoredRecord, StoreError
from sinks.telling import Telling
from streams.fact import VERSION, beginning, takes_back
from streams.indicators import IndicatorValue, decode
from streams.sealed import decode as decode_batch

log = logging.getLogger("crossdesk.sinks")

TAKE_SECONDS = 0.5
_FACTS_BEGIN = beginning(0)[: VERSION.start]


class Topics(NamedTuple):
    """What they are called on the broker."""

    facts: str
    indicators: str
    events: str
    sealed: str
    config: str

    @property
    def shared(self) -> tuple[str, ...]:
        """Those whose partitions the members of the group share; everybody reads the other whole."""
        return self.facts, self.indicators, self.events, self.sealed


class ClickHouseSink:
    """``opened`` gives the store when it is there, migrated. ``write_configuration`` writes what the store keeps of a record of the
    configuration, and gives until when that holds, in microseconds; it raises ``ValueError`` where it cannot read it. Of the
    versions that are there at the start it gets the newest, which is the one that stands.
    """

    def __init__(
        self,
        topics: Topics,
        gathering: Gathering,
        configurations: Follower,
        opened: Callable[[], Full],
        write_configuration: Callable[[Store, bytes], int | None],
        exporter: Exporter,
    ) -> None:
        self.topics, self.gathering, self.configurations = topics, gathering, configurations
        self.opened, self.write_configuration = opened, write_configuration
        self.configured = Configured()
        self.telling = Telling()
        self.writes = {
            topics.facts: write_facts,
            topics.events: write_events,
            topics.indicators: write_indicators,
            topics.sealed: write_sealed,
        }
        self.exporter = exporter
        self._records = exporter.count("sink_records_total", "Records that are in the store.", ("topic",))
        self._seconds = exporter.count("sink_write_seconds_total", "Time that the store took.")
        self._batch = exporter.level("sink_batch_records", "Records in the last batch.")
        self._until = exporter.level(
            "sink_stored_timestamp_seconds", "When the log took in the newest record that is in the store.", ("topic",)
        )
        for topic in self.writes:
            self._records.add(0, topic=topic)

    def run(self, stop: Event) -> None:
        """Until ``stop`` is set. Raises :class:`UnusableRecord`, ``sinks.record.ConsumerStopped``,
        ``sinks.store.StoreError``.
        """
        persistence = Persistence(stop, self.exporter)
        stores: list[Full] = []
        if not persistence.done(lambda: stores.append(self.opened()), "records wait in Kafka"):
            return
        store = stores[0]
        self.configurations.follow(self.topics.config)
        while not stop.is_set():
            self._configure(store, persistence)
            batch = self.gathering.take(TAKE_SECONDS)
            if batch is not None:
                self._store(batch, store, persistence)
            self._tell(store)

    def _configure(self, store: Store, persistence: Persistence) -> None:
        behind = True
        while behind:
            for record in self.configurations.poll(0):
                self.configured.hear(record)
            behind = not self.configurations.caught_up(self.topics.config) and not persistence.stop.wait(0.05)
        newest = self.configured.due()
        if newest is None:
            return
        held: list[int | None] = []
        try:
            if persistence.done(
                lambda: held.append(self.write_configuration(store, newest.value or b"")), "the configuration waits"
            ):
                self.configured.holds(held[-1])
                self.telling.look()
        except ValueError as error:
            raise UnusableRecord(newest, str(error)) from error

    def _tell(self, store: Full) -> None:
        """One member of the group tells: who has the one partition of what is sealed. Who gets it looks what there is to tell."""
        if self.gathering.holds(self.topics.sealed):
            self.telling.step(store)
        else:
            self.telling.look()

    def _store(self, batch: Batch, store: Store, persistence: Persistence) -> None:
        def write() -> None:
            for topic, write_records in self.writes.items():
                if records := batch.of_topic(topic):
                    _written(write_records, store, records)

        began = time.monotonic()
        if not persistence.done(write, f"{len(batch):,} records wait and their offsets are held, nothing is lost"):
            return
        self.gathering.written(batch)
        if batch.of_topic(self.topics.sealed):
            self.telling.look()
        self._seconds.add(time.monotonic() - began)
        self._batch.set(len(batch))
        for topic in self.writes:
            if records := batch.of_topic(topic):
                self._records.add(len(records), topic=topic)
                self._until.set(max(record.timestamp for record in records) / 1000, topic=topic)


Write = Callable[[Store, Sequence[Record]], None]


def write_facts(store: Store, records: Sequence[Record]) -> None:
    """Of each key the newest; a record without one is a mark."""
    newest: dict[bytes, bytes] = {}
    for record in records:
        if key := record.key:
            value = record.value or b""
            if not value.startswith(_FACTS_BEGIN):
                raise UnusableRecord(record, "it does not begin as facts do")
            held = newest.get(key)
            if held is None or _standing(value) >= _standing(held):
                newest[key] = value
    store.write_facts(list(newest.values()))


def _standing(fact: bytes) -> tuple[bytes, bool]:
    return fact[VERSION], not takes_back(fact)


def write_events(store: Store, records: Sequence[Record]) -> None:
    store.write_events([StoredRecord(r.offset, r.timestamp * 1000, r.value or b"") for r in records])


def write_indicators(store: Store, records: Sequence[Record]) -> None:
    """Of each series the value of the highest offset, the last of equal ones. What was taken out of the topic stays where it is."""
    newest: dict[bytes | None, IndicatorValue] = {}
    for record in records:
        if record.value is not None:
            try:
                value = decode(record.value)
            except msgspec.DecodeError as error:
                raise UnusableRecord(record, str(error)) from error
            held = newest.get(record.key)
            if held is None or value.offset >= held.offset:
                newest[record.key] = value
    store.write_indicators(list(newest.values()))


def write_sealed(store: Store, records: Sequence[Record]) -> None:
    batches = []
    for record in records:
        try:
            batches.append(decode_batch(record.value or b""))
        except msgspec.DecodeError as error:
            raise UnusableRecord(record, str(error)) from error
    store.write_sealed(batches)


def _written(write: Write, store: Store, records: Sequence[Record]) -> None:
    """The record that the store refuses for good is looked for in halves: writing the others again changes nothing."""
    try:
        write(store, records)
    except (UnusableRecord, StoreError):
        raise
    except Exception as error:
        while len(records) > 1:
            half = len(records) // 2
            records = records[:half] if _refused(write, store, records[:half]) else records[half:]
        if not _refused(write, store, records):
            raise
        raise UnusableRecord(records[0], f"the store refuses it: {error}") from error


def _refused(write: Write, store: Store, records: Sequence[Record]) -> bool:
    try:
        write(store, records)
    except StoreError:
        raise
    except Exception:  # noqa: BLE001  # it ends in stopping
        return True
    return False
