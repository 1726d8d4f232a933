"""From a source to Kafka, under the eyes of who waits. What the broker has acknowledged is not said again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

from deploy.ahead import Prepared
from deploy.configurations import Configurations
from deploy.intake import DAY_SECONDS, progress
from deploy.memory import collect_rarely
from deploy.settled import Settled
from deploy.topics import Topics
from ingest import event as e
from ingest import topics as declared
from ingest.broker import BrokerSettings, BrokerUnavailable
from ingest.publish import Publisher

SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Destination:
    """``topic``: that of the events, whatever its name was used for before."""

    broker: BrokerSettings
    topic: str

    @classmethod
    def of(cls, broker: BrokerSettings, *, make: bool = False) -> Destination:
        """``make``: the topics that are missing. Raises ``ingest.topics.TopicsDiffer`` and :class:`BrokerUnavailable`."""
        with Topics(broker, list(declared.topics())) as found:
            if make:
                found.apply()
            found.refuse_differences()
            return cls(broker, found.id_of(declared.name("events")))

    def configurations(self) -> Configurations:
        return Configurations(self.broker)

    def say(
        self,
        settled: Settled,
        source: str,
        records: Iterator[Prepared],
        what: str,
        *,
        days: int | None = None,
        rate: int | None = None,
    ) -> None:
        """All that ``source`` says, from where it was acknowledged on. ``days``: how long it will be, where known; ``rate``:
        no more records than that a second.
        """
        collect_rarely()
        before, started = settled.records(source, self.topic), time.monotonic()
        count, begin, settle_at = 0, 0.0, started + SETTLE_SECONDS
        try:
            with Publisher(self.broker) as publisher, progress(what) as bar:
                for count, record in _paced(enumerate(records, 1), before, rate):
                    if record.topic == "feedback" and not record.key:
                        publisher.say("feedback", e.PUBLISHED, self._in_force())  # under which that week is sealed
                    publisher.say(record.topic, record.key, record.value)
                    begin = begin or record.time
                    if time.monotonic() >= settle_at:
                        publisher.settle()
                        settled.settle(source, self.topic, count)
                        bar((record.time - begin) / DAY_SECONDS / days if days else None, f"{count:,} records")
                        settle_at = time.monotonic() + SETTLE_SECONDS
                publisher.settle()
        except BrokerUnavailable as error:
            raise BrokerUnavailable(f"{error}. The same command goes on from what was acknowledged") from error
        settled.settle(source, self.topic, max(count, before))
        self._conclude(what, before, count, time.monotonic() - started)

    def _in_force(self) -> bytes:
        """The mark of the newest version of the configuration."""
        with self.configurations() as configurations:
            newest = configurations.read().newest
        return e.encode(e.config_mark(newest.version if newest else 1, e.EPOCH))

    def _conclude(self, what: str, before: int, count: int, seconds: float) -> None:
        servers = self.broker.bootstrap_servers
        click.echo(f"{what}: {max(count, before):,} records, all acknowledged by {servers}, {seconds:.0f} s", err=True)
        if before and not count:
            click.echo("Nothing is new: all of it was acknowledged before.", err=True)
        elif before:
            click.echo(f"Went on behind the {before:,} records that were acknowledged before.", err=True)


def _paced(records: Iterator[tuple[int, Prepared]], before: int, rate: int | None) -> Iterator[tuple[int, Prepared]]:
    """Those behind the first ``before``, and no more than ``rate`` a second."""
    started = time.monotonic()
    for number, record in records:
        if number <= before:
            started = time.monotonic()
            continue
        if rate and (ahead := (number - before) / rate - (time.monotonic() - started)) > 0:
            time.sleep(ahead)
        yield number, record
