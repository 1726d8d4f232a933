"""The commands that measure anew, compare, and change over: generations of the embedded mode.

Events and configurations are common; all that was computed of them belongs to a generation. The current one takes in what comes;
another one stands where it was left, and is brought up to the end of the log when somebody switches to it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from deploy.command import Command, data_option, on_kafka_option, refuse_folder
from deploy.embedded import Embedded, open_store
from deploy.folder import Outdated, Stopped, log_of, newest, openable, opened
from deploy.generation import Difference, compare, told
from deploy.history import PUBLISHED
from deploy.intake import bring_up_to_date, progress
from deploy.memory import collect_rarely


@click.command(cls=Command, short_help="Measure everything anew, and compare.")
@click.option("--drop", metavar="N", type=click.IntRange(1), help="Remove generation N instead.")
@on_kafka_option("On Kafka and in ClickHouse, beside the stages that run.")
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(0, 64),
    default=1,
    help="With --kafka: so many are started for it, and a sink; 0: those of the next generation run already.  [default: 1]",
)
@data_option
def rebuild(drop: int | None, on_kafka: bool, workers: int, data: Path | None) -> None:
    """Measure all that the log holds anew, into the next generation, and say what differs from the current one.

    Do so when measures have changed. Nobody sees the new numbers before `crossdesk switch`. A rebuild that was
    interrupted goes on where it stopped; a next generation that is complete is made anew, and on Kafka brought up to date.
    """
    if on_kafka:
        from deploy import cluster_generation_cli

        refuse_folder(data)
        cluster_generation_cli.rebuild(drop, workers)
        return
    folder = data or newest()
    if drop is not None:
        _remove(folder, drop)
        click.echo(f"generation {drop} is not in {folder} any more")
        return
    with log_of(folder) as log:
        current, generation = log.current, log.current + 1
        goes_on = log.unfinished(generation)
        there, behind = generation in log.generations(), log.behind()
    if behind:  # it was stopped, and all that it lacks would differ
        _complete(folder, current)
    if goes_on:
        click.echo(f"Generation {generation} was begun already: going on with it.", err=True)
    else:
        if there:
            click.echo(f"Generation {generation} is there already: measuring it anew.", err=True)
        _remove(folder, generation, there=there)
    try:
        found = _fill(folder, generation, current)
    except Outdated:
        click.echo(f"Generation {generation} was begun by another crossdesk: beginning again.", err=True)
        _remove(folder, generation)
        found = _fill(folder, generation, current)
    for line in told(found):
        click.echo(line)
    _say_next(found, current, generation, f" --data {folder}" if data else "")


@click.command(cls=Command, short_help="Show the numbers of another generation.")
@click.argument("generation", type=click.IntRange(1), required=False)
@on_kafka_option("In ClickHouse and for Prometheus, where stages run on Kafka.")
@data_option
def switch(generation: int | None, on_kafka: bool, data: Path | None) -> None:
    """Have everybody read GENERATION from now on: the one that `crossdesk rebuild` has made, unless another is named.

    First it takes in what has come since it was made, so that no number goes back in time. The generation before
    stays, and `crossdesk switch` leads back to it.
    """
    if on_kafka:
        from deploy import cluster_generation_cli

        refuse_folder(data)
        cluster_generation_cli.switch(generation)
        return
    folder = data or newest()
    with log_of(folder) as log:
        current = log.current
        wanted = generation or current + 1
        if wanted not in (there := log.generations()):
            listed = ", ".join(map(str, there))
            raise Stopped(f"{folder} has no generation {wanted}, only {listed}: `crossdesk rebuild` makes the next one")
        if log.unfinished(wanted):
            goes_on, removed = "`crossdesk rebuild` goes on with it", f"`crossdesk rebuild --drop {wanted}` removes it"
            raise Stopped(f"generation {wanted} is not complete: {goes_on if wanted == current + 1 else removed}")
    if wanted == current:
        click.echo(f"generation {wanted} is the current one in {folder} already")
        return
    _bring_up(folder, wanted)
    with log_of(folder, wanted) as log, openable(folder):
        log.switch(wanted)
        open_store(folder, log).close()
    click.echo(f"generation {wanted} is the current one in {folder}; `crossdesk switch {current}` leads back")


def _fill(folder: Path, generation: int, current: int) -> list[Difference]:
    """All of the log into the generation, and what differs in it from the current one. Raises Outdated."""
    with opened(folder, generation) as beside:
        _catch_up(beside, f"Measuring anew, as generation {generation}")
        bring_up_to_date(beside, history=bool(beside.log.position(PUBLISHED, current)))
        assert beside.store is not None
        found = compare(beside.store, current, generation)
        beside.log.finish()
    return found


def _complete(folder: Path, current: int) -> None:
    try:
        _bring_up(folder, current)
    except Outdated as error:
        click.echo(f"{error}. What it lacks will show as new.", err=True)


def _bring_up(folder: Path, generation: int) -> None:
    """To the end of the log. A generation of other measures that lacks nothing is fine as it is. Raises Outdated."""
    with log_of(folder, generation) as log:
        behind = log.behind()
    try:
        with opened(folder, generation) as embedded:
            if behind:
                _catch_up(embedded, f"Bringing generation {generation} up to the end of the log")
            bring_up_to_date(embedded)
    except Outdated as error:
        if behind:
            raise Outdated(
                f"generation {generation} was measured by a crossdesk with other measures, and {behind:,} records have come "
                "that this one cannot add to it: use that crossdesk, or keep the generation that is current"
            ) from error


def _catch_up(embedded: Embedded, what: str) -> None:
    collect_rarely()
    started, log = time.monotonic(), embedded.log
    first = next = log.position("cases")
    with progress(what) as bar:
        for next in embedded.catch_up():
            bar(next / log.end("events"), f"{next:,} records")
        bar(None, f"{next:,} records, storing")
        embedded.flush()
        bar(1.0, f"{next:,} records")
    click.echo(f"{what}: {next - first:,} records, {time.monotonic() - started:.0f} s", err=True)


def _remove(folder: Path, generation: int, *, there: bool = True) -> None:
    """From the log first: what is not in the log cannot be switched to."""
    with log_of(folder) as log, openable(folder):
        store = open_store(folder, log)
        try:
            found = sorted({*log.generations(), *store.generations()})
            if there and generation not in found:
                raise Stopped(f"{folder} has no generation {generation}, only {', '.join(map(str, found))}")
            log.forget(generation)
            store.drop(generation)
        finally:
            store.close()


def _say_next(found: Sequence[Difference], current: int, generation: int, where: str) -> None:
    differs = any(row.differ for row in found)
    click.echo(f"\n{'It differs' if differs else 'Nothing differs'}. Everybody still reads generation {current}.")
    for what, command in (
        (f"To have everybody read generation {generation}:", f"switch {generation}"),
        ("To remove it:", f"rebuild --drop {generation}"),
    ):
        click.echo(f"  {what}\n    crossdesk {command}{where}")
