"""The commands ``crossdesk sink``: the stages that store what was measured, and show it to Prometheus."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from threading import Event
from typing import TYPE_CHECKING

import click
from pydantic import ValidationError

from deploy.calendar_time import store_departments
from deploy.command import Group
from deploy.exported import exported_departments, pairs_with_a_norm_of_their_own
from deploy.health import Check, HealthServer, Lag, Moving, fine
from deploy.stage import log_to_stderr, run_until_stopped
from ingest import topics as declared
from ingest.broker import BrokerSettings, broker_settings
from ingest.environment import BadSettings, read
from ingest.topics import name
from sinks.clickhouse import ClickHouse, connect
from sinks.configured import now_us
from sinks.prometheus import Exporter
from sinks.settings import DSN_FORM, ENVIRONMENT, SinkSettings
from sinks.store import Full, Store
from streams.configuration import Configuration
from streams.morale import MoraleValue
from streams.pooling import morale
from streams.sealed import Batch

if TYPE_CHECKING:
    from sinks.consumer import Follower, Member
    from sinks.prometheus_sink import Shown

log = logging.getLogger("crossdesk.sinks")

CLICKHOUSE_PORT, PROMETHEUS_PORT = 8941, 8942


@click.group(cls=Group, short_help="Store what was measured; show it to Prometheus.")
def sink() -> None:
    """Stages that read from Kafka what was measured: one stores it in ClickHouse, one shows the present to Prometheus.

    They are set by CROSSDESK_KAFKA_… and CROSSDESK_SINKS_…, stop at SIGTERM, and say how they are at /live, /ready and
    /metrics.
    """


@sink.command(short_help="Write facts, indicators, events and sealed answers to ClickHouse.")
def clickhouse() -> None:
    """Write facts, indicators, events and sealed answers to ClickHouse, and the departments of each configuration.

    Several share the partitions. CROSSDESK_SINKS_CLICKHOUSE_DSN_FILE names the file with the address.
    """
    log_to_stderr()
    run_clickhouse(read(SinkSettings, ENVIRONMENT, os.environ), broker_settings(os.environ), connect)


def run_clickhouse(settings: SinkSettings, broker: BrokerSettings, connected: Callable[[str, int], ClickHouse]) -> None:
    """Until SIGTERM."""
    from deploy.groups import GroupNames
    from deploy.topics import refuse_differences
    from sinks.clickhouse_sink import ClickHouseSink, Topics
    from sinks.consumer import Follower, Member
    from sinks.gathering import Gathering

    dsn, generation = settings.clickhouse_dsn, settings.generation
    if dsn is None:
        raise BadSettings(f"{ENVIRONMENT}CLICKHOUSE_DSN_FILE is not set; the file holds {DSN_FORM}")
    refuse_differences(broker, generation)
    exporter, gathering = Exporter(), Gathering(settings.batch_records, settings.batch_seconds)
    topics = Topics(
        name("facts", generation), name("indicators", generation), name("events"), name("sealed"), name("config")
    )
    group = GroupNames.of(generation).clickhouse
    with ExitStack() as ends:

        def opened() -> Full:
            store = ends.enter_context(closing(connected(dsn.get_secret_value(), generation)))
            store.migrate()
            return store

        configurations = ends.enter_context(closing(Follower(broker.client, group)))
        member = Member(
            broker.client,
            group,
            topics.shared,
            gathering,
            instance=settings.instance,
            session_seconds=settings.session_seconds,
        )
        ends.enter_context(closing(member))
        stage = ClickHouseSink(topics, gathering, configurations, opened, write_departments, exporter)
        member.start()
        _run(stage.run, member, fine, exporter, settings, CLICKHOUSE_PORT)


@sink.command(short_help="Show the latest indicators to Prometheus.")
def prometheus() -> None:
    """Show the latest indicators to Prometheus, of the departments that the configuration names.

    It reads them whole when it starts, and is ready when it has. It follows `crossdesk switch` by itself.
    """
    from deploy.topics import refuse_differences
    from sinks.consumer import Follower
    from sinks.prometheus_sink import PrometheusSink
    from sinks.sealed import Sealed

    log_to_stderr()
    settings, broker = read(SinkSettings, ENVIRONMENT, os.environ), broker_settings(os.environ)

    def indicators(generation: int) -> str:
        refuse_differences(broker, generation)
        return name("indicators", generation)

    exporter = Exporter()
    with closing(Follower(broker.client, f"{declared.PREFIX}-prometheus")) as follower:
        sealed = Sealed(name("sealed"), exported_morale)
        stage = PrometheusSink(name("config"), indicators, follower, shown, sealed, exporter)
        _run(stage.run, follower, stage.waiting, exporter, settings, PROMETHEUS_PORT)


def write_departments(store: Store, record: bytes) -> int | None:
    """What the store keeps of a version of the configuration; until when it says who is hidden (µs)."""
    configuration, at = decoded(record), now_us()
    store_departments(store, configuration, at)
    return configuration.next_turn(at)


def shown(record: bytes) -> Shown:
    """What Prometheus gets to see under a version of the configuration."""
    from sinks.prometheus_sink import Shown

    configuration, at = decoded(record), now_us()
    departments, pairs = exported_departments(configuration, at), pairs_with_a_norm_of_their_own(configuration, at)
    return Shown(departments, pairs, configuration.next_turn(at))


def exported_morale(record: bytes, batches: Iterable[Batch], as_of: int) -> list[MoraleValue]:
    """What departments say, and what all together say about each, under a version of the configuration."""
    return morale(batches, decoded(record).company, as_of, pairs=False)


def decoded(record: bytes) -> Configuration:
    """Raises ``ValueError``, which names what is wrong and does not show it: people are in there."""
    try:
        return Configuration.decode(record)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_context=False)[0]
        raise ValueError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


def _run(
    work: Callable[[Event], None],
    consumer: Member | Follower,
    waiting: Check,
    exporter: Exporter,
    settings: SinkSettings,
    port: int,
) -> None:
    """Until SIGTERM. ``waiting``: why the stage is not ready, besides that it does not move or that no broker answers."""
    lag, moving = Lag(exporter), Moving(time.monotonic(), settings.stuck_seconds)

    def look(now: float) -> None:
        lag.saw(consumer.reached)
        moving.saw(now, consumer.reached)

    def ready() -> str:
        return waiting() or consumer.answers.missing(settings.stuck_seconds) or moving.reason(time.monotonic())

    host, variable = settings.health_host, f"{ENVIRONMENT}HEALTH_PORT"
    wanted = port if settings.health_port is None else settings.health_port
    with closing(HealthServer(host, wanted, exporter.render, ready=ready, variable=variable)) as health:
        log.info("started: http://%s:%d/ready, /live and /metrics", host, health.port)
        ended = run_until_stopped(work, look)
    if not ended:
        log.warning("stopped in the middle of a write that does not end; it will be repeated")
        consumer.close()
        os._exit(0)
    log.info("stopped")
