"""The commands ``crossdesk rejected``: what could not be read is listed, shown, replayed and discarded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import click

from deploy.command import Group, data_option, on_kafka_option, refuse_folder, sources_option
from deploy.folder import Stopped, newest
from deploy.rejected.ledger import DISCARDED, Ledger, Row, groups, handled, kept
from deploy.rejected.places import Origins, desk, discarding, values_of
from deploy.rejected.replay import NotReplayed, Replay
from deploy.words import visible

F = TypeVar("F", bound=Callable[..., None])
ALL_NAMES = "`crossdesk rejected list --all` names them"


class ListUnlessNamed(Group):
    """Without the name of a command, it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ListUnlessNamed, short_help="List, replay and discard what could not be read.")
def rejected() -> None:
    """Deal with the rows and records that could not be read. Nothing of them is lost, and the rest flows.

    Each has a short name. It is listed and counted until it was replayed or discarded. Without a command, it lists.
    """


def _installation(command: F) -> F:
    decorated: F = on_kafka_option("Of the installation on Kafka, not of a folder.")(data_option(command))
    return decorated


def _folder(on_kafka: bool, data: Path | None) -> Path | None:
    """None: on Kafka."""
    if on_kafka:
        refuse_folder(data)
        return None
    return data or newest()


_source_option = click.option("--source", metavar="SOURCE", default="", help="Only of this source.")


# -- to look
@rejected.command("list", short_help="List what could not be read.")
@click.option("--all", "each", is_flag=True, help="Each with its name, place and case, not how many of which reason.")
@_source_option
@click.option("--handled", "of_handled", is_flag=True, help="What was replayed or discarded, instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; with --all all that was kept, too.")
@_installation
def list_(each: bool, source: str, of_handled: bool, as_json: bool, on_kafka: bool, data: Path | None) -> None:
    """List the rows and records that could not be read: how many for which reason, the first with its name and place."""
    values = values_of(_folder(on_kafka, data))
    ledger = Ledger(values())
    rows = list(ledger.rows(source, handled=of_handled))
    if not each:
        for line in _grouped(rows, as_json):
            click.echo(line)
    elif as_json:
        for name, whole in kept(values(), {row.name for row in rows}):
            click.echo(json.dumps({"name": name, **whole, **_about(ledger.named(name))}))
    else:
        for row in rows:
            case = f" (case {row.subject})" if row.subject else ""
            at = " ".join(part for part in (row.name, row.source, row.where) if part)
            click.echo(visible(f"{at}: {row.reason}{case}{_handled(row)}"))


def _grouped(rows: Sequence[Row], as_json: bool) -> Iterator[str]:
    for group in groups(rows):
        first = group.first
        if as_json:
            named = {"count": group.count, "source": group.source, "reason": group.reason}
            yield json.dumps({**named, "first": first.name, "place": first.where})
        else:
            of = f"{group.source}: " if group.source else ""
            where = f", {first.where}" if first.where else ""
            yield visible(f"{group.count:>7,}  {of}{group.reason} (first: {first.name}{where})")


def _about(row: Row | None) -> dict[str, Any]:
    if row is None:
        return {}
    found: dict[str, Any] = {"source": row.source, "times": row.times}
    return {**found, "handled": row.handled, "why": row.why} if row.handled and not row.open else found


def _handled(row: Row) -> str:
    return f" [{row.handled}{': ' if row.why else ''}{row.why}]" if row.handled and not row.open else ""


@rejected.command(short_help="Show all that was kept of one.")
@click.argument("name")
@_installation
def show(name: str, on_kafka: bool, data: Path | None) -> None:
    """Show all that was kept of NAME, as it came: it may hold what no message ever says."""
    values = values_of(_folder(on_kafka, data))
    row = _named(Ledger(values()), name)
    (_, whole), *_ = kept(values(), {name})
    for field, value in {"name": name, **whole, **_about(row)}.items():
        if value not in ("", None):
            click.echo(visible(f"{field + ':':<11}{value}"))


# -- to handle
@rejected.command(short_help="Read it again, and say it where it can be read now.")
@click.argument("names", metavar="NAME…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that nobody has handled.")
@_source_option
@click.option(
    "--mended",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The one event as it should be, in JSON.",
)
@sources_option
@_installation
def replay(
    names: tuple[str, ...],
    everything: bool,
    source: str,
    mended: Path | None,
    sources: Path,
    on_kafka: bool,
    data: Path | None,
) -> None:
    """Read NAME… again: what lies among the events with this release of crossdesk, what a source told by asking the source again.

    What can be read now is said under its case, and counts as handled. What cannot stays as it was, and the message says how
    to mend it.
    """
    if sum((bool(names), everything, bool(source))) != 1:
        raise click.UsageError("say which: their NAMES, or --source SOURCE, or --all")
    if mended is not None and len(names) != 1:
        raise click.UsageError("--mended FILE is one record as it should be: say its NAME")
    folder = _folder(on_kafka, data)
    with ExitStack() as stack:
        at = stack.enter_context(desk(folder))
        again = Replay(at.sink, at.held, Origins(sources, at, stack))
        ledger = Ledger(at.values())
        rows = [_named(ledger, name) for name in names] or list(ledger.rows(source))
        content = mended.read_bytes() if mended is not None else None
        failed = sum(not _replayed(again, row, content) for row in sorted(rows, key=lambda r: (r.source, r.subject)))
    if failed:
        raise click.ClickException(f"{failed} of {len(rows)} could not be replayed, and stay as they were")


def _replayed(again: Replay, row: Row, mended: bytes | None) -> bool:
    if not row.open:
        click.echo(f"{row.name}: is {row.handled} already")
        return True
    try:
        again.replay(row, mended)
    except NotReplayed as error:
        click.echo(visible(f"{row.name}: {error}"), err=True)
        return False
    click.echo(f"{row.name}: replayed")
    return True


@rejected.command(short_help="Say that one needs no more care.")
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option("--reason", metavar="TEXT", required=True, help="Why. It stands beside it from now on; name no person.")
@_installation
def discard(names: tuple[str, ...], reason: str, on_kafka: bool, data: Path | None) -> None:
    """Count NAME… as handled. What was kept of it stays: `crossdesk rejected list --handled` lists it."""
    with discarding(_folder(on_kafka, data)) as at:
        ledger = Ledger(at.values())
        for row in [_named(ledger, name) for name in names]:
            if row.open:
                at.sink.say("rejected", row.key, handled(row, DISCARDED, reason))
                at.sink.settle()
            click.echo(f"{row.name}: {'discarded' if row.open else f'is {row.handled} already'}")


def _named(ledger: Ledger, name: str) -> Row:
    row = ledger.named(name)
    if row is None:
        raise Stopped(f"nothing that was rejected is called {name!r}: {ALL_NAMES}")
    return row
