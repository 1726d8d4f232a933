"""The command ``crossdesk reconcile``: a source is compared with what was said of it, and what is missing is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import click

from deploy.command import Command, data_option, on_kafka_option, refuse_folder, sources_option
from deploy.folder import Stopped, exists, identity_of, newest, opened
from deploy.intake import bring_up_to_date
from deploy.log import Log
from deploy.log_sink import LogSink
from deploy.words import visible
from ingest.broker import BrokerSettings, broker_settings
from ingest.connector import Api, Connector, Refused, is_polled
from ingest.environment import read
from ingest.identity import Identity, People
from ingest.intake import Sink
from ingest.reconcile import Found, Said, reconcile
from ingest.settings import ENVIRONMENT, IngestSettings
from ingest.settings import identity_of as identity_of_settings
from ingest.sources import SourceEntry


@click.command("reconcile", cls=Command, short_help="Compare a source with what was said of it, and mend.")
@click.argument("source")
@click.option(
    "--since", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="Only what happened since then, in UTC."
)
@click.option("--check", is_flag=True, help="Say what is missing, and mend nothing; ends with 1 if something is.")
@sources_option
@on_kafka_option("Of the installation on Kafka, not of a folder.")
@data_option
def reconcile_command(
    source: str, since: datetime | None, check: bool, sources: Path, on_kafka: bool, data: Path | None
) -> None:
    """Walk all that SOURCE tells, and say the events that were never said: `crossdesk ingest` may run meanwhile.

    What happened after the last watermark of the source is not missing, only not polled yet.
    """
    if on_kafka:
        refuse_folder(data)
    began = None if since is None else since.replace(tzinfo=UTC)
    entry = entry_of(source, sources)
    found = _on_kafka(entry, began, check) if on_kafka else _in_folder(entry, began, check, data or newest())
    for line in told(found, source, mended=not check):
        click.echo(visible(line))
    if check and found.missing:
        raise click.ClickException(f"leave out --check, and they are said: crossdesk reconcile {source}")


def entry_of(source: str, sources: Path) -> SourceEntry:
    """Raises :class:`Stopped` where it cannot be asked, and ``ingest.environment.BadSettings``."""
    from deploy import sources_file

    known = {entry.name: entry for entry in sources_file.load(sources).sources}
    entry = known.get(source)
    if entry is None:
        raise Stopped(f"{sources} names no source {source!r}; it names {', '.join(known) or 'none'}")
    if not entry.url or not is_polled(type(entry.built())):
        raise Stopped(f"{source} has no API to walk: what it sends can only be sent again")
    return entry


# -- where it was said
def _on_kafka(entry: SourceEntry, since: datetime | None, check: bool) -> Found:
    from ingest.publish import Publisher

    broker = broker_settings(os.environ)
    identity = identity_of_settings(read(IngestSettings, ENVIRONMENT, os.environ))
    said = said_on_kafka(broker, entry.name, since)
    with ExitStack() as stack:
        sink = None if check else stack.enter_context(Publisher(broker))
        return compared(entry, identity, said, sink)


def _in_folder(entry: SourceEntry, since: datetime | None, check: bool, folder: Path) -> Found:
    exists(folder)
    with opened(folder) as embedded:
        said = said_in(embedded.log, entry.name, since)
        found = compared(entry, identity_of(folder), said, None if check else LogSink(embedded.log))
        if found.missing and not check:
            embedded.fold()
            bring_up_to_date(embedded)
    return found


def said_on_kafka(broker: BrokerSettings, source: str, since: datetime | None = None) -> Said:
    """Reads the topic of events from its beginning to where it ends now. Raises ``ingest.broker.BrokerUnavailable``."""
    from deploy.topic_reader import TopicReader

    said = Said(source, since)
    with TopicReader(broker) as reader:
        for partition, stretch in reader.stretches("events").items():
            said.expect(partition)
            for record in reader.read("events", partition, stretch):
                said.hear(partition, record.key, record.value)
    return said


def said_in(log: Log, source: str, since: datetime | None = None) -> Said:
    said = Said(source, since)
    said.expect(0)
    for record in log.every("events"):
        said.hear(0, record.key.encode(), record.value)
    return said


# -- the source
def compared(entry: SourceEntry, identity: Identity, said: Said, sink: Sink | None) -> Found:
    """Asks the source within its budget, of which a poller elsewhere knows nothing. Raises :class:`Stopped` where it does not
    answer.
    """
    from deploy.ingesting import api_of
    from ingest.api import Budget, SourceDown

    connector = entry.built()
    try:
        with api_of(entry, connector, Budget(entry.requests_per_minute), Event()) as api:
            return walked(connector, api, identity, said, sink)
    except (SourceDown, Refused) as error:
        again = "nothing was lost, and the same command begins again"
        raise Stopped(f"{entry.name} could not be walked to its end: {error}; {again}") from None


def walked(connector: Connector, api: Api, identity: Identity, said: Said, sink: Sink | None) -> Found:
    return reconcile(connector, api, People(identity, connector.source), said, datetime.now(UTC), sink)


# -- what is said of it
def told(found: Found, source: str, *, mended: bool) -> Iterator[str]:
    """The most frequent type first."""
    for name, count in found.missing.most_common():
        yield f"{count:>9,}  {name}, of {', '.join(found.examples[name])}{' and others' if count > 3 else ''}"
    total = found.missing.total()
    yield f"{source}: {found.told:,} events are there, {_missing(total, mended) if total else 'none is missing'}"
    if found.later:
        why = "they happened after its last watermark" if found.until else "it has no watermark"
        yield f"{found.later:,} are not polled yet: {why}"
    if found.untold:
        yield f"{found.untold:,} were said that the source does not tell any more; they stay"
    if found.rejected:
        yield f"{found.rejected:,} times something could not be read: see `crossdesk rejected list --source {source}`"


def _missing(total: int, mended: bool) -> str:
    events, was, now = ("event", "was", "is") if total == 1 else ("events", "were", "are")
    return f"{total:,} {events} {was} missing, and {now} said now" if mended else f"{total:,} {events} {now} missing"
