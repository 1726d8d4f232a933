"""The command ``crossdesk norms plan``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import msgspec

from deploy import config_files, norms_plan_said
from deploy.command import Command, data_option, on_kafka_option, out, whole_number
from deploy.log_read import log_read
from deploy.norms_plan import plan as planned
from streams.problems import BadConfiguration, Problem
from streams.successor import DIRECTORY


@click.command(cls=Command, short_help="Show what other norms would change, before they are in force.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--days",
    metavar="N",
    type=whole_number(1, 3650),
    default=90,
    help="Cases whose clocks started within so many days, up to what is known.  [default: 90]",
)
@click.option("--all", "each", is_flag=True, help="Norms of which nothing changes, too.")
@click.option("--json", "as_json", is_flag=True, help="For programs: all of it, instants in microseconds.")
@on_kafka_option("Of the installation on Kafka: all that crossdesk.events holds now is read.")
@data_option
def plan(directory: Path, days: int, each: bool, as_json: bool, on_kafka: bool, data: Path | None) -> None:
    """Replay the last days under the norms in DIR (company.yaml and norms.yaml, as `crossdesk apply` takes them), as if those
    had been in force the whole time, and under what is in force.

    It changes nothing, and says whether `crossdesk apply` would put DIR in force, and from when on it would count.
    """
    try:
        loaded = config_files.load(directory)
    except BadConfiguration as error:
        raise BadConfiguration(placed(problem, directory) for problem in error.problems) from error
    warnings = tuple(placed(problem, directory) for problem in loaded.warnings)
    with log_read(data, on_kafka=on_kafka) as log:
        found = planned(log, replace(loaded, warnings=warnings), days)
    found = msgspec.structs.replace(found, refused=[placed(problem, directory) for problem in found.refused])
    if as_json:
        click.echo(norms_plan_said.to_json(found))
        return
    for line in norms_plan_said.lines(found, out.width if out.is_terminal else None, each=each):
        click.echo(line)


def placed(problem: Problem, directory: Path) -> Problem:
    """With its folder, so that an editor finds the file."""
    if problem.file in (str(directory), DIRECTORY):
        return problem
    return replace(problem, file=str(directory / problem.file))
