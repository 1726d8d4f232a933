"""The commands ``crossdesk norms import``: SLA policies and schedules of a helpdesk become a norms file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from pydantic import TypeAdapter, ValidationError

from deploy.command import Group
from deploy.folder import Stopped
from deploy.norms_import import jira, zendesk
from deploy.norms_import.answers import answers
from deploy.norms_import.norms_text import Imported, norms_text, not_carried
from deploy.yaml_text import parse
from streams.company import DepartmentId
from streams.dated import YEARS
from streams.norm_entry import NormsFile

F = TypeVar("F", bound=Callable[..., None])
YEARS_BACK, YEARS_AHEAD = 1, 3


@click.group("import", cls=Group, short_help="Make a norms file of a helpdesk's SLA policies and schedules.")
def import_norms() -> None:
    """Make a norms file of the SLA policies and schedules that a helpdesk has.

    What norms cannot say becomes a comment where it would stand, in the helpdesk's own words. Nothing is asked and nothing is put
    in force: read it, mend it, then `crossdesk apply`.
    """


def _department(_context: click.Context, _parameter: click.Parameter, given: str) -> str:
    try:
        return TypeAdapter(DepartmentId).validate_python(given)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"]) from None


def _years(_context: click.Context, _parameter: click.Parameter, given: str | None) -> range:
    if given is None:
        today = datetime.now(UTC).year
        return range(today - YEARS_BACK, today + YEARS_AHEAD + 1)
    first, _, last = given.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise click.BadParameter(f"{given!r}: write the first and the last year, such as 2026-2028")
    years = range(int(first), int(last or first) + 1)
    if not years or years[0] not in YEARS or years[-1] not in YEARS:
        raise click.BadParameter(f"{given!r}: the first year comes before the last, between {YEARS[0]} and {YEARS[-1]}")
    return years


def _common(command: F) -> F:
    files = click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
    department = click.option(
        "--department",
        metavar="ID",
        required=True,
        callback=_department,
        help="Whose norms they are, as in company.yaml.",
    )
    out = click.option(
        "--out",
        metavar="FOLDER",
        type=click.Path(path_type=Path, file_okay=False),
        help="Write FOLDER/ID.yaml, which must not be there yet, instead of printing.",
    )
    decorated: F = files(department(out(command)))
    return decorated


@import_norms.command("zendesk", short_help="Of Zendesk's SLA policies, group SLA policies and schedules.")
@_common
@click.option("--group", "groups", metavar="ID", multiple=True, help="A group that is the department. May be repeated.")
@click.option(
    "--service",
    type=click.Choice(zendesk.SERVICES),
    default=zendesk.SERVICES[0],
    show_default=True,
    help="The field that says what a ticket is about, as in sources.yaml.",
)
@click.option("--schedule", metavar="NAME", default="", help="The department's, if there are several: its name or id.")
def of_zendesk(
    files: tuple[Path, ...], department: str, out: Path | None, groups: tuple[str, ...], service: str, schedule: str
) -> None:
    """Of FILE…, each what one request answered, or an object of such answers by name:

    \b
    GET /api/v2/slas/policies
    GET /api/v2/group_slas/policies
    GET /api/v2/business_hours/schedules
    GET /api/v2/business_hours/schedules/ID/holidays

    The answer with holidays does not say of which schedule they are: with several schedules, call it "schedules/ID/holidays" in
    the object, or its file holidays-ID.json.

    \b
    crossdesk norms import zendesk policies.json schedules.json --department it
    """
    found = answers(files, zendesk.known, zendesk.WANTED)
    _give(zendesk.imported(found, department, service, groups, schedule), out)


@import_norms.command("jira", short_help="Of the SLAs and calendars of a project of Jira Service Management.")
@_common
@click.option(
    "--service",
    type=click.Choice([*jira.SERVICES]),
    default=next(iter(jira.SERVICES)),
    show_default=True,
    help="The field that says what an issue is about, as in sources.yaml.",
)
@click.option("--calendar", metavar="NAME", default="", help="The department's, if goals use several: its name or id.")
@click.option(
    "--years",
    metavar="FIRST-LAST",
    callback=_years,
    help="For which holidays that come back are written.  [default: from last year to the third from now]",
)
def of_jira(
    files: tuple[Path, ...], department: str, out: Path | None, service: str, calendar: str, years: range
) -> None:
    """Of FILE…, each what one request answered, or an object of such answers by name:

    \b
    GET /rest/servicedesk/1/servicedesk/agent/PROJECT/sla/metrics
    GET /rest/workinghours/1/api/calendar/ID        (of each that goals use)
    GET /rest/api/2/issuetype                    (if goals ask for issue types)
    GET /rest/servicedeskapi/servicedesk/ID/requesttype   (if goals use them)

    The first two are what the product's own pages ask; Atlassian documents them nowhere, and may change them.

    \b
    crossdesk norms import jira metrics.json calendar.json --department it
    """
    found = answers(files, jira.known, jira.WANTED)
    _give(jira.imported(found, department, service, calendar, years), out)


def _give(imported: Imported, out: Path | None) -> None:
    text = norms_text(imported)
    (norms,) = NormsFile.model_validate(parse(text)[1]).norms  # what cannot be read back is never given
    if out is None:
        click.echo(text, nl=False)
        return
    path = out / f"{imported.department}.yaml"
    out.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Stopped(f"{path} is there already: move it away, or name another folder") from None
    click.echo(f"{path}: rules: {len([*norms.rules()])}, not carried over: {not_carried(text)}", err=True)
