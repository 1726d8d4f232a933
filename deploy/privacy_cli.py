"""The commands ``crossdesk privacy``: what is stored of people and answers, and what of one person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from deploy.command import Command, Group, data_option, on_kafka_option, refuse_folder
from deploy.folder import KEY, Stopped, identity_of, log_of, newest
from deploy.log import TOPICS
from deploy.privacy.person import CONFIG, Held, counted, of_person, told
from ingest.broker import broker_settings
from ingest.environment import read
from ingest.identity import Identity
from ingest.settings import ENVIRONMENT, IngestSettings
from ingest.settings import identity_of as identity_of_settings

OF_PERSONS = (*TOPICS, CONFIG)
"""What follows from these can be made anew of them, and holds no other pseudonyms."""


@click.group(cls=Group, short_help="Say what is stored of people and answers, and what never is.")
def privacy() -> None:
    """What is stored of people and answers, why, for how long, and who can read it."""


@privacy.command(cls=Command, short_help="Print the page for those who must agree.")
@click.option("--html", "as_html", is_flag=True, help="As HTML that needs nothing else, instead of Markdown.")
def page(as_html: bool) -> None:
    """Print every field that is stored of people and answers, why, for how long, and who can read it; and what is never read.

    It is made from the schemas that this release works by, so it is complete, and needs no installation.

    \b
    crossdesk privacy page > privacy.md
    crossdesk privacy page --html > privacy.html
    """
    from deploy.privacy.page import html, markdown  # whoever asks for a person does not wait for all schemas

    click.echo(html() if as_html else markdown(), nl=False)


@privacy.command(cls=Command, short_help="Say what is stored of one person, who is named on stdin.")
@click.option("--source", metavar="NAME", default="", help="Whose own id is given, where a source shows no address.")
@click.option("--json", "as_json", is_flag=True, help="Every record itself, one a line, behind its topic and key.")
@on_kafka_option("Of the installation on Kafka, with the key that CROSSDESK_INGEST_KEY_FILE names; not of a folder.")
@data_option
def person(source: str, as_json: bool, on_kafka: bool, data: Path | None) -> None:
    """Ask for a person's work e-mail address or HR number, on stdin, and say what is stored under their pseudonym.

    The address is kept nowhere: not in a log, nor in the history of the shell. Answers are not looked for: of a week that is over
    nobody can say whose they are but who has the key of pseudonyms and may read them.

    \b
    crossdesk privacy person --kafka
    crossdesk privacy person --kafka --json > copy.ndjson
    """
    if on_kafka:
        refuse_folder(data)
    with _of_kafka() if on_kafka else _of_folder(data or newest()) as (identity, records):
        click.echo("Work e-mail address or HR number: ", nl=False, err=True)
        pseudonym = identity.pseudonym(click.get_text_stream("stdin").readline(), source)
        if not pseudonym:
            raise click.UsageError("nobody is named: write an address or number on one line")
        found = of_person(pseudonym, records)
        if as_json:
            for held in found:
                click.echo(f"{held.topic} {held.key} {held.value.decode('utf-8', 'replace')}")
            return
        for line in told(pseudonym, counted(found)):
            click.echo(line)


@contextmanager
def _of_folder(folder: Path) -> Iterator[tuple[Identity, Iterator[Held]]]:
    with log_of(folder) as log:
        if not (folder / KEY).is_file():
            raise Stopped(f"{folder} has no {KEY}: whose its pseudonyms are cannot be said any more, or never could")

        def records() -> Iterator[Held]:
            for topic in TOPICS:
                yield from (Held(topic, record.key, record.value) for record in log.every(topic))
            yield from (Held(CONFIG, str(version), value) for version, value in log.configurations().items())

        yield identity_of(folder), records()


@contextmanager
def _of_kafka() -> Iterator[tuple[Identity, Iterator[Held]]]:
    from deploy.topic_reader import TopicReader  # whoever needs no Kafka does not wait for it

    identity = identity_of_settings(read(IngestSettings, ENVIRONMENT, os.environ))
    with TopicReader(broker_settings(os.environ)) as reader:

        def records() -> Iterator[Held]:
            for topic in OF_PERSONS:
                for _, kept in reader.held(topic):
                    yield Held(topic, kept.key.decode("utf-8", "replace"), kept.value or b"")

        yield identity, records()
