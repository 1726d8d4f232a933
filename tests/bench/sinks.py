"""What the sinks take in: facts into ClickHouse, in its own process and behind HTTP, and indicators for Prometheus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

from bench.core import facts_among
from bench.kafka import BenchmarkError, say
from bench.record_batches import fill
from bench.waiting import ready, wait_until
from clickhouse_process import ClickHouseServer
from kafka.admin import KafkaAdminClient
from on_kafka import Installation, ended
from sinks_on_kafka import Group, Said, expected_facts, indicator_said, sink, value_of

from deploy.configurations import Configurations
from deploy.demo import Demo
from ingest import topics as declared
from sinks.clickhouse import connect
from streams import indicators as i
from streams.stages import partition_of
from streams.transport import Record

VALUES = 200_000
DEPARTMENTS = 500


def clickhouse(installation: Installation, facts: Sequence[Said], folder: Path) -> Iterator[tuple[str, float, str]]:
    """The same facts twice. Of each both counts are of facts read: a record holds one for each level."""
    say("writing facts to their topic")
    put(installation, "facts", facts)
    number = facts_among(record.value for record in facts if record.value)
    expected = len(expected_facts(facts))
    yield "clickhouse_sink_facts", number, ""
    store = f"chdb://{folder / 'chdb'}"
    seconds = stored(installation, store, expected, folder / "chdb.log")
    yield "clickhouse_sink_facts_per_second", number / seconds, "facts/s, into chDB in its process"
    with ClickHouseServer(folder / "clickhouse") as server:
        seconds = stored(installation, server.dsn(), expected, folder / "http.log")
    yield "clickhouse_http_sink_facts_per_second", number / seconds, "facts/s, over HTTP into chDB as a server"


def stored(installation: Installation, dsn: str, expected: int, log: Path) -> float:
    """Seconds from when the sink is ready until it has committed everything."""
    say(f"storing facts in {dsn.partition(':')[0]}")
    name = f"{installation.prefix}-clickhouse-{installation.generation}"
    group = Group(installation.settings, name)
    process = sink("clickhouse", installation, log, clickhouse_dsn=dsn)
    with ended(process):
        began = ready(process)
        at = wait_until(lambda: not group.lag(declared.name("facts")), "everything committed", process)
        process.stop()
    group.close()
    forget(installation, name)
    store = connect(dsn)
    ((there,),) = store.query("SELECT count() FROM facts").rows
    store.close()
    if there != expected:
        raise BenchmarkError(f"{expected:,} facts should be in the store, and {there:,} are")
    return at - began


def forget(installation: Installation, group: str) -> None:
    """How far it has come: the next reads everything again."""
    admin = KafkaAdminClient(**installation.settings.client)
    admin.delete_groups([group])
    admin.close()


def prometheus(installation: Installation, folder: Path, values: int = VALUES) -> Iterator[tuple[str, float, str]]:
    """A company of :data:`DEPARTMENTS`, each with every indicator in every window, told as often as it takes."""
    say("writing indicators to their topic")
    configuration = Demo(1, 1, DEPARTMENTS).configuration()
    with Configurations(installation.settings) as configurations:
        configurations.apply(configuration.files)
    put(installation, "indicators", list(islice(told(configuration.departments, installation.partitions), values)))
    say("reading them")
    process = sink("prometheus", installation, folder / "prometheus.log")
    with ended(process):
        began = wait_until(lambda: process.asked("/ready")[0] != 0, "answering", process)
        at = ready(process)
    yield "prometheus_sink_values", values, ""
    yield "prometheus_sink_values_per_second", values / (at - began), "values/s, until it is ready"


def told(departments: Sequence[str], partitions: int) -> Iterator[Said]:
    """Again and again every series, each time with the next offset."""
    for offset in count():
        for department in departments:
            partition = partition_of(department.encode(), partitions)
            for indicator in i.INDICATORS:
                for window in [""] if indicator.aggregation is i.Aggregation.running else i.WINDOWS:
                    yield indicator_said(value_of(indicator.name, department, window=window, offset=offset), partition)


def put(installation: Installation, topic: str, said: Sequence[Said]) -> None:
    there: defaultdict[int, list[Record]] = defaultdict(list)
    for record in said:
        there[record.partition].append((record.key, record.value, []))
    fill(installation.settings, declared.name(topic), there)
