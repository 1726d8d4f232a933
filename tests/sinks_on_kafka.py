"""What the tests of the sinks share: records that the streams would have said, and what the store makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import msgspec
from histories import facts_in, keep
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from on_kafka import Installation, Process, example

from deploy.ahead import prepare
from ingest import event as e
from ingest import topics as declared
from ingest.broker import BrokerSettings
from ingest.connectors.simulated import simulate
from sinks.clickhouse import ClickHouse, connect
from streams import fact as f
from streams import indicators as i
from streams.cases import Cases
from streams.company import CompanyFile
from streams.configuration import Files
from streams.effects import carry_out

AS_OF = 1_767_225_600_000_000  # 2026-01-01
PATIENCE = 60.0


class Said(NamedTuple):
    """``topic`` by its short name; ``key`` None: a mark."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


def say(installation: Installation, records: Iterable[Said], generation: int = 1) -> None:
    producer = KafkaProducer(**installation.settings.client, acks="all", linger_ms=20, compression_type="lz4")
    try:
        for topic, partition, key, value in records:
            producer.send(declared.name(topic, generation), value, key=key, partition=partition)
        producer.flush(30)
    finally:
        producer.close()


def facts_said(days: int, partitions: int, batch: int = 300) -> list[Said]:
    """All versions of the facts of a simulated company, as its cases say them, with marks between."""
    configuration, state = example(), dict[str, bytes]()
    cases = Cases(state, 0, lambda _: configuration)
    events = [e.encode(e.config_mark(1, e.instant(0)))]
    events += [p.value for p in map(prepare, simulate(1, days)) if p.topic == "events"]
    said: list[Said] = []
    for first in range(0, len(events), batch):
        effects = cases.batch(list(enumerate(events[first : first + batch], first)))
        carry_out(effects.changes, state)
        for output in effects.outputs:
            if output.topic == "facts":
                owned = [sum(output.owner.encode()) % partitions] if output.owner else range(partitions)
                said += [Said("facts", p, output.key or None, output.value) for p in owned]
    return said


def value_of(indicator: str = "first_response_facts", department: str = "it", **changes: Any) -> i.IndicatorValue:
    told = i.IndicatorValue(
        indicator=indicator, department=department, counterpart="", window="7d", as_of=AS_OF, value=1.0, n=1, offset=1
    )
    return msgspec.structs.replace(told, **changes)


def hiding_it_in(seconds: float) -> Files:
    """A company whose legal department, of three people, goes below the same as IT in so many seconds: IT hides with it then."""
    since = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    departments = [
        {"id": "ops"},
        {"id": "it", "parent": "ops", "head_count": 10},
        {"id": "lab", "parent": "ops", "head_count": 20},
        {"id": "legal", "parent": [{}, {"department": "ops", "since": since}], "head_count": 3},
        {"id": "hr", "head_count": 20},
    ]
    company = {"organisation": "t", "zone": "UTC", "hours": "always", "departments": departments, "groups": []}
    return Files(version=1, company=CompanyFile.model_validate(company))


def indicator_said(value: i.IndicatorValue, partition: int = 0) -> Said:
    return Said("indicators", partition, i.key(value), i.encode(value))


Row = tuple[object, ...]


def expected_facts(said: Iterable[Said]) -> dict[str, Row]:
    """Of each fact the highest version, if it was not taken back."""
    standing: dict[str, f.Fact] = {}
    for fact in facts_in(record.value for record in said if record.topic == "facts" and record.value):
        keep(standing, fact)
    return {
        id: (fact.version, str(fact.outcome), fact.department, fact.calendar_us, fact.business_us, fact.norm)
        for id, fact in standing.items()
        if fact.outcome is not f.Outcome.retracted
    }


def stored_facts(store: ClickHouse) -> dict[str, Row]:
    sql = "SELECT fact_id, version, outcome, department, calendar_us, business_us, norm FROM facts"
    return {str(id): tuple(rest) for id, *rest in store.query(sql).rows}


def facts_in_folder(folder: Path) -> dict[str, Row]:
    store = connect(f"chdb://{folder}")
    try:
        return stored_facts(store)
    finally:
        store.close()


class Running:
    """A stage in a thread of this process, until ``stop`` is set."""

    def __init__(self, run: Callable[[Event], None]) -> None:
        self.stop = Event()
        self.failed: Exception | None = None
        self.thread = Thread(target=self._run, args=(run,))

    def _run(self, run: Callable[[Event], None]) -> None:
        try:
            run(self.stop)
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.failed = error

    def until(self, fulfilled: Callable[[], bool], what: str) -> None:
        def well() -> bool:
            assert self.failed is None, self.failed
            return fulfilled()

        wait_until(well, what)


class Group:
    """Looks at a group of consumers from outside."""

    def __init__(self, broker: BrokerSettings, group: str) -> None:
        self._consumer = KafkaConsumer(**broker.client, group_id=group, enable_auto_commit=False)

    def committed(self, topic: str) -> dict[int, int]:
        """Of each partition, 0 before the first commit."""
        return {p.partition: self._consumer.committed(p) or 0 for p in self._partitions(topic)}

    def lag(self, *topics: str) -> int:
        ends = self._consumer.end_offsets([p for topic in topics for p in self._partitions(topic)])
        return sum(end - (self._consumer.committed(p) or 0) for p, end in ends.items())

    def _partitions(self, topic: str) -> Sequence[TopicPartition]:
        return [TopicPartition(topic, p) for p in sorted(self._consumer.partitions_for_topic(topic))]

    def close(self) -> None:
        self._consumer.close()


def wait_until(fulfilled: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < until, f"after {seconds:.0f} s still not: {what}"
        time.sleep(0.05)


def environment(installation: Installation, **settings: object) -> dict[str, str]:
    given = {"health_port": 0, **settings}
    return {
        **installation.environment,
        **{f"CROSSDESK_SINKS_{name.upper()}": str(value) for name, value in given.items()},
    }


def sink(which: str, installation: Installation, log: Path, **settings: object) -> Process:
    """`crossdesk sink clickhouse` or `prometheus`."""
    return Process(["sink", which], environment(installation, **settings), log)
