"""The command ``crossdesk norms page``: what departments promise and keep, for their colleagues to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from deploy import serve
from deploy.command import Command, data_option
from deploy.folder import STORE, Stopped, asked, exists, log_of, newest, openable
from deploy.norms_page.compose import NoPage, Pages
from deploy.norms_page.files import write_pages
from deploy.norms_page.observed import Ask
from sinks.clickhouse import connect
from sinks.configured import now_us
from streams.configuration import Configuration

NOTHING: Ask = lambda _: []  # noqa: E731


@click.command(cls=Command, short_help="Write a page for each department, for its colleagues.")
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to: index.html, and for each department DEPARTMENT.html and DEPARTMENT.json.",
)
@click.option("--department", metavar="ID", help="Only of this one; the others and index.html stay as they are.")
@data_option
def page(out: Path, department: str | None, data: Path | None) -> None:
    """Write for each department what it offers, how to reach it, when it is open, what it promises and what it keeps.

    The pages are made from the norms in force and from the store, as of now: make them again every hour or day. They need
    nothing but themselves, so any web server or folder will do. A department of fewer than five people, and the next-smallest
    beside it, appear on the page of what is above them, without numbers.

    \b
    crossdesk norms page --out public/
    crossdesk norms page --out public/ --department it
    """
    folder = data or newest()
    config = in_force(folder)
    with asking(folder) as ask:
        try:
            made = Pages(config, ask, now_us()).made(department)
        except NoPage as error:
            raise Stopped(str(error)) from error
    if not made:
        raise Stopped(
            "no department has a page: name some of five people or more in company.yaml, and `crossdesk apply` it"
        )
    write_pages(out, made, config.files.company.organisation, all_of_them=department is None)
    click.echo(f"{len(made)} page{'s' if len(made) > 1 else ''} in {out}")


def in_force(folder: Path) -> Configuration:
    """The newest configuration of an installation, whoever has it open."""
    answer = asked(folder, "/configuration", {})
    if answer is not None:
        return Configuration.decode(answer)
    with log_of(folder) as log:
        versions = log.configurations()
    if not versions:
        raise Stopped(f"no norms are in force in {folder}: `crossdesk apply FOLDER` first")
    return Configuration.decode(versions[max(versions)])


@contextmanager
def asking(folder: Path) -> Iterator[Ask]:
    """Asks the store, or the process that has it open."""
    if serve.running(folder) is not None:
        yield lambda sql: _rows(asked(folder, "/query", {"sql": sql}) or b"")
        return
    exists(folder)
    if not (folder / STORE).is_dir():
        yield NOTHING
        return
    with openable(folder):
        store = connect(f"chdb://{(folder / STORE).resolve()}")
    try:
        yield lambda sql: _rows(serve.queried(store, sql))
    finally:
        store.close()


def _rows(body: bytes) -> list[dict[str, object]]:
    answer = json.loads(body)
    return [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
