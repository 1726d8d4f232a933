"""The commands ``crossdesk norms``, and the one that checks what departments promise before anybody is judged by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from deploy import config_files
from deploy.command import Command, Group
from deploy.norms_import_cli import import_norms
from deploy.norms_page_cli import page
from deploy.norms_plan_cli import plan
from streams.problems import BadConfiguration, Problem, Severity


@click.group(cls=Group, short_help="Check, try, import and show what departments promise.")
def norms() -> None:
    """Deal with norms: the files that say what each department promises. `crossdesk apply` puts them in force."""


norms.add_command(import_norms)
norms.add_command(page)
norms.add_command(plan)


@norms.command(cls=Command, short_help="Say what is wrong in company.yaml and the norms.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Fail at what only looks wrong, too.")
def lint(directory: Path, strict: bool) -> None:
    """Check company.yaml and the norms in DIR, and put nothing in force: each problem with file, line and mend.

    The exit code is 1 if anything is wrong, and 0 if it only looks wrong (a warning) or nothing was found.
    """
    files, problems = checked(directory)
    wrong = [problem for problem in problems if problem.severity is Severity.error]
    for problem in problems:
        click.secho(str(problem), fg="red" if problem in wrong else "yellow")
    warnings = len(problems) - len(wrong)
    click.echo(f"{files}: {_counted(len(wrong), 'error')}, {_counted(warnings, 'warning')}", err=True)
    if wrong or (strict and problems):
        raise click.exceptions.Exit(1)


def checked(directory: Path) -> tuple[str, list[Problem]]:
    """What was read, and everything that was found. Problems name their file with its folder, so that an editor finds it."""
    try:
        loaded = config_files.load(directory)
    except BadConfiguration as error:
        read, problems = str(directory), error.problems
    else:
        read, problems = ", ".join(f"{directory / name}" for name in loaded.documents), loaded.warnings
    return read, [p if p.file == str(directory) else replace(p, file=str(directory / p.file)) for p in problems]


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
