"""The command ``crossdesk reproduce``."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import click

from deploy import reproduce as reproducing
from deploy.command import Command, data_option
from deploy.folder import STORE, Stopped, log_of, newest, openable
from deploy.words import visible
from sinks.clickhouse import connect


@click.command(cls=Command, short_help="Compute a published value again, bit for bit, or say why it differs.")
@click.argument("series")
@click.argument("period")
@click.option("--json", "as_json", is_flag=True, help="For programs: instants in microseconds.")
@data_option
def reproduce(series: str, period: str, as_json: bool, data: Path | None) -> None:
    """Compute what is published of SERIES (DEPARTMENT/INDICATOR, of a pair DEPARTMENT/INDICATOR/COUNTERPART) and PERIOD (a day
    or an hour of UTC) again from facts. Where a revision says something else, say which facts came or changed after it, and why.

    It only reads. The exit code is 1 where facts do not say what is published now.

    \b
    crossdesk reproduce it/first_response_attainment_ratio 2026-01-14
    crossdesk reproduce it/acceptance_p50_seconds/finance 2026-01-14
    """
    folder = data or newest()
    with log_of(folder) as log:
        if not (folder / STORE).is_dir():
            raise Stopped(f"{folder} holds no facts yet: `crossdesk replay` or `crossdesk demo` makes some")
        with openable(folder):
            store = connect(f"chdb://{(folder / STORE).resolve()}", log.current)
        with closing(store):
            found = reproducing.reproduce(store, log, series, period)
    if as_json:
        click.echo(json.dumps(reproducing.as_json(found)))
    else:
        for line in reproducing.lines(found):
            click.echo(visible(line))
    if not found.same:
        raise click.exceptions.Exit(1)
