"""From a source into a folder: read ahead, folded and stored under the eyes of who waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.ahead import Prepared
from deploy.embedded import Embedded
from deploy.history import PUBLISHED, publish_history
from deploy.memory import collect_rarely
from streams.indicators import IndicatorValue

DAY_SECONDS = 86_400

err = Console(stderr=True, highlight=False)


def take_in(embedded: Embedded, name: str, records: Iterator[Prepared], what: str, days: int | None = None) -> None:
    """All of a source, all the way into the store. ``days``: how long it will be, where that is known."""
    collect_rarely()
    before, started = embedded.log.position(f"source:{name}"), time.monotonic()
    count, begin = 0, 0.0
    with progress(what) as bar:
        for count, now in embedded.accept(name, records):
            begin = begin or now
            bar((now - begin) / DAY_SECONDS / days if days else None, f"{count:,} records")
        bar(None, f"{count:,} records, storing")
        embedded.flush()
        bar(1.0, f"{count:,} records")
    if not err.is_terminal:
        click.echo(f"{what}: {count:,} records, {time.monotonic() - started:.0f} s", err=True)
    if before and before == count:
        click.echo("Nothing is new: all of it was in the folder already.", err=True)
    elif before:
        click.echo(f"Went on behind the {before:,} records that were in the folder already.", err=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[[float | None, str], None]]:
    """A bar, where somebody looks at a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None, note="")

        def update(share: float | None, note: str) -> None:
            if share is None:
                bar.update(task, note=note)
            else:
                bar.update(task, total=1.0, completed=min(1.0, share), note=note)

        yield update


def bring_up_to_date(embedded: Embedded, *, history: bool = False) -> list[IndicatorValue]:
    """The store holds all facts and the latest values, which are returned; and their ``history``, or where it has one."""
    with progress("Publishing what was measured") as bar:
        embedded.flush()
        values = embedded.indicators()
        if embedded.store is not None:
            embedded.store.write_indicators(values)
        revisions = publish_history(embedded) if history or embedded.log.position(PUBLISHED) else 0
        bar(1.0, f"{revisions:,} values of days and hours" if revisions else "")
    return values
