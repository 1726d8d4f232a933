"""The commands that mend: what could not be read, and cases folded anew."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from deploy import explain, serve
from deploy.command import Command, data_option, on_kafka_option, refuse_folder
from deploy.folder import asked, exists, log_of, newest, opened
from deploy.intake import bring_up_to_date
from deploy.words import visible


@click.command(cls=Command, short_help="List what could not be read.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row, with the record where it was kept.")
@on_kafka_option("Of the installation on Kafka, not of a folder.")
@data_option
def rejected(as_json: bool, on_kafka: bool, data: Path | None) -> None:
    """List every row and record that could not be read, with its place and the reason."""
    if on_kafka:
        refuse_folder(data)
    for row in _of_kafka() if on_kafka else _of_folder(data or newest()):
        place = row.get("place") or f"{_partition(row) if on_kafka else ''}offset {row.get('offset')} of the log"
        case = f" (case {row['subject']})" if row.get("subject") else ""
        click.echo(json.dumps(row) if as_json else visible(f"{place}: {row['reason']}{case}"))


def _of_folder(folder: Path) -> Iterable[dict[str, Any]]:
    body = asked(folder, "/rejected", {})
    if body is None:
        with log_of(folder) as log:
            body = serve.set_aside(log)
    rows: list[dict[str, Any]] = json.loads(body)
    return rows


def _of_kafka() -> Iterable[dict[str, Any]]:
    from deploy import cluster_asked  # whoever needs no Kafka does not wait for it

    return map(json.loads, cluster_asked.set_aside())


def _partition(row: dict[str, Any]) -> str:
    return f"partition {row.get('partition')}, "


@click.command(cls=Command, short_help="Fold cases anew from all their records.")
@click.argument("cases", nargs=-1, required=True)
@data_option
def repair(cases: tuple[str, ...], data: Path | None) -> None:
    """Fold CASES anew from all their stored records, and mend the facts that differ.

    Late events need no repair: they are folded when they come, however late.
    """
    folder = data or newest()
    exists(folder)
    with opened(folder) as embedded:
        for case in [explain.case_named(embedded.log, case) for case in cases]:
            embedded.repair(case)
        bring_up_to_date(embedded)
    click.echo(f"{len(cases)} folded again")
