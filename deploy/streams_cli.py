"""The command ``crossdesk streams``: a worker of the cluster."""

from __future__ import annotations

import click

from deploy.command import Command


@click.command(cls=Command, short_help="Run a worker: events to facts to indicators.")
def streams() -> None:
    """Run a worker of the cluster until SIGTERM: it folds events into facts and facts into indicators, as many partitions as
    are assigned to it. Start as many as you like, up to the number of partitions.

    Settings come from the environment, CROSSDESK_STREAMS_… and CROSSDESK_KAFKA_…: docs/kafka.md lists them.
    """
    from deploy.worker import run  # whoever needs no Kafka does not wait for it

    run()
