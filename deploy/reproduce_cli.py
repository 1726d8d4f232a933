"""The command ``crossdesk reproduce``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from deploy import reproduce as reproducing
from deploy.command import Command, data_option, on_kafka_option, refuse_folder
from deploy.folder import STORE, Stopped, asked, log_of, newest, openable
from deploy.log_read import log_read
from deploy.words import visible
from sinks.clickhouse import connect

SECONDS = 3_600
"""For as long the process that serves a folder may look for reasons."""


@click.command(cls=Command, short_help="Compute a published value again, bit for bit, or say why it differs.")
@click.argument("series")
@click.argument("period")
@click.option("--json", "as_json", is_flag=True, help="For programs: instants in microseconds.")
@on_kafka_option(
    "Of the installation on Kafka: the store that CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE leads to, and the events."
)
@data_option
def reproduce(series: str, period: str, as_json: bool, on_kafka: bool, data: Path | None) -> None:
    """Compute what is published of SERIES (DEPARTMENT/INDICATOR, of a pair DEPARTMENT/INDICATOR/COUNTERPART) and PERIOD (a day
    or an hour of UTC) again from facts. Where a revision says something else, say which facts came or changed after it, and why.

    It only reads. The exit code is 1 where facts do not say what is published now.

    \b
    crossdesk reproduce it/first_response_attainment_ratio 2026-01-14
    crossdesk reproduce it/acceptance_p50_seconds/finance 2026-01-14
    """
    question = {"series": series, "period": period, "json": as_json}
    if on_kafka:
        refuse_folder(data)
        answer = _of_cluster(question)
    else:
        folder = data or newest()
        answer = asked(folder, "/reproduce", question, SECONDS) or _of_folder(folder, question)
    said = json.loads(answer)
    for line in said["lines"]:
        click.echo(line if as_json else visible(line))
    if not said["same"]:
        raise click.exceptions.Exit(1)


def _of_folder(folder: Path, question: Mapping[str, Any]) -> bytes:
    with log_of(folder) as log:
        if not (folder / STORE).is_dir():
            raise Stopped(f"{folder} holds no facts yet: `crossdesk replay` or `crossdesk demo` makes some")
        with openable(folder):
            store = connect(f"chdb://{(folder / STORE).resolve()}", log.current)
        with closing(store):
            return reproducing.answer(store, lambda: log, question)


def _of_cluster(question: Mapping[str, Any]) -> bytes:
    from deploy.cluster_asked import store_address  # whoever needs no Kafka does not wait for it

    with closing(connect(store_address())) as store:
        current = store.current_generation()
    with ExitStack() as opened:
        store = opened.enter_context(closing(connect(store_address(), current)))
        return reproducing.answer(store, lambda: opened.enter_context(log_read(None, on_kafka=True)), question)
