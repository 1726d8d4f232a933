"""What all commands share: how known errors are said, and the options that several have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from deploy import explain, serve
from deploy.folder import Stopped
from deploy.log import LogError
from deploy.succession import Refused
from ingest.broker import BadSettings, BrokerUnavailable
from ingest.connector import BadFile
from ingest.mapping import BadMapping
from ingest.topics import TopicsDiffer
from sinks.record import ConsumerStopped, UnusableRecord
from sinks.store import StoreError
from streams.cases import IncompatibleState
from streams.problems import BadConfiguration

KNOWN = (
    Stopped,
    explain.NotThere,
    serve.PortTaken,
    LogError,
    StoreError,
    BadFile,
    BadMapping,
    BadConfiguration,
    Refused,
    IncompatibleState,
    ConnectionError,
    BadSettings,
    BrokerUnavailable,
    TopicsDiffer,
    ConsumerStopped,
    UnusableRecord,
)

out = Console(highlight=False)


class Command(click.Command):
    """A command whose known errors are one message and exit code 1; anything else is a bug and shows itself."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KNOWN as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{place}{error.strerror or error}") from error
        except KeyboardInterrupt:
            click.echo("\nStopped. What was taken in is kept; the same command goes on from there.", err=True)
            raise click.exceptions.Exit(130) from None


class Group(click.Group):
    command_class = Command


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """The type of an option. What is no such number is refused with what to write."""
    mend = f"write {least} or more, such as 7" if most is None else f"write one from {least} to {most}"

    def converted(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise click.BadParameter(f"{text!r} is no whole number: {mend}") from None
        if number < least or (most is not None and number > most):
            raise click.BadParameter(f"{number} is too {'small' if number < least else 'large'}: {mend}")
        return number

    return converted


def folder_option(text: str) -> Callable[..., Any]:
    return click.option("--data", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False), help=text)


def on_kafka_option(text: str) -> Callable[..., Any]:
    return click.option("--kafka", "on_kafka", is_flag=True, help=text)


def refuse_folder(folder: Path | None) -> None:
    """Of a command that was given ``--kafka``."""
    if folder is not None:
        raise click.UsageError("--data names a folder, and --kafka the installation on Kafka: leave one of them out")


data_option = folder_option("Folder of the log and the store.  [default: the newest under ./data]")
sources_option = click.option(
    "--sources",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="CROSSDESK_INGEST_SOURCES",
    default=Path("sources.yaml"),
    help="Says how sources are asked.  [default: sources.yaml]",
)
serve_option = click.option(
    "--serve/--no-serve",
    "serving",
    default=True,
    help="Serve /metrics for Prometheus until Ctrl-C when done (the default).",
)
port_option = click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=8930,
    help="Where to serve; 0: any free port.  [default: 8930]",
)
cases_option = click.option(
    "--cases",
    is_flag=True,
    help="Serve the drawing of every case too, at /explain/CASE, to whoever has the token of the folder (a browser asks for it "
    "as a password).  [default: no case is shown to a browser]",
)
