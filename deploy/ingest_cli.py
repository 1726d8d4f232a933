"""The commands ``crossdesk ingest``: the stage that takes in what sources tell, and what helps to set it up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import click

from deploy.command import Command, Group
from deploy.sources_file import load
from ingest.broker import broker_settings
from ingest.environment import BadSettings, read
from ingest.settings import ENVIRONMENT, IngestSettings, identity_of
from ingest.sources import SourceEntry


@click.group(cls=Group, invoke_without_command=True, short_help="Take in what helpdesks, HR systems and surveys tell.")
@click.pass_context
def ingest(ctx: click.Context) -> None:
    """Ask the sources of sources.yaml what is new, take their webhooks, and say it to Kafka, until SIGTERM.

    Settings come from the environment, CROSSDESK_INGEST_… and CROSSDESK_KAFKA_…: docs/ingest.md lists them.
    """
    if ctx.invoked_subcommand is None:
        with run.make_context("run", [], parent=ctx) as inner:
            run.invoke(inner)


@ingest.command(short_help="The stage itself; the same as `crossdesk ingest`.")
def run() -> None:
    """Until SIGTERM."""
    from deploy.ingest_stage import run_stage  # whoever needs no Kafka does not wait for it

    with _said():
        run_stage(settings(), broker_settings(os.environ))


@ingest.command(cls=Command, short_help="Try every source once; nothing is said anywhere.")
def check() -> None:
    """Read the settings and sources.yaml, and ask every source that has an API for its first page.

    Ends with 1 if a source does not answer as it should.
    """
    from deploy.ingest_stage import refuse_without_a_store
    from deploy.ingesting import api_of
    from ingest.api import Budget, SourceDown
    from ingest.connector import Refused, has_hooks
    from ingest.event import Unreadable

    told = settings()
    identity_of(told)
    entries = load(told.sources).sources
    refuse_without_a_store(told, entries)
    failed = 0
    for entry in entries:
        connector = entry.built()
        if entry.url:
            try:
                with api_of(entry, connector, Budget(entry.requests_per_minute), Event()) as api:
                    page = next(iter(connector.fetch(api, "", datetime.now(UTC))), None)
                click.echo(f"{entry.name}: answers, with {len(page.documents) if page else 0} documents to begin with")
            except (Refused, SourceDown, Unreadable, BadSettings) as error:
                failed += 1
                click.secho(f"{entry.name}: {error}", fg="red")
        if has_hooks(type(connector)):
            click.echo(f"{entry.name}: webhooks go to /hooks/{entry.name}{_signed(entry)}")
    if failed:
        raise click.exceptions.Exit(1)


def _signed(entry: SourceEntry) -> str:
    return "" if entry.hook_secret_files else ", and all are refused until hook_secret_files names their secret"


@ingest.command(name="file", cls=Command, short_help="Take in a file of a source: people, survey answers, scores.")
@click.argument("source")
@click.argument("path", type=click.Path(path_type=Path))
def take_file(source: str, path: Path) -> None:
    """Take in the file PATH of SOURCE, as sources.yaml names it. Taken in twice, it counts once."""
    from deploy.ingest_stage import take_file_of

    told = settings()
    entry = next((entry for entry in load(told.sources).sources if entry.name == source), None)
    if entry is None:
        raise BadSettings(f"{told.sources} names no source {source!r}")
    with _said():
        click.echo(take_file_of(entry, path, told, broker_settings(os.environ)))


@contextmanager
def _said() -> Iterator[None]:
    """What only these commands can raise is told as what all can raise is."""
    from ingest.answers.store import AnswersError
    from ingest.webhooks.serving import CannotServe

    try:
        yield
    except (AnswersError, CannotServe) as error:
        raise click.ClickException(str(error)) from error


def settings() -> IngestSettings:
    """Raises :class:`ingest.environment.BadSettings`."""
    return read(IngestSettings, ENVIRONMENT, os.environ)
