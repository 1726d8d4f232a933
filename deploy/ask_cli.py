"""The commands that ask: what was measured, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from deploy import explain
from deploy.command import Command, data_option, on_kafka_option, out, refuse_folder
from deploy.folder import ask_store, asked, log_of, newest
from deploy.words import grid
from ingest import event as e


@click.command(name="explain", cls=Command, short_help="Show every interval behind the numbers of a case.")
@click.argument("case")
@click.argument("measure", default="")
@click.option(
    "--level",
    metavar="N",
    type=click.IntRange(0),
    help="Of the tree of departments, 0 for the top.  [default: the deepest]",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: instants and durations in microseconds.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw it instead, as one page in this file: lanes, hours, pauses and clocks, and the tables.",
)
@data_option
def explain_case(
    case: str, measure: str, level: int | None, as_json: bool, page: Path | None, data: Path | None
) -> None:
    """Print every interval that makes the numbers of CASE (or of one MEASURE of it). They add up.

    \b
    crossdesk explain INC0000045
    crossdesk explain helpdesk/HD-100232 first_response
    crossdesk explain HD-100232 --html case.html
    """
    if page is not None and as_json:
        raise click.UsageError("--json prints for programs, and --html draws for people: leave one of them out")
    folder = data or newest()
    question = {"case": case, "measure": measure, "level": level, "json": as_json, "html": page is not None}
    answer = asked(folder, "/explain", question)
    if answer is None:
        with log_of(folder) as log:
            answer = explain.answer(log, question)
    if page is None:
        click.echo(answer.decode(), nl=False)
    else:
        page.write_bytes(answer)
        click.echo(f"{page}: open it in a browser, or print it.")


@click.command(cls=Command, short_help="Ask the store in SQL.")
@click.argument("sql")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@on_kafka_option("Of the installation on Kafka: the store that CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE leads to.")
@data_option
def query(sql: str, as_json: bool, on_kafka: bool, data: Path | None) -> None:
    """Ask the store in SQL (ClickHouse's). It only reads. There are the tables facts, indicators, published
    (history, day by day) and departments.

    \b
    crossdesk query "SELECT measure, outcome, count() FROM facts GROUP BY ALL"
    crossdesk query "SELECT * FROM indicators WHERE window = '28d'" --json
    """
    if on_kafka:
        from deploy import cluster_asked  # whoever needs no Kafka does not wait for it

        refuse_folder(data)
        answer = json.loads(cluster_asked.queried(sql))
    else:
        folder = data or newest()
        body = asked(folder, "/query", {"sql": sql})
        answer = json.loads(ask_store(folder, sql) if body is None else body)
    _print_rows(answer["columns"], answer["rows"], as_json)


@click.command(cls=Command, short_help="Print the JSON Schema of events.")
@click.argument("type", required=False)
def schema(type: str | None) -> None:
    """Print the JSON Schema of an event TYPE, or the names of all types."""
    schemas = e.json_schemas()
    if type is None:
        click.echo("\n".join(schemas))
    elif type not in schemas and e.TYPE_PREFIX + type not in schemas:
        raise click.UsageError(f"there is no event type {type!r}; `crossdesk schema` lists them")
    else:
        click.echo(json.dumps(schemas.get(type) or schemas[e.TYPE_PREFIX + type], indent=2))


def _print_rows(columns: list[str], rows: list[list[Any]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(json.dumps(dict(zip(columns, row, strict=True))))
        return
    for line in grid(columns, rows, out.width if out.is_terminal else None):
        click.echo(line)
    click.echo(f"{len(rows):,} row{'s' if len(rows) != 1 else ''}", err=True)
