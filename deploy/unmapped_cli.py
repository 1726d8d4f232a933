"""The command that lists who occurs and is in no company file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click
import msgspec

from deploy.command import Command, data_option, on_kafka_option, refuse_folder
from deploy.directory import of_log, of_topic, with_people
from deploy.folder import Stopped, log_of, newest
from deploy.unmapped import Search, Unmapped, yaml_lines
from ingest.broker import broker_settings
from ingest.directory import Directory
from streams.configuration import Configuration

NOTHING_IN_FORCE = "nothing is in force yet: `crossdesk apply FOLDER` puts company.yaml in force"
NONE = "Every group and HR department that occurs is in company.yaml."
HEAD = "groups:  # to be added to those in company.yaml; then `crossdesk apply`"


class Installed(NamedTuple):
    """What is looked through. ``events``: the records of cases."""

    configuration: Configuration
    directory: Directory
    events: Iterator[bytes]


@click.command(cls=Command, short_help="List groups and HR departments that no company.yaml names.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@click.option(
    "--sources",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Ask the sources of this sources.yaml what the groups are called of which events have only ids.",
)
@on_kafka_option("Of the installation on Kafka, not of a folder.")
@data_option
def unmapped(as_json: bool, sources: Path | None, on_kafka: bool, data: Path | None) -> None:
    """List the groups of helpdesks and the departments of HR systems that occur and that company.yaml does not name: in how many
    cases, when last, and which department each may be.

    The list is YAML to be added to company.yaml, once you have looked at it. Nothing changes before you `crossdesk apply` it.
    """
    if on_kafka:
        refuse_folder(data)
    with _of_kafka() if on_kafka else _of_folder(data or newest()) as installed:
        rows, zone = _searched(installed, sources), installed.configuration.files.company.zone
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row))
    elif rows:
        click.echo("\n".join([HEAD, *yaml_lines(rows, zone)]))
    if not rows:
        click.echo(NONE, err=True)


def _searched(installed: Installed, sources: Path | None) -> list[Unmapped]:
    """Under what is in force, with the people as the directory has them now."""
    files = with_people(installed.configuration.files, installed.directory)
    search = Search(Configuration(files).company)
    for record in installed.events:
        search.hear(record)
    rows = search.found()
    if sources is None:
        return rows
    from deploy.group_names import asked  # whoever asks nobody does not wait for what it needs

    return search.found(asked(rows, sources))


@contextmanager
def _of_folder(folder: Path) -> Iterator[Installed]:
    with log_of(folder) as log:
        versions = log.configurations()
        if not versions:
            raise Stopped(NOTHING_IN_FORCE)
        events = (record.value for record in log.every("events") if record.key)
        yield Installed(Configuration.decode(versions[max(versions)]), of_log(log), events)


@contextmanager
def _of_kafka() -> Iterator[Installed]:
    from deploy.saying import Destination  # whoever needs no Kafka does not wait for it
    from deploy.topic_reader import TopicReader

    broker = broker_settings(os.environ)
    with Destination.of(broker).configurations() as configurations:
        configuration = configurations.configuration
    if configuration is None:
        raise Stopped(NOTHING_IN_FORCE)
    with TopicReader(broker) as reader:

        def events() -> Iterator[bytes]:
            for partition, stretch in reader.stretches("events").items():
                for record in reader.read("events", partition, stretch):
                    if record.key and record.value is not None:
                        yield record.value

        yield Installed(configuration, of_topic(reader), events())
