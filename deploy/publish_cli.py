"""The command ``crossdesk publish``: history of an installation on Kafka, once or again and again."""

from __future__ import annotations

import logging
import os
from threading import Event

import click

from deploy.command import Command
from ingest.broker import BrokerUnavailable, broker_settings
from ingest.event import instant
from sinks.store import Unavailable

MINUTE = 60.0

log = logging.getLogger("crossdesk.publish")


@click.command(cls=Command, short_help="Publish the history of an installation on Kafka.")
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    metavar="MINUTES",
    help="Go on until SIGTERM, and publish as often as that.",
)
def publish(every: float | None) -> None:
    """Compute each day, and each hour of the last two days, from the facts in ClickHouse, into the table published; with a new
    revision where facts have changed since. It ends when it has done that, and may be repeated at any time.

    The store is the one that CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE leads to, which the sink fills. In the embedded mode `demo` and
    `replay` publish by themselves.
    """
    from deploy.cluster_asked import store_address  # whoever needs no Kafka does not wait for it
    from deploy.publishing import publish_cluster
    from deploy.stage import log_to_stderr, run_until_stopped

    broker, address = broker_settings(os.environ), store_address()

    def once() -> str:
        found = publish_cluster(broker, address, lambda _: None)
        if found.as_of is None:
            return "nothing is known of any department yet: are `crossdesk streams` and `crossdesk sink clickhouse` running?"
        return f"published up to {instant(found.as_of):%Y-%m-%d %H:%M} UTC: {found.revisions:,} new revisions"

    if every is None:
        click.echo(once())
        return

    def again(stop: Event) -> None:
        while not stop.is_set():
            try:
                log.info("%s", once())
            except (BrokerUnavailable, Unavailable) as error:
                log.warning("%s; nothing is lost, it is tried again", error)
            stop.wait(every * MINUTE)

    log_to_stderr()
    if not run_until_stopped(again, lambda _: None):
        os._exit(0)  # what it was at is done again the next time
