"""The command ``crossdesk apply``; and how every command puts company files and norms in force, and says what is wrong there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from deploy import config_files
from deploy.command import Command, data_option, on_kafka_option, refuse_folder
from deploy.folder import Stopped, newest, opened
from deploy.intake import bring_up_to_date
from deploy.succession import Applies, Refused, written_the_same
from ingest.broker import broker_settings
from streams.configuration import Configuration
from streams.problems import BadConfiguration, Problem, Severity
from streams.successor import DIRECTORY


@click.command(cls=Command, short_help="Check company.yaml and norms.yaml and put them in force.")
@click.argument("directory", metavar="FOLDER", type=click.Path(path_type=Path))
@on_kafka_option("Of the installation on Kafka (see `crossdesk topics`), not of a folder.")
@data_option
def apply(directory: Path, on_kafka: bool, data: Path | None) -> None:
    """Check company.yaml and norms.yaml in FOLDER and make them the next version.

    What was judged stays judged: a norm that is in force cannot be changed for the past.
    """
    if on_kafka:
        refuse_folder(data)
        _apply_to_kafka(load(directory), directory)
        return
    loaded = load(directory)
    folder = data or newest()
    with opened(folder) as embedded:
        before = embedded.configuration
        version = apply_to(embedded, loaded.configuration, loaded, directory)
        embedded.fold()
        bring_up_to_date(embedded)
    _say_in_force(version, before, str(folder))


def _apply_to_kafka(loaded: config_files.Loaded, directory: Path) -> None:
    from deploy.saying import Destination  # whoever needs no Kafka does not wait for it

    broker = broker_settings(os.environ)
    with Destination.of(broker).configurations() as configurations:
        before = configurations.read().newest
        version = apply_to(configurations, loaded.configuration, loaded, directory)
    _say_in_force(version, before, broker.bootstrap_servers)


def _say_in_force(version: int, before: Configuration | None, where: str) -> None:
    stays = before is not None and before.version == version
    click.echo(f"version {version} {'says the same and stays' if stays else 'is'} in force in {where}")


def load(directory: Path) -> config_files.Loaded:
    """Problems name their file with its folder, so that an editor finds it."""
    try:
        loaded = config_files.load(directory)
    except BadConfiguration as error:
        raise BadConfiguration(_in_folder(error.problems, directory)) from error
    _show(_in_folder(loaded.warnings, directory))
    return loaded


def apply_to(
    installation: Applies, configuration: Configuration, loaded: config_files.Loaded | None, directory: Path | None
) -> int:
    def placed(problems: Iterable[Problem]) -> list[Problem]:
        return _in_folder(loaded.located(problems), directory) if loaded and directory else list(problems)

    try:
        version, notes = installation.apply(configuration.files)
    except Refused as refused:
        raise Stopped("\n".join(map(str, placed(refused.problems)))) from refused
    _show(placed(notes))
    return version


def put_in_force(
    installation: Applies,
    configuration: Configuration,
    loaded: config_files.Loaded | None,
    directory: Path | None,
    *,
    begun_under: Configuration | None,
    otherwise: str,
) -> None:
    """A log is measured under the files that were there when it began; others would judge only what comes after: then ``otherwise``
    is what to do.
    """
    if begun_under is None:
        apply_to(installation, configuration, loaded, directory)
    elif loaded and not written_the_same(configuration.files, begun_under):
        raise Stopped(otherwise)


def _in_folder(problems: Iterable[Problem], directory: Path) -> list[Problem]:
    return [p if p.file in (str(directory), DIRECTORY) else replace(p, file=str(directory / p.file)) for p in problems]


def _show(problems: Iterable[Problem]) -> None:
    for problem in problems:
        click.secho(str(problem), fg="yellow" if problem.severity is Severity.warning else "red", err=True)
