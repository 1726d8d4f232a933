"""The command ``crossdesk compare``: what a vendor says of its cases, beside what was measured here, and why where they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from deploy.command import Group, data_option, on_kafka_option, out
from deploy.compare import jira, report, schedules, zendesk
from deploy.compare.answers import documents
from deploy.compare.report import Comparison
from deploy.compare.sources import JIRA, ZENDESK, Cases, beside_jira, beside_zendesk
from deploy.log_read import log_read

_file = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.argument("files", metavar="FILE…", nargs=-1, required=True, type=_file),
    click.option(
        "--hours",
        metavar="NORMS",
        type=_file,
        help="A norms file with the vendor's own schedules (see `crossdesk norms import`), where they are other than ours.",
    ),
    click.option(
        "--source", metavar="NAME", help="Ours of these cases.  [default: the only one, or the vendor's name]"
    ),
    click.option("--differing", is_flag=True, help="Leave out the values that are equal."),
    click.option("--json", "as_json", is_flag=True, help="For programs: durations in microseconds."),
    on_kafka_option("Of the installation on Kafka: all that crossdesk.events holds now is looked through."),
    data_option,
)


class Asked(NamedTuple):
    """What both commands are told besides their files."""

    hours: Path | None
    source: str | None
    differing: bool
    as_json: bool
    on_kafka: bool
    data: Path | None

    @contextmanager
    def cases(self, vendor: str, names: Collection[str]) -> Iterator[Cases]:
        """``names``: as the vendor's source names those that are asked for."""
        hours = schedules.read(self.hours) if self.hours else None
        with log_read(self.data, on_kafka=self.on_kafka, cases=names) as log:
            yield Cases(log, self.source, vendor, hours)


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(cls=Group, name="compare", short_help="Hold the numbers of Zendesk or Jira beside ours.")
def compare() -> None:
    """Hold what a vendor says of its cases beside what was measured here: case by case, with the reason where they differ.

    A reason is computed, never guessed: counting so gives the vendor's value. Where no way does, it is not explained, and the
    command ends with 1.
    """


@compare.command("zendesk", short_help="The metrics of tickets.")
@_with_options
def compare_zendesk(files: tuple[Path, ...], **asked: Any) -> None:
    """FILE…: what GET /api/v2/ticket_metrics answered, or tickets with include=metric_sets, one answer a file or one a line.

    \b
    crossdesk compare zendesk metrics.json --differing
    """
    tickets, of = zendesk.read(documents(files)), Asked(**asked)
    with of.cases(ZENDESK, {str(one.ticket_id) for one in tickets}) as cases:
        _say(beside_zendesk(cases, tickets), of)


@compare.command("jira", short_help="The SLAs of requests.")
@click.option(
    "--means",
    metavar="NAME=MEASURE",
    multiple=True,
    help=f"Which measure says the same as an SLA of that name: {' or '.join(jira.KNOWN)}.",
)
@_with_options
def compare_jira(files: tuple[Path, ...], means: tuple[str, ...], **asked: Any) -> None:
    """FILE…: what GET /rest/servicedeskapi/request/ISSUE/sla answered, or issues whose fields have their SLAs, one answer a file
    or one a line.

    \b
    crossdesk compare jira sla.json --means "Time to close=resolution"
    """
    named, issues, of = _means(means), jira.read(documents(files)), Asked(**asked)
    with of.cases(JIRA, {one.id for one in issues}) as cases:
        _say(beside_jira(cases, issues, named), of)


def _means(given: tuple[str, ...]) -> Mapping[str, str]:
    named: dict[str, str] = {}
    for one in given:
        name, equals, measure = one.rpartition("=")
        if not equals or measure.strip() not in jira.KNOWN:
            mend = f"write NAME=MEASURE, with {' or '.join(jira.KNOWN)}"
            raise click.BadParameter(f"{one!r}: {mend}", param_hint="--means")
        named[name.strip().casefold()] = measure.strip()
    return named


def _say(comparison: Comparison, asked: Asked) -> None:
    if asked.as_json:
        click.echo(report.to_json(comparison))
    else:
        width = out.width if out.is_terminal else None
        for line in report.lines(comparison, width, differing=asked.differing):
            click.echo(line)
    left = comparison.not_explained
    if left:
        cases = list(dict.fromkeys(row.case for row in left))
        raise click.ClickException(
            f"{len(left):,} of {len(comparison.rows):,} values are not explained, of {', '.join(cases[:5])}"
            f"{' and others' if cases[5:] else ''}: `crossdesk explain {cases[0]}` shows how ours came about"
        )
