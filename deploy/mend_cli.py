"""The command that mends: cases folded anew."""

from __future__ import annotations

from pathlib import Path

import click

from deploy import explain
from deploy.command import Command, data_option
from deploy.folder import exists, newest, opened
from deploy.intake import bring_up_to_date


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
