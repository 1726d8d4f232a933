"""The commands ``crossdesk topics``: they make the topics between the stages, and check them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from deploy.command import Group
from ingest.broker import broker_settings
from ingest.topics import PARTITIONS
from ingest.topics import topics as declared

if TYPE_CHECKING:
    from deploy.topics import Topics

F = TypeVar("F", bound=Callable[..., None])


@click.group(cls=Group, short_help="Make and check the topics on Kafka.")
def topics() -> None:
    """Make the topics between the stages, or check that they are as declared.

    The broker is found by CROSSDESK_KAFKA_BOOTSTRAP_SERVERS, 127.0.0.1:9092 unless set. A stage refuses to start on
    topics that differ.
    """


def _options(command: F) -> F:
    partitions = click.option(
        "--partitions",
        metavar="N",
        type=click.IntRange(1, 10_000),
        help=f"Of each topic that is spread. It is for ever.  [default: as those there are, or {PARTITIONS}]",
    )
    generation = click.option(
        "--generation", metavar="N", type=click.IntRange(1), default=1, help="Of what is computed.  [default: 1]"
    )
    return partitions(generation(command))


@topics.command(short_help="Make what is missing, set what is set otherwise.")
@_options
@click.option(
    "--replication", metavar="N", type=click.IntRange(1), help="Brokers that hold each.  [default: as they are set]"
)
def apply(partitions: int | None, generation: int, replication: int | None) -> None:
    """Make the topics that are missing, and set what is set otherwise than declared. No record is touched."""
    with _opened(generation, partitions, replication) as found:
        differences = found.apply()
        for difference in differences:
            click.echo(f"{'mended' if difference.mends else 'cannot be mended'}: {difference}")
        left = [difference for difference in differences if not difference.mends]
        if left:
            raise click.ClickException(_partitions_stay(found))
        _say_fine(found)


@topics.command(short_help="Say what differs from what is declared.")
@_options
def check(partitions: int | None, generation: int) -> None:
    """Say what differs from what is declared, and change nothing. Ends with 1 if something does."""
    with _opened(generation, partitions) as found:
        differences = found.differences()
        for difference in differences:
            click.echo(str(difference))
        if differences:
            mend = (
                "`crossdesk topics apply` mends that" if all(d.mends for d in differences) else _partitions_stay(found)
            )
            raise click.ClickException(mend)
        _say_fine(found)


def _say_fine(found: Topics) -> None:
    click.echo(f"{len(found.declared)} topics are as declared, with {found.partitions} partitions")


def _partitions_stay(found: Topics) -> str:
    return (
        "the number of partitions stays as it is: another would move cases away from what is known of them."
        f" Leave out --partitions {found.partitions}, or read everything anew into another generation"
    )


@contextmanager
def _opened(generation: int, partitions: int | None, replication: int | None = None) -> Iterator[Topics]:
    from deploy.topics import Topics  # whoever needs no Kafka does not wait for it

    with Topics(broker_settings(os.environ), list(declared(generation)), partitions, replication) as found:
        yield found
