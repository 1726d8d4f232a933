"""The command that serves a fake of a helpdesk, for trials without one."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from deploy.command import Command, out, whole_number
from deploy.stage import run_until_stopped

if TYPE_CHECKING:
    from deploy.sandbox.engine import Sandbox

AHEAD = 7
"""So many days the company goes on after today."""
VENDORS = ("zendesk", "servicenow", "jira_service_management")
HOOKS_EVERY = 1.0
share = click.FloatRange(0.0, 1.0)
secret_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(cls=Command, short_help="Serve a fake of a helpdesk, for trials.")
@click.argument("vendor", type=click.Choice(VENDORS))
@click.option(
    "--seed",
    metavar="N",
    type=whole_number(0),
    default="1",
    help="Of the company: the same gives the same.  [default: 1]",
)
@click.option(
    "--days", metavar="N", type=whole_number(1), default="14", help="How long it has been at work.  [default: 14]"
)
@click.option(
    "--start",
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Its first day, and none after DAYS.  [default: DAYS ago]",
)
@click.option("--cases-per-day", metavar="X", type=float, help="On an ordinary working day.  [default: 105]")
@click.option(
    "--departments", metavar="N", type=whole_number(2, 500), help="That many, instead of the example company."
)
@click.option(
    "--port", metavar="PORT", type=click.IntRange(0, 65535), default=8940, help="0: any free port.  [default: 8940]"
)
@click.option(
    "--page", metavar="N", type=whole_number(0), default="0", help="Records of a page at most; 0: as the vendor has it."
)
@click.option(
    "--secret-file", type=secret_file, help="Holds what the API knows its user by; without it one is made up."
)
@click.option("--hooks", metavar="URL", help="Where webhooks are sent of what happens from now on.")
@click.option("--hook-secret-file", type=secret_file, help="Holds what webhooks are signed with.")
@click.option("--errors", metavar="SHARE", type=share, default=0.0, help="Share of requests that are answered 500.")
@click.option("--cut", metavar="SHARE", type=share, default=0.0, help="Share of answers that break off.")
@click.option("--slow", metavar="SHARE", type=share, default=0.0, help="Share of answers that take five seconds.")
@click.option(
    "--per-minute",
    metavar="N",
    type=whole_number(0),
    default="0",
    help="More requests are answered 429; 0: any number.",
)
@click.option(
    "--expires-after",
    metavar="N",
    type=whole_number(0),
    default="0",
    help="So many requests later comes 401; 0: never.",
)
@click.option("--drop", metavar="SHARE", type=share, default=0.0, help="Share of webhooks that are never sent.")
@click.option("--double", metavar="SHARE", type=share, default=0.0, help="Share of webhooks that are sent twice.")
@click.option(
    "--late", metavar="SHARE", type=share, default=0.0, help="Share of webhooks that are sent after all others."
)
def sandbox(
    vendor: str,
    seed: int,
    days: int,
    start: datetime | None,
    cases_per_day: float | None,
    departments: int | None,
    port: int,
    page: int,
    secret_file: Path | None,
    hooks: str | None,
    hook_secret_file: Path | None,
    **faults: Any,
) -> None:
    """Serve a fake of VENDOR's API that tells of the simulated company, on 127.0.0.1 until Ctrl-C.

    It goes on as the day does: by the clock of this machine. It knows one user, and nothing can be written.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a connection that is cut is meant
    from deploy.sandbox.engine import Sandbox  # whoever serves no fake does not wait for it
    from deploy.sandbox.faults import Faults

    first = start.date() if start else datetime.now(UTC).date() - timedelta(days=days)
    try:
        served = Sandbox(
            vendor,
            seed=seed,
            days=days if start else days + AHEAD,
            start=_possible(first),
            cases_per_day=cases_per_day,
            departments=departments,
            clock=lambda: datetime.now(UTC),
            page=page,
            port=port,
            secret=_secret(secret_file),
            hook_secret=_secret(hook_secret_file),
            faults=Faults(**faults, seconds=5.0, seed=seed),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with served:
        _tell(served, secret_file, hook_secret_file if hooks else None)
        run_until_stopped(lambda stop: _go_on(served, hooks, stop), lambda _: None)
        click.echo("\nStopped.", err=True)


def _possible(first: date) -> date:
    if first > datetime.now(UTC).date():
        raise click.BadParameter("lies ahead: nothing has happened yet. Name a day of the past", param_hint="--start")
    return first


def _secret(path: Path | None) -> str:
    """Empty: one is made up."""
    if path is None:
        return ""
    secret = path.read_text("utf-8").strip()
    if not secret:
        raise click.UsageError(f"{path} is empty: write a secret into it, of one line")
    return secret


def _tell(served: Sandbox, secret_file: Path | None, hook_secret_file: Path | None) -> None:
    """What belongs into ``sources.yaml``. A secret that was made up protects nobody, and is shown."""
    settings = {name: value for name, value in served.settings.items() if name != "source"}
    lines = [
        f"{served.vendor.name}, {len(served.data.cases)} cases, at {served.url}; in sources.yaml:",
        "",
        f"  - name: {served.source}",
        f"    connector: {served.vendor.name}",
        f"    url: {served.url}",
        f"    secret_file: {secret_file or f'a file with {served.secret}'}",
        f"    hook_secret_files: [{hook_secret_file or f'a file with {served.hook_secret}'}]",
        "    settings:",
        *(f"      {name}: {value}".replace("'", '"') for name, value in settings.items()),
    ]
    out.print("\n".join(lines), markup=False, soft_wrap=True)


def _go_on(served: Sandbox, hooks: str | None, stop: Event) -> None:
    while not stop.wait(HOOKS_EVERY):
        sent = served.send_hooks(hooks) if hooks else None
        if sent and sent.refused:
            out.print(f"{sent.refused} of {sent.calls} webhooks were not taken by {hooks}", markup=False)
